"""The training data of a candidate: where they are, and which rows of the data they hold too."""
