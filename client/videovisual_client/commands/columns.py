"""The value of `--columns`."""

import contextlib

import click


def columns(value: str) -> int | tuple[float, ...]:
    """How many frames a picture shows, or, with a point or a comma in it, their times.

    Raises:
        click.BadParameter: it is neither.
    """
    with contextlib.suppress(ValueError):
        if "." not in value and "," not in value and (count := int(value)) > 0:
            return count
        times = tuple(float(time) for time in value.split(",") if time.strip())
        if times and ("." in value or "," in value):
            return times
    raise click.BadParameter(
        f"{value!r} is neither a number of frames, such as 6, nor times: 0.2,0.84."
    )
