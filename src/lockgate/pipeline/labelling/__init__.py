"""The lines by which labels that come later judge the requests of a gate."""
