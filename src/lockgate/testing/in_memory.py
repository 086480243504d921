"""Evaluate models that you hold in memory, as in a notebook or a test: no registry, no pipeline, nothing is promoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.errors import UsageError
from lockgate.evaluation.judging.number_format import interval_text, short, slice_words
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate


@dataclass(frozen=True)
class Evaluation:
    """What the gate `metrics` says of a model. Shows itself as a table in a notebook."""

    result: GateResult

    @property
    def passed(self) -> bool:
        """Whether every requirement was met; `assert` it in a test, and `reason` says what was not."""
        return self.result.verdict is Verdict.PASS

    @property
    def verdict(self) -> str:
        """pass, inconclusive, fail or error."""
        return self.result.verdict.value

    @property
    def reason(self) -> str:
        """The verdict in a sentence, then a sentence for each finding that did not pass."""
        sentences = [finding.reason for finding in self.findings if finding.verdict is not Verdict.PASS]
        return "\n".join(dict.fromkeys((self.result.reason, *sentences)))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One for each requirement and slice."""
        return self.result.findings

    def to_frame(self) -> pd.DataFrame:
        """A row for each finding: verdict, requirement, slice, candidate, champion, the interval that decided, rows, reason."""
        lines = {line.id: line.text for line in self.result.requirements}
        return pd.DataFrame(
            [
                {
                    "verdict": finding.verdict.value,
                    "requirement": lines.get(finding.requirement, finding.requirement),
                    "slice": slice_words(tuple(finding.slice.items())) or "all rows",
                    "candidate": finding.observed,
                    "champion": finding.champion,
                    "low": None if finding.decided is None else finding.decided.low,
                    "high": None if finding.decided is None else finding.decided.high,
                    "rows": finding.rows,
                    "reason": finding.reason,
                }
                for finding in self.findings
            ],
            columns=["verdict", "requirement", "slice", "candidate", "champion", "low", "high", "rows", "reason"],
        )

    def __repr__(self) -> str:
        return f"{self.verdict}: {self.reason}"

    def _repr_html_(self) -> str:
        """The table, every cell escaped."""
        table = self.to_frame().drop(columns=["reason"])
        table["interval"] = [
            "" if low is None or high is None else interval_text(low, high)
            for low, high in zip(table.pop("low"), table.pop("high"), strict=True)
        ]
        for role in ("candidate", "champion"):
            table[role] = ["" if pd.isna(value) else short(value) for value in table[role]]
        heading = pd.DataFrame([{"verdict": self.verdict, "": self.result.reason}])
        return str(heading.to_html(index=False, header=False)) + str(table.to_html(index=False))


def evaluate(
    model: Any,
    data: Any,
    *,
    label: str,
    require: Sequence[str | Mapping[str, Any] | Requirement],
    champion: Any = None,
    slices: Sequence[Any] = (),
    task: str | None = None,
    positive: Any = None,
    features: Sequence[str] | None = None,
    threshold: float | None = 0.5,
    weight: str | None = None,
    cluster: str | None = None,
    query: str | None = None,
    time: str | None = None,
    small_slices: Mapping[str, Any] | None = None,
    not_in: Any = None,
    max_seen: float | None = None,
) -> Evaluation:
    """Decide requirements on a model, as the gate `metrics` of a pipeline would, by the same statistics.

    model, champion: anything with `predict_proba` or `predict`, a function of the features, or the (n,) scores themselves;
    they are called in this process. data: a pandas or Arrow table, or a dict of columns, with the column `label`. require:
    lines as in a pipeline, `auc >= champion - 0.02 on each slice`. slices: names of columns, or entries as in `data.*.slices`.
    positive: the label that scores speak for, where labels are not 0 and 1; the second of a classifier's `classes_` else.
    features: the columns that models are given; a model's `feature_names_in_` else, or all without a role. not_in, max_seen: as
    of data in a pipeline; a table of the rows that `model` was trained on, recognised by the columns that it is given. time: the column that
    says when rows were recorded, for `after_training`, which compares it with that of the training rows.
    Raises UsageError for what does not fit; what a model raises itself is left alone.
    """
    if model is None or not require:
        raise UsageError(
            "nothing is evaluated without a model and a requirement", remedy='write require=["auc >= 0.8"]'
        )
    frame = _frame(data)
    roles = [name for name in (label, weight, cluster, query, time) if name is not None]
    missing = [name for name in (*roles, *(features or ())) if name not in frame.columns]
    if missing:
        raise UsageError(f"the data have no column {missing[0]!r}; they have {', '.join(map(str, frame.columns))}")
    inputs = frame.drop(columns=roles) if features is None else frame[list(features)]
    labels = sorted(
        (_plain(value) for value in frame[label].dropna().unique()), key=lambda value: (str(type(value)), value)
    )
    if positive is None:
        positive = _positive(model, labels)
    training = None if not_in is None else _training(not_in, _inputs(model, inputs), time)
    columns: dict[str, Any] = {}
    table = frame.copy()
    for role, answering in (("candidate", model), ("champion", champion)):
        if answering is None:
            continue
        scores = _scores(answering, inputs, role, labels, positive, task)
        named = scores if isinstance(scores, dict) else {"": scores}
        names = {name: _free(f"{role} {name}".strip(), table) for name in named}
        table = table.assign(**{names[name]: values for name, values in named.items()})
        columns[role] = names if isinstance(scores, dict) else names[""]
    result = run_gate(
        "metrics", table=table, scores=columns, require=require, slices=slices, task=task,
        positive=1 if positive is None else positive, threshold=threshold, label=label, weight=weight, cluster=cluster,
        query=query, time=time, small_slices=small_slices, not_in=training, max_seen=max_seen,
    )  # fmt: skip
    return Evaluation(result)


