"""What is computed from labels and scores, one file a family; `METRICS` (imported on demand) holds them by name."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "METRICS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lockgate.metrics import at_precision, calibration, classification, quantile, rates, regression

    families = (
        classification.METRICS,
        calibration.METRICS,
        rates.metrics(),
        regression.METRICS,
        quantile.METRICS,
        at_precision.METRICS,
    )
    return {name: metric for family in families for name, metric in family.items()}
