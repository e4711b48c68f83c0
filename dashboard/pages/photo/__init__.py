"""The page Photo."""
