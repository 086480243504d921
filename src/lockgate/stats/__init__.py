"""Statistics: plain functions of arrays and counts, each importable from here.

`confidence` is that of the two-sided interval, as in textbooks; gates speak of one-sided confidence and convert. Results
are frozen, and every interval has `.low` and `.high`. Inputs that make no sense raise ValueError. Importing this package
loads nothing; a function loads numpy and scipy.special when it is first named, and some of `reference` scipy.stats when
they are called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockgate.stats.distance import jensen_shannon, psi_under_no_drift
    from lockgate.stats.power import rows_needed
    from lockgate.stats.proportions import clopper_pearson, tango
    from lockgate.stats.reference.auc import average_precision, delong, delong_paired
    from lockgate.stats.reference.distance import wasserstein
    from lockgate.stats.reference.loadgen import backfilled, loadgen_min_under_limit, mlperf_queries
    from lockgate.stats.reference.paired import mcnemar, tost_paired
    from lockgate.stats.reference.ranks import hodges_lehmann, mann_whitney, wilcoxon_signed_rank
    from lockgate.stats.reference.textbook import benjamini_hochberg, holm, min_n_for_quantile, quantile_ranks, wilson
    from lockgate.stats.sequential import bernoulli_confidence_sequence, normal_mixture_bound

__all__ = [
    "wilson",
    "clopper_pearson",
    "tango",
    "mcnemar",
    "delong",
    "delong_paired",
    "average_precision",
    "holm",
    "benjamini_hochberg",
    "tost_paired",
    "quantile_ranks",
    "min_n_for_quantile",
    "loadgen_min_under_limit",
    "mlperf_queries",
    "backfilled",
    "jensen_shannon",
    "wasserstein",
    "psi_under_no_drift",
    "normal_mixture_bound",
    "bernoulli_confidence_sequence",
    "rows_needed",
    "wilcoxon_signed_rank",
    "mann_whitney",
    "hodges_lehmann",
]

# Each name stands in one of these.
_MODULES = (
    *("distance", "power", "proportions", "sequential", "reference.textbook", "reference.auc", "reference.distance"),
    *("reference.loadgen", "reference.paired", "reference.ranks"),
)


def __getattr__(name: str) -> Any:
    """Loads the modules up to that of a function when it is first named."""
    for module in _MODULES if name in __all__ else ():
        function = getattr(import_module(f"{__name__}.{module}"), name, None)
        if function is not None:
            globals()[name] = function
            return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
