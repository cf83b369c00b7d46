"""Every figure of the documents, as ratios within one run of at most twelve minutes."""
