"""Figures as pure functions: data in, plotly figure out, no Dash."""
