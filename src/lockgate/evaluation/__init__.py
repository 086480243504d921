"""Score, estimate, judge: what the gates compute."""
