"""Attribution methods: one file each, all generators of probes."""
