"""The steps from frames to an answer, the same for the library, `Local` and a server."""
