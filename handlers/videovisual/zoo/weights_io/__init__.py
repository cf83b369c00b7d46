"""Published checkpoints and labels: fetched, verified, and read without running what they hold."""
