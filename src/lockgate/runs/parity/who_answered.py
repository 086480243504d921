"""Find out who gave the recorded answers of a data set: the versions that are judged are asked about a sample of its rows.

Which rows, follows from policy and data, and from the checkout's salt, which whoever writes the data does not know.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lockgate.data.dataset_spec import VersionColumn
from lockgate.data.stored_columns import stored
from lockgate.errors import DataError, GateBroken, ModelFault, RegistryError, VersionFault
from lockgate.evaluation.judging.number_format import short
from lockgate.evaluation.parity.recording import Entries, sentence, withhold
from lockgate.evidence.finding import Finding
from lockgate.evidence.run_folder import salt
from lockgate.gates.gate import Gate
from lockgate.text import counted, cut

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.case import Contender
    from lockgate.evaluation.parity.spot_check import SpotCheck
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.runs.case_builder import CaseBuilder

TOLERANCE = 1e-6
_BATCH, _REASON, _LISTED = 1_024, 200, 5


def who_answered(builder: CaseBuilder, name: str, scored: Scored) -> dict[str, dict[str, Any]]:
    """Role → the entry of its recorded answers in the evidence, of each role that is judged. Raises GateBroken where they are
    another version's."""
    dataset = builder.case.dataset(name)
    recorded = {str(role): source for role, source in (dataset.spec.scores or {}).items()}
    contenders = [contender for contender in builder.case.contenders if contender.role in recorded]
    entries: dict[str, dict[str, Any]] = {}
    for contender in contenders:
        source = recorded[contender.role]
        claim = _claim(dataset, contender)
        entries[contender.role] = {
            "columns": [source] if isinstance(source, str) else list(source.values()),
            **({} if claim is None else {"answered_by": claim}),
        }
    for contender in contenders:
        entries[contender.role] |= _state(builder, name, contender, scored)
    return entries


def _claim(dataset: Dataset, contender: Contender) -> Any:
    """Who answered, as the pipeline says it; None where it does not. Raises GateBroken where it says that somebody else did."""
    role, version = contender.role, contender.version.version
    source = (dataset.spec.answered_by or {}).get(role)
    if source is None:
        return None
    if not isinstance(source, VersionColumn):
        if source != version:
            raise _foreign(dataset, contender, f"version {source} gave them (data.{dataset.name}.answered_by)")
        return source
    versions = _versions(dataset, source.column)
    others = {other: rows for other, rows in versions.items() if other != version}
    if others:
        named = [
            f"{'none' if other is None else cut(other, 40)} in {counted(rows, 'row')}"
            for other, rows in sorted(others.items(), key=lambda pair: -pair[1])[:_LISTED]
        ]
        raise _foreign(dataset, contender, f"the column {source.column} names another version: {', '.join(named)}")
    return {"column": source.column}


def _versions(dataset: Dataset, column: str) -> Counter[str | None]:
    """How many rows name which version."""
    from lockgate.data.column_texts import texts

    versions = Counter[str | None]()
    for batch in dataset.batches([stored(column)]):
        for pair in texts(batch.column(0)).value_counts().to_pylist():
            versions[pair["values"]] += pair["counts"]
    return versions


def _foreign(dataset: Dataset, contender: Contender, reason: str) -> GateBroken:
    return GateBroken(
        f"the recorded answers of {dataset.name} are not those of the {contender.role}, {contender.version}: {reason}",
        remedy=f"record what {contender.version} answers, and keep rows that others answered out of the data",
        code="recorded_by_other",
    )


def _state(builder: CaseBuilder, name: str, contender: Contender, scored: Scored) -> dict[str, Any]:
    if builder.case.dataset(name).spec.trusts_recorded:
        return {"state": "trusted"}
    if builder.pipeline.task == "text":
        return {"state": "unconfirmed", "obstacle": "models are not asked for texts again"}
    try:
        check = _spot_check(builder, name, contender, scored)
    except (DataError, ModelFault, VersionFault, GateBroken, RegistryError) as error:
        return {"state": "unconfirmed", "obstacle": cut(error.message, _REASON)}
    missing = scored.rows - check.total
    return {"state": check.state, "spot_check": check.to_json()} | ({"missing": missing} if missing else {})


def withheld(gate: Gate, findings: Iterable[Finding], recorded: Mapping[str, Entries]) -> list[Finding]:
    """The findings of a gate, those undecided that would pass by recorded answers which nobody confirmed. recorded: by data."""
    lines = dict(gate.numbered_requirements)
    return [
        withhold(
            finding, recorded, compares=(line := lines.get(finding.requirement)) is None or gate.needs_champion(line)
        )
        for finding in findings
    ]


def recorded_words(recorded: Mapping[str, Entries], *, but_for: str) -> list[str]:
    """Who gave the recorded answers that a gate rests on, a sentence of each data set. but_for: what is said already."""
    sentences = (sentence(entries, name) for name, entries in recorded.items())
    return [words for words in sentences if words not in but_for]


def refuse(entries: dict[str, dict[str, Any]], name: str) -> None:
    """Raise GateBroken where a version gave other answers than those that are recorded as its own."""
    for role, entry in entries.items():
        if entry["state"] != "refuted":
            continue
        check = entry["spot_check"]
        largest = "" if check.get("largest") is None else f", up to {short(float(check['largest']))} away"
        raise GateBroken(
            f"the answers in {', '.join(entry['columns'][:3])} of {name} are not the {role}'s: of {check['rows']:,} rows that it was "
            f"asked again {check['differing']:,} got another answer{largest}",
            remedy="record what this version answers, by the output: of the pipeline and with the libraries that it declares "
            "(environment: declared); where rows or answers were rounded when they were "
            f"written, say how far: data.{name}.recorded: {{tolerance: …}}, or take them at their word: trusted",
            code="recorded_by_other",
        )


