"""Models that are served elsewhere, asked for their scores over the open inference protocol."""
