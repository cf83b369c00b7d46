"""The measurement protocols of the field, STEP's and REVEX's, on maps of every method."""
