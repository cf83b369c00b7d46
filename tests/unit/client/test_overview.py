"""The page over a folder's results."""

from __future__ import annotations

from dataclasses import asdict

from videovisual_client.batch import Row
from videovisual_client.overview import to_page


def test_rows_remarks_and_caveats_are_escaped() -> None:
    rows = [
        Row(
            *("a<b", "x", "y&z", 0.25, False),
            caveats=["Unlikely: <1%."],
            words=["m says y&z.", "Early."],
            files=["a<b.mp4", "a<b.png"],
        ),
        Row("broken", None, error="malformed_clip: <cut>"),
    ]
    summary = {
        "clips": 2,
        "failed": 1,
        "labelled": 1,
        "accuracy": 0.0,
        "unknown_labels": {"<q>": 3},
        "remarks": ["left out: <r>"],
        "faithfulness": {"insertion": 0.5},
        "rows": [asdict(row) for row in rows],
    }
    page = to_page(summary, {"model": "m", "method": ["grad_cam", "rise"]})
    for text in (
        "<h1>grad_cam, rise: m</h1>",
        "clips: 2, failed: 1; accuracy 0.0% of 1 that count",
        "The model has no class &lt;q&gt; (3)",
        "left out: &lt;r&gt;",
        "<td>y&amp;z (25.0%)</td><td>no</td>",
        "<li>Unlikely: &lt;1%.</li>",
        "<td>m says y&amp;z.<br>Early.</td>",
        'src="a%3Cb.png" alt="Saliency of a&lt;b. m says y&amp;z. Early."',
        '<a href="a%3Cb.mp4">film of a&lt;b</a>',
        '<td class="warn" colspan="6">malformed_clip: &lt;cut&gt;</td>',
    ):
        assert text in page
    assert "<script" not in page
