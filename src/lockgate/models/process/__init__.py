"""The places where a model answers, one file each."""
