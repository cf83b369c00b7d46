"""Small functions that several packages need, one or two a file."""