def _spot_check(builder: CaseBuilder, name: str, contender: Contender, scored: Scored) -> SpotCheck:
    """Raises LockgateError where the version cannot be asked."""
    import numpy as np

    from lockgate.data import arrow_arrays as arrays
    from lockgate.evaluation.parity.spot_check import LEAST, MOST, compare, drawn_rows
    from lockgate.runs.answers.chosen_rows import chosen_rows, rows_that_fit

    case, dataset = builder.case, builder.case.dataset(name)
    plan = builder.inputs.checked_plan(contender, dataset)
    case.progress(f"asking the {contender.role} again about {name}", 0, None)
    drawing = salt(builder.pipeline.root) + f"{builder.pipeline.policy_digest} {dataset.digest} {name}".encode()
    rng = np.random.default_rng(list(hashlib.sha256(drawing).digest()))
    there = _recorded_rows(scored, contender.role)
    total = scored.rows if there is None else there.size
    groups = [group if there is None else group[there] for group in _groups(builder, scored)]
    most = rows_that_fit(dataset, plan.sources, least=LEAST, most=MOST)
    rows, by_chance = drawn_rows(total, most, groups, rng)
    rows = rows if there is None else there[rows]
    table = chosen_rows(dataset, plan.sources, rows)
    answers = _Answers(builder, dataset, contender, scored)
    recording = dataset.spec.recorded
    recorded, answered = answers.alike(_column(scored, contender.role)[rows], answers.first(table))
    return compare(
        recorded, answered, lambda places: answers.alike(recorded, answers.again(table.take(arrays.from_numpy(places))))[1],
        by_chance=by_chance, total=total, precision=scored.answers.get(contender.role),
        tolerance=TOLERANCE if recording is None or recording == "trusted" else recording.tolerance,
    )  # fmt: skip


def _recorded_rows(scored: Scored, role: str) -> Array | None:
    """Numbers of the rows that have a recorded answer, None for all; the others count as unanswered. Raises GateBroken without any."""
    import numpy as np

    recorded = _column(scored, role)
    answered = np.isfinite(recorded if recorded.ndim == 1 else recorded.sum(axis=1))
    if not answered.any():
        raise GateBroken(f"no row has a recorded answer of the {role}")
    return None if answered.all() else np.flatnonzero(answered)


def _groups(builder: CaseBuilder, scored: Scored) -> Iterator[Array]:
    """Rows that are alike in what verdicts are made of: their class, and what was decided of them."""
    labels = scored.labels
    if labels is not None and (scored.classes or labels.dtype == bool):
        classes = range(len(scored.classes)) if scored.classes else (False, True)
        yield from (labels == each for each in classes)
    if builder.pipeline.task == "binary":
        for role in ("candidate", "champion"):
            scores, cut = getattr(scored, role), scored.cut(role, builder.threshold(role))
            if scores is not None and cut is not None:
                yield scores >= cut


def _column(scored: Scored, role: str) -> Array:
    column: Array = getattr(scored, role)
    return column


class _Answers:
    """What a version answers to rows of the data, in the form in which its answers are recorded."""

    def __init__(self, builder: CaseBuilder, dataset: Dataset, contender: Contender, scored: Scored) -> None:
        from lockgate.evaluation.scoring.replay import replay
        from lockgate.models.answers.answer_reader import AnswerReader
        from lockgate.models.output import scorer

        self._task, self._threshold = builder.pipeline.task, builder.threshold(contender.role)
        self._cut, self._recorded_labels = (
            scored.cut(contender.role, self._threshold),
            scored.answers.get(contender.role) == "labels",
        )
        reading = builder.inputs.reading(
            dataset.name, contender.role, threshold=self._threshold, classes=builder.inputs.classes(dataset), replayed=False,
            recorded=None,
        )  # fmt: skip
        self._reader = AnswerReader(reading, may_fail=True, role=contender.role)
        self._reader.expect(builder.inputs.label_values(dataset))
        score: Callable[[Iterator[Any]], Iterator[Any]]
        if self._task == "multiclass":
            score = scorer(contender.model, self._reader)
        else:
            score = replay(contender.model, self._reader, failed_once=lambda: None)
        self._score = builder.inputs.feed(score, dataset, builder.inputs.plan(contender, dataset))

    def first(self, table: pa.Table) -> Array:
        """The scores of rows, by which it is decided what the answers are."""
        return self._reader.finish(self._ask(table))

    def again(self, table: pa.Table) -> Array:
        """The scores of some of these rows, sent once more."""
        return self._reader.scores(self._ask(table))

    def _ask(self, table: pa.Table) -> Array:
        import numpy as np

        return np.concatenate(list(self._score(iter(table.to_batches(max_chunksize=_BATCH)))))

    def alike(self, recorded: Array, answered: Array) -> tuple[Array, Array]:
        """Both as what they decide, where the one are decisions and the other scores. Raises GateBroken without a threshold."""
        from lockgate.models.class_scores import at_threshold, predicted_class

        if self._task == "multiclass" and recorded.ndim != answered.ndim:
            return predicted_class(recorded), predicted_class(answered)
        if self._task != "binary" or self._recorded_labels == self._reader.holds_labels:
            return recorded, answered
        if self._threshold is None or self._cut is None:
            raise GateBroken(
                "answers are scores and the recording decisions, or the other way round, and there is no threshold"
            )
        theirs = 0.5 if self._reader.holds_labels else self._threshold
        return at_threshold(recorded, self._cut), at_threshold(answered, theirs)
