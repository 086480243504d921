"""Metrics of labels and scores, one file a family; `catalog` lists what they declare."""
