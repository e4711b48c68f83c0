"""Classes, the words that mean them, and WordNet."""
