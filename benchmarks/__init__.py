"""What the speed and quality figures in the README come from."""
