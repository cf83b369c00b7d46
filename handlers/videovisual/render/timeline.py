"""The report of a long film: a zoomable timeline, and the explanations of chosen windows."""

import html
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from videovisual.render.report import PAGE, embedded, plain, policy


def to_timeline(data: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]) -> bytes:
    """Make a page with lanes of classes, the film's pictures, and a report of each window.

    Like the report, it loads nothing from the network.

    Args:
        data: `film`, `model`, `methods`, `version`; what `Timeline.drawn` gives; `moments`, each
            with `page`, the place of its explanation among `windows`; and `stills`, each with
            `time` and `picture`, a URL.
        windows: `report_data` of each explained window, in the film's times.

    Returns:
        The HTML in UTF-8.
    """
    style = "".join((PAGE / name).read_text("utf-8") for name in ("report.css", "timeline.css"))
    report, script = ((PAGE / name).read_text("utf-8") for name in ("report.js", "timeline.js"))
    held = "\n".join(
        f'<script type="application/json" id="window-{place}">{embedded(plain(window))}</script>'
        for place, window in enumerate(windows)
    )
    page = Template((PAGE / "timeline.html").read_text("utf-8")).substitute(
        policy=policy(style, report, script),
        title=html.escape(f"{data['film']}: {data['model']}"),
        style=style,
        report=report,
        script=script,
        data=embedded(plain(data)),
        windows=held,
    )
    return page.encode("utf-8", "replace")
