"""Scores of vectors against vectors, in blocks: the best k, and ranks by counting.

Nothing here knows ids, users or models. Queries and vectors are torch tensors, float32 arrays or
scipy CSR matrices; a score is their inner product. No more than ``memory`` bytes of scores exist at
a time.
"""
