"""What `make site` does with pages and links, without MkDocs."""

from __future__ import annotations

import pytest
from docs import site_pages


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("README.md", "[x](docs/methods.md#parameters)", "[x](methods.md#parameters)"),
        ("README.md", "![x](docs/images/demo.png)", "![x](images/demo.png)"),
        ("README.md", '<img src="docs/images/demo.png">', '<img src="images/demo.png">'),
        ("README.md", "[x](docs/tour.py)", "[x](tour.md)"),
        ("README.md", "[x](LICENSE)", "[x](checkout/LICENSE)"),
        ("README.md", "[x](https://example.org/LICENSE)", "[x](https://example.org/LICENSE)"),
        ("docs/operating.md", "[x](../config.properties)", "[x](checkout/config.properties)"),
        ("docs/operating.md", "[x](../README.md)", "[x](index.md)"),
        ("docs/reference/index.md", "[x](../methods.md)", "[x](../methods.md)"),
        ("docs/methods.md", "cells[0](x) and [x](#precision)", "cells[0](x) and [x](#precision)"),
    ],
)
def test_links_to_files_become_links_within_the_site(source: str, link: str, expected: str) -> None:
    assert site_pages.relink(link, source) == expected


def test_files_outside_the_documents_are_copied() -> None:
    text = "[a](../LICENSE) [b](methods.md) [c](../README.md) [d](absent.md) [e](rooms.py)"
    assert list(site_pages.copied(text, "docs/api.md")) == ["LICENSE", "docs/rooms.py"]


def test_a_file_in_cells_becomes_a_page() -> None:
    text = '"""Docstring."""\n\n# %% [markdown]\n# # Title\n#\n# Text.\n\n# %%\nx = 1  # why\n'
    assert site_pages.tour(text, "tour.py") == (
        "# Title\n\nText.\n\n\n```python\nx = 1  # why\n```\n"
    )


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
        '<img src="http://example.org/x.png">',
        '<pre class="mermaid"></pre>',
    ],
)
def test_what_is_loaded_from_elsewhere_is_found(html: str) -> None:
    assert site_pages.external(html)


def test_a_link_and_a_local_file_load_nothing_from_elsewhere() -> None:
    assert not site_pages.external(
        '<a href="https://example.org">x</a><script src="x.js"></script>'
    )
