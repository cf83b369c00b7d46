"""A self-contained HTML page of text, tables and pictures, without scripts."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from videovisual.version import __version__

PAGE = resources.files("videovisual.render") / "page"


def document(title: str, body: str) -> str:
    """The page.

    Its content security policy lets it load nothing but the pictures that it holds.

    Args:
        title: plain text.
        body: HTML, in which all text from outside is escaped.
    """
    style = (PAGE / "document.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{digest}'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f'{body}\n<p class="muted">VideoVisual {__version__}</p>\n</main>\n</body>\n</html>\n'
    )


def paragraph(text: str, kind: str = "") -> str:
    """Plain text as a paragraph of a CSS class."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def figure(picture: bytes | None, caption: str) -> str:
    """A JPEG with its caption, plain text; the caption alone where there is no picture."""
    image = ""
    if picture is not None:
        data = base64.b64encode(picture).decode()
        image = f'<img src="data:image/jpeg;base64,{data}" alt="Frames of the clip">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def gallery(figures: Iterable[str]) -> str:
    """Figures side by side."""
    return f'<div class="pictures">{"".join(figures)}</div>'


def facts(named: Sequence[tuple[str, str]]) -> str:
    """A few large numbers, each with its name; plain text."""
    items = "".join(f"<li><b>{escape(value)}</b>{escape(name)}</li>" for name, value in named)
    return f'<ul class="facts">{items}</ul>'


def table(caption: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where it is wide.

    Args:
        caption, heads: plain text.
        rows: HTML, from `row`.
    """
    titles = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(name: str, cells: Iterable[str]) -> str:
    """A row of a table: its name, plain text, and its cells, HTML `<td>`s."""
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>'


def cell(text: str, kind: str = "") -> str:
    """A cell of plain text of a CSS class."""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def fold(summary: str, body: str, *, opened: bool = False) -> str:
    """HTML that is folded away under a line of plain text."""
    return (
        f"<details{' open' if opened else ''}><summary>{escape(summary)}</summary>{body}</details>"
    )


def card(body: str, kind: str) -> str:
    """HTML in a frame: `good`, or `bad` for what wants attention."""
    return f'<section class="card {kind}">{body}</section>'
