"""What is computed from labels and scores, one file a family."""
