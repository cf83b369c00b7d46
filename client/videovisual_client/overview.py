"""A page over the results of a folder of clips: `index.html`, without scripts."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

from videovisual.protocol import HEADLINE, said
from videovisual.version import __version__

SHOWN = ("png", "gif")
"""Pictures that the page shows; it links the others."""

LINKED = {"html": "report", "mp4": "film", "json": "record"}

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1b22; --muted: #5d5d69;
  --rule: #8a8a96; --accent: #4b3fb5; --warn: #8a1f0b; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #131318; --ink: #ececf2; --muted: #a3a3b2; --rule: #777785; --accent: #a59cff;
    --warn: #ffb4a3; }
}
body { margin: 0 auto; padding: 20px 16px 40px; max-width: 1320px; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
p { color: var(--muted); margin: 4px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 16px; }
caption { text-align: left; color: var(--muted); }
th, td { text-align: left; vertical-align: top; padding: 8px; border-bottom: 1px solid var(--rule);
  overflow-wrap: anywhere; }
th { min-width: 7em; }
a { color: var(--accent); }
img { max-width: 320px; height: auto; display: block; }
.warn { color: var(--warn); }
ul { margin: 0; padding-left: 1.2em; }
"""

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$totals</p>
$remarks
<div class="scroll" role="region" aria-label="Results" tabindex="0">
<table>
<caption>One row a clip</caption>
<thead><tr>$heads</tr></thead>
<tbody>
$rows
</tbody>
</table>
</div>
<p>VideoVisual $version</p>
</main>
</body>
</html>
""")


def to_page(summary: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Make the page.

    Args:
        summary: as `Batch.summary` gives it; the pictures of its rows lie beside the page.
        request: the options of each clip's request.
    """
    measures = [name for name in HEADLINE if name in summary["faithfulness"]]
    methods = request.get("method") or "classification"
    names = methods if isinstance(methods, str) else ", ".join(methods)
    heads = ("clip", "label", "predicted", "correct", *measures, "in words", "caveats", "files")
    style = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return _PAGE.substitute(
        policy=f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{style}'",
        style=_STYLE,
        title=escape(f"{names}: {request.get('model', '')}"),
        totals=escape(_totals(summary)),
        remarks="\n".join(f'<p class="warn">{escape(text)}</p>' for text in _remarks(summary)),
        heads="".join(f'<th scope="col">{escape(head)}</th>' for head in heads),
        rows="\n".join(_row(row, measures) for row in summary["rows"]),
        version=__version__,
    )


def _totals(summary: Mapping[str, Any]) -> str:
    text = f"clips: {summary['clips']}, failed: {summary['failed']}"
    if summary["accuracy"] is not None:
        text += f"; accuracy {100 * summary['accuracy']:.1f}% of {summary['labelled']} that count"
    return text


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    unknown = [f"{name} ({count})" for name, count in summary["unknown_labels"].items()]
    about = [f"The model has no class {', '.join(unknown)}: these don't count."] if unknown else []
    return [*summary["remarks"], *about]


def _row(row: Mapping[str, Any], measures: Sequence[str]) -> str:
    name = (
        f'<th scope="row"><a href="{_link(row["clip"] + ".json")}">{escape(row["clip"])}</a></th>'
    )
    label = escape(row["label"] or "")
    if row["error"]:
        name = f'<th scope="row">{escape(row["clip"])}</th>'
        span = len(measures) + 5
        error = f'<td class="warn" colspan="{span}">{escape(row["error"])}</td>'
        return f"<tr>{name}<td>{label}</td>{error}</tr>"
    scores = (row["faithfulness"].get(measure) for measure in measures)
    mark = {True: "yes", False: "no", None: ""}[row["correct"]]
    caveats = "".join(f"<li>{escape(line)}</li>" for line in row["caveats"])
    cells = [
        label,
        f"{escape(row['predicted'])} ({said(row['probability'], row['logit'])})",
        mark,
        *("" if score is None else f"{score:.3f}" for score in scores),
        "<br>".join(map(escape, row["words"])),
        f'<ul class="warn">{caveats}</ul>' if caveats else "",
        " ".join(_picture(file, row) for file in row["files"]),
    ]
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _picture(file: str, row: Mapping[str, Any]) -> str:
    clip = row["clip"]
    suffix = file.rpartition(".")[2]
    if suffix in SHOWN:
        alt = escape(" ".join([f"Saliency of {clip}.", *row["words"]]), quote=True)
        inner = f'<img src="{_link(file)}" alt="{alt}" loading="lazy">'
    else:
        inner = f"{LINKED.get(suffix, suffix)} of {escape(clip)}"
    return f'<a href="{_link(file)}">{inner}</a>'


def _link(file: str) -> str:
    return quote(file, errors="surrogateescape")
