"""Text from outside, made printable and short for messages."""

LONGEST = 80
"""Letters of a client's text that a message repeats."""


def shown(text: object, longest: int = LONGEST) -> str:
    """A value's text for a message: printable, and with its middle left out where it is long."""
    whole = readable(str(text))
    if len(whole) <= longest:
        return whole
    half = (longest - 1) // 2
    return f"{whole[:half]}…{whole[-half:]}"


def readable(name: str) -> str:
    """A file's name as text that can be written, with other bytes than UTF-8 as `\\xff`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
