"""Frozen models that turn contents (texts, pictures) into vectors. No tables, no scikit-learn."""
