"""What answers while it changes: the live catalogue, sessions, re-ranking."""
