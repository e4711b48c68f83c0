"""The feature space: vectors of classes, and the distances between them."""
