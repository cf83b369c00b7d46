"""MkDocs's hooks for `make site`: pages from outside `docs/`, and nothing loaded from elsewhere.

The README becomes the first page, and the tour a page of its cells. Where a page links to another
file of the checkout, the site gets a copy of that file.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
COPIES = "checkout"
"""The site's folder for the files that pages link to."""
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "docs/tour.py": "tour.md",
}
"""Files of the checkout that become pages, and the pages' names."""
LINK = re.compile(r"""(\]\(|\b(?:src|srcset|href)=")([^)"#:\s]+)""")
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)
LOADED = {"src", "srcset", "data", "poster"}
"""The attributes whose address a browser loads by itself; `href` only in a `link`."""
ELSEWHERE = re.compile(r"(?:https?:)?//")
IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^)"'\s]+)""")

log = logging.getLogger("mkdocs.plugins.site")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made of other files, and copies of what pages link to."""
    from mkdocs.structure.files import File  # noqa: PLC0415

    texts = {f"docs/{page.src_uri}": page.content_string for page in files.documentation_pages()}
    for source, page in PAGES.items():
        texts[source] = tour((ROOT / source).read_text("utf-8"), source)
        content = relink(texts[source], source)
        files.append(File.generated(config, page, content=content))
    for path in sorted({path for source, text in texts.items() for path in copied(text, source)}):
        files.append(File.generated(config, f"{COPIES}/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point a page's links at the site's pages and copies."""
    made = page.file.src_uri in PAGES.values()
    return markdown if made else relink(markdown, f"docs/{page.file.src_uri}")


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of what a page would load from elsewhere; `--strict` makes that an error."""
    site = Path(config.site_dir)
    for path in sorted((*site.rglob("*.html"), *site.rglob("*.css"))):
        text = path.read_text("utf-8")
        for url in IN_CSS.findall(text) if path.suffix == ".css" else external(text):
            log.warning("%s loads %s", path.relative_to(site), url)


def tour(text: str, source: str) -> str:
    """Markdown from a Python file in cells; other files as they are."""
    if not source.endswith(".py"):
        return text
    _, *cells = CELL.split(text)
    return "\n".join(
        re.sub(r"^# ?", "", cell, flags=re.MULTILINE)
        if kind.strip() == "[markdown]"
        else f"```python\n{cell.strip()}\n```\n"
        for kind, cell in zip(cells[::2], cells[1::2], strict=True)
    )


def relink(text: str, source: str) -> str:
    """The text with links to files of the checkout changed to links within the site.

    Args:
        text: Markdown, whose links are relative to `source`.
        source: path of the text's file in the checkout.
    """
    page = PAGES.get(source, source.removeprefix("docs/"))

    def moved(link: re.Match[str]) -> str:
        path = _target(link[2], source)
        if not (ROOT / path).is_file():
            return link[0]
        found = path.removeprefix("docs/") if _in_docs(path) else f"{COPIES}/{path}"
        return link[1] + posixpath.relpath(PAGES.get(path, found), posixpath.dirname(page) or ".")

    return LINK.sub(moved, text)


def copied(text: str, source: str) -> Iterator[str]:
    """The files of the checkout that the text links to and that are no part of the site."""
    for _, link in LINK.findall(text):
        path = _target(link, source)
        if (ROOT / path).is_file() and path not in PAGES and not _in_docs(path):
            yield path


def _target(link: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _in_docs(path: str) -> bool:
    return path.startswith("docs/") and not path.endswith(".py")


def external(html: str) -> list[str]:
    """The addresses of other machines that a browser loads with this page."""
    parser = _Loads()
    parser.feed(html)
    return parser.found


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            loaded = name in LOADED or (tag == "link" and name == "href")
            if loaded and value and ELSEWHERE.match(value):
                self.found.append(value)
            if name == "class" and value and "mermaid" in value.split():
                self.found.append("mermaid, which the theme loads from unpkg.com")
