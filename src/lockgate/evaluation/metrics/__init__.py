"""What is computed from labels and scores, one file a family; `METRICS` (imported on demand) holds them by name."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "METRICS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lockgate.evaluation.metrics import calibration, classification, rates, regression
    from lockgate.evaluation.metrics import recall_at_precision as at_precision

    families = (
        classification.METRICS,
        calibration.METRICS,
        rates.metrics(),
        regression.METRICS,
        at_precision.METRICS,
    )
    return {name: metric for family in families for name, metric in family.items()}
