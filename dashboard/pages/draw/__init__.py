"""The page Draw."""
