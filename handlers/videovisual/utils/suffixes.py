"""The suffixes of files that are looked at as clips, in lower case.

A single file is read by its content, whatever its name. In a folder of clips the suffix decides.
"""

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".3gp", ".3g2", ".flv", ".f4v"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".gif", ".apng"),
)
ARCHIVE_SUFFIXES = (".npz", ".zip")
CLIP_SUFFIXES = VIDEO_SUFFIXES + ARCHIVE_SUFFIXES
PERHAPS_ANIMATED = (".png", ".webp")
"""Suffixes of pictures that may be animated, which the content tells."""
