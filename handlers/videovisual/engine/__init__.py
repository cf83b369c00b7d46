"""The network's owner: methods ask it with probes, it answers with readings."""
