"""The report in a notebook's cell."""

from html import escape

HEIGHT = 820
"""Pixels: the player with its map, and the curve; the rest is scrolled to."""


def in_notebook(report: bytes, caption: str) -> str:
    """HTML of a report, as the output of a notebook's cell.

    The page runs in a frame of its own: it can't read the notebook, and the notebook's styles
    don't reach it. Like the file it loads nothing from elsewhere.

    Args:
        report: as of `to_html`.
        caption: plain text, shown above; all that is left where a page shows no frames.
    """
    return (
        f"<div>{escape(caption)}</div>"
        f'<iframe title="{escape(caption)}" sandbox="allow-scripts" '
        f'style="width:100%;height:{HEIGHT}px;border:0;resize:vertical" '
        f'srcdoc="{escape(report.decode())}"></iframe>'
    )
