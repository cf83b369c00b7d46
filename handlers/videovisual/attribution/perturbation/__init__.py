"""Extremal perturbations: the mask of a given area that best keeps, or removes, the target."""
