"""What the speed and quality figures in docs/results.md come from."""
