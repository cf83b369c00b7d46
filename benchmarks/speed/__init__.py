"""The cost of explanations in one process."""
