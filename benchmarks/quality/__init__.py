"""Whether the quick searches find what the published ones do."""
