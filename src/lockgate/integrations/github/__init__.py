"""GitHub: its REST client, pull requests, comments, artifacts, and what we write there."""
