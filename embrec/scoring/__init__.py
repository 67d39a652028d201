"""Scores of vectors against vectors, in blocks: the best k, and ranks by counting."""
