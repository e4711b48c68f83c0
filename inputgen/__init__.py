"""Making pictures: a network, something to climb, a canvas, one ascent loop.

Knows tensors and class indices; no category names and no atlases. Importing the package loads nothing
heavy; its modules import torch.
"""
