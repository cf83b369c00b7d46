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


def readable(text: str) -> str:
    """Text that can be written: other bytes than UTF-8 in a file's name as `\\xff`."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold and no file's name
        return text.encode("utf-8", "backslashreplace").decode()
