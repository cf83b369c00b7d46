"""How faithful each method's maps are, on clips whose evidence is known."""
