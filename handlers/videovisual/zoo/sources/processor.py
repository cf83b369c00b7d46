"""A network's input, from the files of transformers that describe it."""

from collections.abc import Mapping
from typing import Any

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.card import InputSpec
from videovisual.zoo.sources.families import Family

BILINEAR = 2
"""Pillow's number for the filter."""

MAX_FRAMES, MAX_SIDE = 1024, 4096
"""The largest input: beyond it a file is damaged, or made to fill the memory."""


def input_spec(family: Family, config: Mapping[str, Any], held: Mapping[str, Any]) -> InputSpec:
    """The input of a network.

    Args:
        family: of the network.
        config: the content of `config.json`.
        held: that of `preprocessor_config.json` or `video_preprocessor_config.json`.

    Raises:
        WeightsError: a value has another form, or the preprocessor does what can't be done here.
    """
    given = {**family.processor, **{key: value for key, value in held.items() if value is not None}}
    if given["do_resize"] and given["resample"] != BILINEAR:
        raise WeightsError(
            f"The preprocessor resizes with Pillow's filter {shown(given['resample'])}; only "
            f"{BILINEAR} (bilinear) is known. If the network bears it, set `resample` to "
            f"{BILINEAR} in a copy of the repository, and load that folder.",
            resample=shown(given["resample"]),
        )
    frames = _whole(config, family.frames, MAX_FRAMES)
    crop, resize = _crop_and_resize(family, config, given)
    low, high = (0.0, 255.0)
    if given["do_rescale"]:
        low = -1.0 if given["offset"] else 0.0
        high = low + 255 * _number(given, "rescale_factor")
    normalised = given["do_normalize"]
    multiple = frames
    if family.any_frames:
        multiple = _whole({"tubelet_size": 1, **config}, "tubelet_size", frames)
    return InputSpec(
        frames=frames,
        size=crop[0] if crop[0] == crop[1] else crop,
        resize=resize,
        mean=_colours(given, "image_mean") if normalised else (0.0, 0.0, 0.0),
        std=_colours(given, "image_std") if normalised else (1.0, 1.0, 1.0),
        value_range=(low, high),
        # torchvision, with which transformers resizes, filters as Pillow does.
        antialias=True,
        max_frames=max(64, frames) if family.any_frames else frames,
        frame_multiple=multiple,
    )


def _crop_and_resize(
    family: Family, config: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[tuple[int, int], int | tuple[int, int]]:
    """(height, width) of the crop, and what frames are resized to before it."""
    side = config.get(family.size, family.processor["crop_size"])
    crop = _sides(given["crop_size"] if given["do_center_crop"] else side, family.size)
    size = given["size"]
    if family.resize is not None:
        return crop, int(crop[0] * family.resize)
    if not given["do_resize"]:
        raise WeightsError(
            "The preprocessor doesn't resize frames, so clips of other sizes than the network's "
            "don't fit. Set `do_resize` in a copy of the repository, and load that folder."
        )
    if isinstance(size, Mapping) and "shortest_edge" in size:
        size = size["shortest_edge"]
    if isinstance(size, int):
        if not max(crop) <= size <= MAX_SIDE:
            raise _strange("size", size, f"a whole number from {max(crop)} to {MAX_SIDE}")
        return crop, size
    resize = _sides(size, "size")
    return crop if given["do_center_crop"] else resize, resize


def _sides(value: Any, name: str) -> tuple[int, int]:
    """(height, width) of a number or of `{"height": …, "width": …}` or a pair."""
    if isinstance(value, Mapping):
        value = [value.get("height"), value.get("width")]
    if not isinstance(value, list | tuple):
        value = [value, value]
    sides = {str(number): side for number, side in enumerate(value)}
    if len(sides) != 2:
        raise _strange(name, value)
    height, width = (_whole(sides, key, MAX_SIDE, name) for key in sides)
    return height, width


def _whole(held: Mapping[str, Any], key: str, most: int, name: str | None = None) -> int:
    value = held.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _strange(name or key, value, f"a whole number from 1 to {most}")
    return value


def _number(held: Mapping[str, Any], key: str) -> float:
    value = held[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise _strange(key, value, "a positive number")
    return float(value)


def _colours(held: Mapping[str, Any], key: str) -> tuple[float, float, float]:
    value = held[key]
    values = value if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3 or not all(isinstance(each, int | float) for each in values):
        raise _strange(key, value, "three numbers")
    red, green, blue = map(float, values)
    return red, green, blue


def _strange(name: str, value: Any, allowed: str = "a size") -> WeightsError:
    return WeightsError(
        f"The repository's `{name}` is {shown(value)}, not {allowed}. Correct it in a copy of the "
        "repository, and load that folder.",
        key=name,
    )
