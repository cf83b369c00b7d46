"""Colours and sizes that all pictures share."""

PAPER = "#ffffff"
INK = "#1b1b22"
MUTED = "#6b6b76"
RULE = "#d9d9e0"
ACCENT = "#4b3fb5"
WARNING = "#a3260f"

SMALL = 11
TEXT = 12
TITLE = 15
GAP = 6
"""Pixels."""
