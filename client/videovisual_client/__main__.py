"""`python -m videovisual_client` is the command `videovisual`."""

from videovisual_client.cli import main

main()
