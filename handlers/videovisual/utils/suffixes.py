"""The suffixes of files that are looked at as clips, in lower case.

A single file is read by its content, whatever its name. In a folder of clips the suffix decides.
"""

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".webm", ".mkv", ".avi", ".gif"),
    *(".ts", ".m2ts", ".mts", ".m2t", ".mpg", ".mpeg", ".vob", ".wmv", ".asf", ".apng"),
)
"""Suffixes of videos that are read."""

REFUSED_SUFFIXES = (".flv", ".ogv", ".rm", ".mxf", ".m2v", ".y4m", ".ivf")
"""Suffixes of videos that are refused by name. In a folder such a clip fails by itself."""

CLIP_SUFFIXES = (*VIDEO_SUFFIXES, *REFUSED_SUFFIXES, ".npz", ".zip")
PERHAPS_ANIMATED = (".png", ".webp")
"""Suffixes of pictures that may be animated, which the content tells."""
