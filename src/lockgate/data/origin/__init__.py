"""Where data lie, and which version of them is read."""
