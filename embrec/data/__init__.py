"""Logs, catalogues and ids as flat arrays, in memory or on disk."""
