"""While there is no champion some lines are left out, and a gate of nothing else cannot pass."""

from __future__ import annotations

from lockgate.gates.metrics import Metrics
from lockgate.gates.shadow import Shadow
from lockgate.gates.signature import Signature
from lockgate.pipeline.without_champion import left_out, undecidable


def test_a_gate_whose_lines_all_compare_is_named_with_a_line_that_does_not() -> None:
    """A bare signature gate has others, and what only warns stands in nobody's way."""
    metrics = Metrics(data="holdout", require=("recall(threshold=0.7) >= champion - 0.02",))
    shadow = Shadow(data="traffic", require=("new_errors <= 0", "flip_rate <= 2%"))
    gates = [Signature(), metrics, shadow, metrics.model_copy(update={"name": "beside", "severity": "warn"})]

    assert left_out(gates)[:3] == [
        "signature: breaking_changes <= 0",
        "metrics: recall(threshold=0.7) >= champion - 0.02",
        "shadow: new_errors <= 0, flip_rate <= 2%",
    ]
    assert undecidable(gates) == [("metrics", "recall(threshold=0.7) >= NUMBER"), ("shadow", "errors <= 0")]
