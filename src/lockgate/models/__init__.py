"""Models: where they answer, how load reaches them, and what their answers mean."""
