"""Measures pictures and answers questions."""
