"""Text in pictures."""

from functools import cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont

ELLIPSIS = "..."
SPACE = 0.29
"""Width of a space as a share of the size: with those of Pillow's font words run together."""


@cache
def font(size: int) -> Font:
    """Pillow's own font, so that pictures are the same on every machine."""
    return ImageFont.load_default(size=size)


def length(text: str, size: int) -> float:
    """Width of a line that `write` draws, in pixels."""
    words = text.split(" ")
    return sum(map(font(size).getlength, words)) + (len(words) - 1) * _space(size)


def fitted(text: str, width: float, size: int) -> str:
    """The text, cut short where it is longer than `width` pixels."""
    # A line break would spread over what stands below, and no letter is narrower than a pixel.
    text = " ".join(text.split())
    if len(text) > width:
        text = text[: int(width)]
    elif length(text, size) <= width:
        return text
    while text and length(text + ELLIPSIS, size) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS


def wrapped(text: str, width: float, size: int) -> list[str]:
    """The text in lines of at most `width` pixels; a longer word is cut short."""
    lines: list[str] = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(fitted(word, width, size))
    return lines


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    size: int,
    fill: str,
    anchor: str = "la",
) -> None:
    """Draw a line of text; `anchor` is Pillow's: left, middle or right, and the height."""
    left, height = place
    left -= {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * length(text, size)
    for word in text.split(" "):
        pen.text((left, height), word, fill=fill, font=font(size), anchor=f"l{anchor[1]}")
        left += font(size).getlength(word) + _space(size)


def _space(size: int) -> int:
    return round(SPACE * size)
