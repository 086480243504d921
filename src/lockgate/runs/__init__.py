"""One run of a pipeline: versions chosen, models started, gates run."""
