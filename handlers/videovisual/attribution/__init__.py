"""Attribution methods, all generators of probes."""
