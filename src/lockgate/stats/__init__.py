"""The statistics that verdicts rest on: plain functions of arrays and counts."""
