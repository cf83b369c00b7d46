"""Text from outside, cut short for messages."""

LONGEST = 80
"""Letters of a client's text that a message repeats."""


def shown(text: object, longest: int = LONGEST) -> str:
    """A value's text for a message, with its middle left out where it is long."""
    whole = str(text)
    if len(whole) <= longest:
        return whole
    half = (longest - 1) // 2
    return f"{whole[:half]}…{whole[-half:]}"
