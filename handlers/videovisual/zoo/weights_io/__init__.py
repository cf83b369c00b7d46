"""Published checkpoints and labels: downloaded, verified, and read without running their code."""
