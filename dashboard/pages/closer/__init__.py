"""The page Closer."""
