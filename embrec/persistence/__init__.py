"""A folder for a fitted recommender, and back."""
