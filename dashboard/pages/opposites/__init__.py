"""The page Opposites."""
