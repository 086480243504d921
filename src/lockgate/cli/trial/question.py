"""What a person asks of `gate try`, and what models and data show of the rest: label, task, positive class, columns, slices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from statistics import pstdev
from typing import TYPE_CHECKING, Any

from lockgate.cli.drafting.columns import Outline, column_list, first_rows, outline, truth_of
from lockgate.cli.drafting.pipeline_text import Draft
from lockgate.cli.drafting.tensor_inputs import tensor_inputs
from lockgate.cli.drafting.truth_column import guess_task
from lockgate.cli.drafting.yaml_text import naming_refusal
from lockgate.cli.trial.requirements import LabelCounts
from lockgate.data.dataset import Dataset
from lockgate.errors import UsageError, guess
from lockgate.models import signature_diff
from lockgate.models.input_plan import InputSource, lightgbm_name
from lockgate.models.model import LoadFacts
from lockgate.references.address import redacted
from lockgate.registries.ports import VersionFacts

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Question:
    """The words of one call. data: a path or an address. features: in the order of training; none where the model knows."""

    candidate: str
    champion: str | None
    data: str
    label: str | None = None
    task: str | None = None
    positive: str | None = None
    query: str | None = None
    require: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    python: str | None = None
    no_slices: bool = False

    @property
    def shown_data(self) -> str:
        """The data as people may see them named."""
        return redacted(self.data)

    def is_numbered(self, version: str) -> bool:
        """Whether the candidate is a version that a registry numbers, as `models:/NAME/3` is."""
        return self.candidate.startswith("models:/") and version.isdigit()

    @property
    def addresses(self) -> dict[str, str]:
        """Role → path or address of its model."""
        champion = {} if self.champion is None else {"champion": self.champion}
        return {"candidate": self.candidate, **champion}


@dataclass(frozen=True)
class Contestant:
    """A model that was loaded. answers_classes: its first answers were classes."""

    files: VersionFacts
    loaded: LoadFacts
    answers_classes: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the columns that it takes; none where it does not name them."""
        signature = (self.files.signature or {}).get("inputs")
        if signature:
            return tuple(signature_diff.named(signature))
        return () if self.loaded.fitted is None else self.loaded.fitted.names or ()

    @property
    def scoring(self) -> str | None:
        """The method by which it gives scores, where `predict` gives classes."""
        return next(iter(self.loaded.estimator.methods), None)

    @property
    def gives_classes(self) -> bool:
        """Whether it is known to give classes alone."""
        return self.scoring is None and (self.answers_classes or self.loaded.estimator.kind == "classifier")

    @property
    def is_unclear(self) -> bool:
        """Whether nothing but its answers tells if these are classes or scores."""
        return self.scoring is None and self.loaded.estimator.kind is None


