"""Requirement lines: subjects, grammar, and which of them no data can satisfy."""
