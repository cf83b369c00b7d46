"""Faster forms of a frozen network that compute the same up to rounding."""
