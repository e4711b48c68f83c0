"""Showing the space in a browser: a Dash app over finished atlases. Never imports torch."""
