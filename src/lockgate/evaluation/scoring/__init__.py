"""The scored table: what both models answer about the same rows."""