@dataclass(frozen=True)
class Subject:
    """The data of a question, seen beside the models that it is about."""

    question: Question
    data: Dataset
    models: Mapping[str, Contestant]

    @cached_property
    def rows(self) -> pa.Table:
        """The first rows. Raises DataError, UsageError where there are none."""
        _ = self.data.schema  # says what is wrong with it
        rows = first_rows(self.data)
        if not rows.num_rows:
            raise UsageError(f"{self.question.shown_data} has no rows that can be read", remedy="name data with rows")
        for option, names in {
            "--label": [self.question.label], "--query": [self.question.query], "--slice": self.question.slices,
            "--features": self.question.features,
        }.items():  # fmt: skip
            for name in names:
                if name is not None and name not in rows.column_names:
                    raise UsageError(
                        f"{option}: {self.question.shown_data} has no column {name!r}{guess(name, rows.column_names)}",
                        remedy=f"its columns are {column_list(rows.column_names)}",
                    )
        return rows

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The columns that models name as their inputs."""
        return tuple(dict.fromkeys(name for model in self.models.values() for name in model.inputs))

    @cached_property
    def label(self) -> str:
        """The column that holds the truth. Raises UsageError where nobody says which."""
        label = self.question.label
        if label is None:
            label = truth_of(self.rows, classes=True, inputs=self.inputs or None).column
        if label is None:
            raise UsageError(
                "which column holds the truth is not clear",
                remedy=f"name it with --label: one of {column_list(self.rows.column_names)}",
            )
        if (reason := naming_refusal(label)) is not None:
            raise UsageError(f"no pipeline can name the column {label!r}: {reason}", remedy="rename it")
        return label

    @cached_property
    def task(self) -> str:
        if self.question.task is not None:
            return self.question.task
        if self.question.query is not None:
            return "ranking"
        fitting = guess_task(self.data.labelled(self.label))
        kinds = {model.loaded.estimator.kind for model in self.models.values()}
        return "regression" if fitting == "multiclass" and kinds == {"regressor"} else fitting

    @cached_property
    def kind(self) -> str:
        """The task; `labels` for two classes of which a model gives no scores."""
        labels = self.task == "binary" and any(model.gives_classes for model in self.models.values())
        return "labels" if labels else self.task

    @cached_property
    def outline(self) -> Outline:
        """What the columns seem to be; no column that a model takes is an id, a weight or a recorded score."""
        rows = outline(self.rows, label=self.label, inputs={*self.inputs, *self.question.features})
        named = bool(self.question.features) or all(model.inputs for model in self.models.values())
        keys = {"id": rows.id, "cluster": rows.cluster} if named else {"id": None, "cluster": None}
        slices = tuple(name for name in rows.slices if not self.question.no_slices and naming_refusal(name) is None)
        return replace(rows, scores=(), weight=None, slices=slices, **keys)

    @cached_property
    def slices(self) -> list[Any]:
        """Entries of `slices:`: the columns that were named, else those of few texts of which each is there often enough."""
        slices = self.question.slices or tuple(
            name
            for name in self.outline.slices
            if name not in (self.question.query, self.outline.id, self.outline.cluster)
        )
        draft = Draft(
            self.data, self.label, self.task, self.question.query or "query", replace(self.outline, slices=slices)
        )
        return list(draft.slices)

    @cached_property
    def counts(self) -> LabelCounts:
        """Raises UsageError for labels that do not fit the task."""
        values = [value for value in self.rows.column(self.label).to_pylist() if value is not None and value == value]
        if not values:
            raise UsageError(
                f"the column {self.label!r} is empty", remedy="name the one that holds the truth with --label"
            )
        if self.task in ("regression", "ranking"):
            if not all(isinstance(value, int | float | Decimal) for value in values):
                raise UsageError(
                    f"the column {self.label!r} holds no numbers", remedy=f"{self.task} needs a number as truth"
                )
            return LabelCounts(len(values), scatter=pstdev(map(float, values)))
        return self._counts(values)

    @property
    def slice_counts(self) -> list[LabelCounts]:
        """Those of each value of each slice."""
        labels, numbers = self.rows.column(self.label).to_pylist(), self.task in ("regression", "ranking")
        columns = [entry if isinstance(entry, str) else entry["column"] for entry in self.slices]
        counts = list[LabelCounts]()
        for column in columns:
            values = defaultdict[Any, list[Any]](list)
            for value, label in zip(self.rows.column(column).to_pylist(), labels, strict=True):
                values[value] += [label] if label is not None and label == label else []
            counts += [LabelCounts(len(own)) if numbers else self._counts(own) for own in values.values()]
        return counts

    def _counts(self, labels: Sequence[Any]) -> LabelCounts:
        classes = Counter(labels)
        return LabelCounts(len(labels), classes.get(self.positive, 0) if self.task == "binary" else None, dict(classes))

    @cached_property
    def positive(self) -> Any:
        """The label that scores speak for: the one that was named, the outline's, the last of a model's two classes."""
        values = self.rows.column(self.label).unique().to_pylist()
        by_word = {_spelled(value): value for value in values if value is not None}
        if (word := self.question.positive) is not None:
            label = next((text for text in (word, word.rpartition("=")[0]) if _spelled(text) in by_word), None)
            if label is None:
                raise UsageError(
                    f"--positive: {self.label} holds no {word!r}",
                    remedy=f"it holds {', '.join(sorted(map(str, values))[:10])}",
                )
            return by_word[_spelled(label)]
        if self.outline.unsure:
            last = {names[-1] for names in self._classes if names}
            named = next((value for value in values if len(last) == 1 and value in last), None)
            return self.outline.positive if named is None else named
        return 1 if self.outline.positive is None else self.outline.positive

    @property
    def _classes(self) -> list[tuple[Any, ...]]:
        return [model.loaded.estimator.classes or () for model in self.models.values()]

    @cached_property
    def positive_class(self) -> Any:
        """What models call the positive label, where that was named behind it: 1 of `--positive yes=1`; None where it was not.

        Raises UsageError where models of two classes have other names for them than the data.
        """
        word, label = self.question.positive or "", _spelled(self.positive)
        if _spelled(word) != label and "=" in word:
            name = _spelled(word.rpartition("=")[2])
            return next((each for names in self._classes for each in names if _spelled(each) == name), name)
        for names in self._classes:
            if names and label not in map(_spelled, names):
                raise UsageError(
                    f"a model calls its classes {' and '.join(map(str, names))}, and {self.label} holds {self.positive}",
                    remedy=f"say which of them that is: {' or '.join(f'--positive {self.positive}={name}' for name in names)}",
                )
        return None

    @property
    def guessed_positive(self) -> bool:
        """Whether the positive class is a guess that a person should see."""
        return self.task == "binary" and self.question.positive is None and bool(self.outline.unsure)

    @property
    def guesses_order(self) -> bool:
        """Whether a model that knows no names was given columns as they stand in the data."""
        return not self.question.features and any(
            not model.files.signature and not model.inputs for model in self.models.values()
        )

    @cached_property
    def decoded(self) -> dict[str, InputSource]:
        """`inputs:` of tensors that are fed by cells of bytes, by how these begin."""
        decoded: dict[str, InputSource] = {}
        for model in self.models.values():
            decoded |= tensor_inputs(self.rows, (model.files.signature or {}).get("inputs")).sources
        return decoded

    def sources(self) -> dict[str, str]:
        """`inputs:` of models without a signature: the names that they know, else the columns of the data, in order.

        Raises UsageError where the data have more or fewer columns than a model was fitted on that knows no names.
        """
        unsigned = [model for model in self.models.values() if not model.files.signature]
        unnamed = [model for model in unsigned if not model.inputs]
        if self.question.features:
            return {name: name for name in self.question.features}
        if not unnamed:
            columns = {lightgbm_name(name): name for name in self.rows.column_names}
            columns |= {name: name for name in self.rows.column_names}
            names = dict.fromkeys(name for model in unsigned for name in model.inputs)
            return {name: column for name in names if (column := columns.get(name)) is not None}
        from lockgate.data.arrow_arrays import is_number
        from lockgate.models.signature_diff import is_list

        free = [name for name in self.rows.column_names if name not in (self.label, self.question.query)]
        numbers = [name for name in free if is_number(self.rows.schema.field(name).type)]
        lists = [name for name in free if is_list(self.rows.schema.field(name).type)]
        wanted = {model.loaded.fitted.count for model in unnamed if model.loaded.fitted is not None} - {None}
        fitting = next(
            (names for names in (free, numbers) if wanted <= {len(names)}), lists if len(lists) == 1 else None
        )
        if fitting is None:
            raise UsageError(
                f"the model was fitted on {' or '.join(map(str, wanted))} columns and does not name them; "
                f"{self.question.shown_data} has {len(free)} beside {self.label}: {column_list(free)}",
                remedy="list those that it takes, in the order of training: --features a,b,c",
            )
        return {name: name for name in fitting}


def _spelled(value: Any) -> str:
    from lockgate.data.class_labels import class_text

    return class_text(value).casefold()
