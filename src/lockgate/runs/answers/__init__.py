"""What models of a run answer to altered rows, and the files in which answers are kept."""
