"""Half an hour of bad input to a real server: damaged clips, requests and answers."""
