"""Extremal perturbations: the mask of a given area that keeps, or loses, the target best."""
