"""The commands, one a file; `videovisual_client.cli` puts them together."""
