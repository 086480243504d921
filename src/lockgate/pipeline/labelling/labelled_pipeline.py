"""The pipeline by which labels that came later judge the requests of a gate."""

from __future__ import annotations

from typing import Any

from lockgate.gates.gate import Gate, gate_class
from lockgate.pipeline.pipeline import Pipeline


def judging_title(title: str) -> str:
    """Under which name the findings by late labels of a gate stand in their evidence."""
    return f"{title}-labels"


def labelled_pipeline(pipeline: Pipeline, gate: Gate) -> Pipeline:
    """The pipeline with one gate, of metrics, on the requests of `gate` as they are once labels came.

    The answers of both models lie there already; whatever chose the rows has chosen them. No reuse budget is spent on them.
    """
    labels, name = gate.late_labels, pipeline.data_of(gate)
    assert labels is not None  # noqa: S101  # whoever calls has looked
    assert name is not None  # noqa: S101  # a gate without data has no rows to label
    roles = ("candidate", "champion") if pipeline.has_champion else ("candidate",)
    chosen: dict[str, Any] = {
        "join": None,
        "columns": {},
        "format": None,
        "last": None,
        "until": None,
        "not_in": (),
        "answered_by": None,
    }
    spec = pipeline.data[name].model_copy(
        update={**chosen, "label": labels.label, "scores": {role: role for role in roles}}
    )
    metrics = gate_class("metrics", root=pipeline.root).model_validate(
        {"gate": "metrics", "name": judging_title(gate.title), "data": name, "require": labels.require}
    )
    return pipeline.model_copy(update={"data": {name: spec}, "gates": (metrics,), "reuse": None, "per_row": {}})
