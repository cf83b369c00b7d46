"""Small helpers that more than one room needs: one function or two a file."""
