"""A classifier's card as HTML, which a notebook shows."""

from collections.abc import Iterator
from html import escape

from videovisual.zoo.card import ModelCard

SHOWN = 8
"""Labels that are shown before they are unfolded."""


def card_page(card: ModelCard, weights_sha256: str, device: str) -> str:
    """The card as a table, with the labels folded in.

    Args:
        card: the model's card.
        weights_sha256: of the checkpoint that the weights were read from.
        device: that of the weights.
    """
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in _facts(card, weights_sha256, device)
        if value
    )
    first = ", ".join(card.labels[:SHOWN]) + (", …" if len(card.labels) > SHOWN else "")
    labels = escape(", ".join(card.labels))
    return (
        f"<table><caption><b>{escape(card.name)}</b></caption>{rows}</table>"
        f"<details><summary>{len(card.labels)} classes: {escape(first)}</summary>{labels}</details>"
    )


def _facts(card: ModelCard, weights_sha256: str, device: str) -> Iterator[tuple[str, str]]:
    spec = card.input
    spread = "spread over the clip"
    rate = spread if spec.fps is None else f"{spec.fps:g} a second, {spec.frames / spec.fps:.2f} s"
    yield "network", card.title
    yield "input", f"{spec.frames} frames of {spec.area}, {rate}"
    yield "scores", card.scores
    yield "accuracy", card.accuracy
    yield "Grad-CAM's layer", card.cam_layer
    yield "made for", card.made_for or ""
    yield "weights", f"{card.weights.origin} ({card.weights.licence})"
    yield "SHA-256", weights_sha256
    yield "device", device
