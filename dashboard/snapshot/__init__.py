"""An atlas as one HTML file."""
