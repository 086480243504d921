"""G4: calibration, as soon as a metric of it can be asked."""

from __future__ import annotations

from lockgate.metrics.catalog import SUBJECTS


def note() -> str:
    """What is printed in place of a table."""
    there = "calibration_error" in SUBJECTS
    return "G4 is to be written: calibration_error can be asked" if there else "G4 waits for calibration_error"
