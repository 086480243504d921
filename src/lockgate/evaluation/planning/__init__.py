"""What a run could decide, before it is run."""
