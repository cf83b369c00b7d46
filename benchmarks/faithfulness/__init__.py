"""Faithfulness of every method's maps, on clips whose evidence is known."""
