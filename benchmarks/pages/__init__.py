"""The pages of results: each section is written from one file of figures."""
