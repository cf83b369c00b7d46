"""What an explanation costs, beside the peers, in one process by turns."""