def _training(table: Any, columns: Sequence[Any], time: str | None) -> pd.DataFrame:
    """The columns of training rows by which they are recognised, and when they were recorded, where they say it.

    Raises UsageError where they lack one of the former.
    """
    frame = _frame(table)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UsageError(f"not_in has no column {str(missing[0])!r}; it has {', '.join(map(str, frame.columns))}")
    return frame[[*columns, *({time} & {*frame.columns} - {*columns})]]


def _inputs(model: Any, inputs: pd.DataFrame) -> Sequence[Any]:
    """The columns that a model is given."""
    names = getattr(model, "feature_names_in_", None)
    return list(inputs.columns if names is None or not set(names) <= set(inputs.columns) else names)


def _frame(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    if hasattr(data, "to_pandas"):  # Arrow, Polars
        return pd.DataFrame(data.to_pandas())
    if isinstance(data, Mapping):
        return pd.DataFrame(dict(data))
    raise UsageError(f"data is {type(data).__name__}", remedy="give a pandas or Arrow table, or a dict of columns")


def _positive(model: Any, labels: Sequence[Any]) -> Any:
    """The class of two that scores speak for: 1 where the labels are 0 and 1, the second of the model's own else."""
    if {str(value) for value in labels} <= {"0", "1", "0.0", "1.0"}:
        return None
    classes = list(getattr(model, "classes_", ()))
    if len(classes) == 2:
        return _plain(classes[1])
    if len(labels) == 2 and set(labels) <= {True, False}:
        return True
    return None


def _scores(model: Any, inputs: pd.DataFrame, role: str, labels: Sequence[Any], positive: Any, task: str | None) -> Any:
    """(n,) scores, values or labels, or {class: (n,) scores}. Raises UsageError for another number of answers than rows.

    labels: sorted, the classes of scores whose model has no `classes_`.
    """
    if callable(model) or hasattr(model, "predict") or hasattr(model, "predict_proba"):
        columns = inputs[_inputs(model, inputs)]
        probabilities = hasattr(model, "predict_proba") and task != "regression"
        call = model.predict_proba if probabilities else getattr(model, "predict", model)
        answers = np.asarray(call(columns))
    else:
        probabilities, answers = False, np.asarray(model)
    if answers.shape[:1] != (len(inputs),):
        shape = " × ".join(map(str, answers.shape)) or "one value"
        raise UsageError(f"the {role} gave {shape} for {len(inputs):,} rows", remedy="return one answer a row")
    if answers.ndim == 1:
        return answers
    if answers.ndim != 2:
        raise UsageError(
            f"the {role} gave {answers.ndim - 1} dimensions a row", remedy="return scores by class, or one score"
        )
    if answers.shape[1] == 1:
        return answers[:, 0]
    classes = getattr(model, "classes_", labels if len(labels) == answers.shape[1] else range(answers.shape[1]))
    return _by_class(answers, [_plain(name) for name in classes], positive, role)


def _by_class(answers: NDArray[Any], classes: Sequence[Any], positive: Any, role: str) -> Any:
    """The scores of the positive class where there are two, else all by class."""
    if len(classes) != answers.shape[1]:
        raise UsageError(f"the {role} has {len(classes)} classes and gave {answers.shape[1]} scores a row")
    if len(classes) > 2:
        return {str(name): answers[:, index] for index, name in enumerate(classes)}
    texts = [str(name) for name in classes]
    speaking = str(classes[1] if positive is None else positive)
    if speaking not in texts:
        raise UsageError(f"the {role} scores {' and '.join(texts)}, and positive is {speaking}")
    return answers[:, texts.index(speaking)]


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _free(name: str, table: pd.DataFrame) -> str:
    """The name, or one like it that no column has."""
    while name in table.columns:
        name += "_"
    return name
