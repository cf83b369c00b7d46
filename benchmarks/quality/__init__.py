"""The quality of default searches against the published ones."""
