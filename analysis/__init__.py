"""Measuring pictures: activations, the feature space, distances, and the answers they give.

Importing the package loads nothing heavy; only the modules that run a network import torch.
"""
