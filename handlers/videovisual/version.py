"""The version, in the one place that needs no import of anything else."""

__version__ = "0.2.0"
