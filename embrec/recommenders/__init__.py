"""The base of all recommenders, and the engine of those that are trained."""
