"""Whether rows of the data become inputs of a model: their types, and for tensors the shapes of the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lockgate.models.model_host import BadInput, tensors
from lockgate.models.signature_diff import Column, fits, named

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.models.input_plan import InputPlan

_ROWS = 1000  # of which the shapes are looked at


def misfits(signature: Sequence[Column], plan: InputPlan, dataset: Dataset) -> list[str]:
    """Why the columns of a plan cannot become what the signature says, beside the plan's own problems."""
    if has_tensors(signature):
        return _tensor_misfits(signature, plan, dataset)
    columns = named(signature)
    problems = []
    for column in plan.columns:
        kind = dataset.schema.field(column.column).type
        declared = columns.get(column.name)
        if declared is not None and not fits(declared, kind):
            problems.append(f"input {column.name} is {declared['type']}, in the data it is {kind}")
    return problems


def has_tensors(signature: Sequence[Column] | None) -> bool:
    """Whether inputs are arrays."""
    return bool(signature) and any(column.get("type") == "tensor" for column in signature or ())


def tensor_specs(signature: Sequence[Column]) -> list[Any]:
    """The tensors of a registry's JSON as `model_host.tensors` takes them: name, type and shape."""
    return [
        SimpleNamespace(
            name=column.get("name"),
            type=column.get("tensor-spec", {}).get("dtype"),
            shape=tuple(column.get("tensor-spec", {}).get("shape") or ()),
        )
        for column in signature
    ]


def _tensor_misfits(signature: Sequence[Column], plan: InputPlan, dataset: Dataset) -> list[str]:
    if plan.problems:
        return []
    batch = next(dataset.batches(plan.sources, rows=_ROWS), None)
    if batch is None:
        return []
    try:
        tensors(plan.select(batch), tensor_specs(signature))
    except BadInput as error:
        return [str(error)]
    except ImportError:  # what decodes images lies beside the model, which says so if it does not
        return []
    return []
