"""Drawings, and atlases made of them or of photographs."""
