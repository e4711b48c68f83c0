"""The page Morph."""
