"""What a model answers: scores or labels, decided from all of its rows."""
