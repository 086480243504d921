"""Run a program of the project beside the models, in a box like theirs."""
