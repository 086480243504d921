"""Number of an evaluation: how often the same rows judged a candidate of this model before, as far as that is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lockgate.errors import LockgateError
from lockgate.evidence import stored_json
from lockgate.evidence.evaluations import Evaluation, EvaluationRecord, Versions
from lockgate.evidence.evidence import GateResult
from lockgate.gates.gate import Gate
from lockgate.hashing import canonical, is_digest, sha256
from lockgate.pipeline.pipeline import Pipeline, spends_reuse_budget

Published = Callable[[], Sequence[Mapping[str, str]]]
_OfRun = tuple[str, Evaluation]
Unknown = Literal["unread", "unrecorded"]


@dataclass(frozen=True)
class EvaluationCount:
    """An evaluation, and how many of its rows are on record with it: each publication, and each pair of models that this
    checkout evaluated and nobody published.

    repeats: whether these models were evaluated before, unpublished. unknown: why there is no number to go by: `unread` where
    the registry did not say what is published, `unrecorded` where runs like this one leave no record, so that earlier ones
    left none either.
    """

    this: Evaluation
    counted: int
    repeats: bool = False
    unknown: Unknown | None = None

    @property
    def number(self) -> int | None:
        return None if self.unknown else self.counted

    def to_json(self) -> dict[str, Any]:
        """Its entry under `run.evaluations` of evidence."""
        entry = {"rows": self.this.rows, "id": self.this.id}
        return entry | {"counted": self.counted, "repeats": self.repeats, "unknown": self.unknown}


Evaluations = Mapping[str, EvaluationCount]  # by data name


def judged_data(pipeline: Pipeline, gates: Iterable[Gate]) -> tuple[str, ...]:
    """The data whose rows these gates judge by, in the order of the gates."""
    return tuple(dict.fromkeys(name for gate in gates if (name := judged_by(pipeline, gate)) is not None))


def judged_by(pipeline: Pipeline, gate: Gate) -> str | None:
    """The data whose rows this gate judges by, None where it judges by none."""
    return pipeline.data_of(gate) if any(spends_reuse_budget(gate, line) for line in gate.lines) else None


def begin(
    pipeline: Pipeline,
    gates: Sequence[Gate],
    run_id: str,
    versions: Versions,
    *,
    inputs: Mapping[str, Any],
    published: Published | None,
    record: EvaluationRecord | None = None,
    unrecorded: bool = False,
) -> Evaluations:
    """Count what a run is about to evaluate, by data name, and put it on record before anything is shown of it.

    inputs: digests of policy, models, data and functions (`CaseBuilder.digests`). published: facts of everything that is
    published of the model; None where nobody can say. unrecorded: a later run will not learn of this one. Production beside
    itself is none: nothing can be promoted by that, and so nothing by luck. By a champion of another name a version can.
    """
    champion = inputs.get("champion")
    if pipeline.follows_production and champion is not None and champion == inputs["candidate"]:
        return {}
    names = judged_data(pipeline, gates)
    these = [_evaluation(pipeline, gates, name, run_id, inputs) for name in names]
    before = [] if record is None else record.begin(run_id, these, versions)
    return _counts(these, before, published, unrecorded=unrecorded)


def foretell(
    pipeline: Pipeline, versions: Versions, *, rows: Callable[[str], str | None], published: Published
) -> dict[str, int | None]:
    """The number that an evaluation of these models would get, by data name. rows: the digest of the data of a name."""
    these = [Evaluation(name, _readable(rows, name), "this") for name in judged_data(pipeline, pipeline.gates)]
    before = EvaluationRecord(pipeline.root, pipeline.model).of_others(versions)
    counts = _counts(these, before, published, unrecorded=False)
    return {name: count.number for name, count in counts.items()}


def end(
    pipeline: Pipeline,
    counts: Evaluations,
    results: Iterable[GateResult],
    run_id: str,
    versions: Versions,
    *,
    record: EvaluationRecord | None,
) -> dict[str, EvaluationCount]:
    """Of those that began, the ones whose rows decided something, or would have; the rest is taken off the record.

    Where a model's answers changed when rows were sent again, a repetition is another draw, and counts.
    """
    gates = {gate.title: gate for gate in pipeline.gates}
    judged: dict[str, bool] = {}
    for result in results:
        name = judged_by(pipeline, gates[result.name]) if result.name in gates else None
        decided = (finding.decided for finding in result.findings)
        if (
            name is not None
            and name in counts
            and any(each is not None and each.confidence is not None for each in decided)
        ):
            judged[name] = judged.get(name, False) or "unrepeatable" in result.context
    ended = {
        name: replace(count, this=replace(count.this, id=f"run {run_id}")) if judged[name] else count
        for name, count in counts.items()
        if name in judged
    }
    if record is not None:
        this = [count.this for count in ended.values()]
        record.settle(run_id, this, versions, withdrawn=sorted(counts.keys() - judged.keys()))
    return ended


def _evaluation(
    pipeline: Pipeline, gates: Iterable[Gate], name: str, run_id: str, inputs: Mapping[str, Any]
) -> Evaluation:
    """What makes it the same one again: rows, models and functions; nothing does where these do not settle all answers."""
    rows = inputs.get("data", {}).get(name)
    spec = pipeline.data.get(name)
    moving = spec is not None and spec.last is not None and spec.until is None
    settled = all(gate.repeatable for gate in gates if judged_by(pipeline, gate) == name)
    if not is_digest(str(rows)):
        return Evaluation(name, None, f"run {run_id}")
    if moving or not settled:
        return Evaluation(name, rows, f"run {run_id}")
    models = [None if inputs[role] is None else inputs[role][1] for role in ("candidate", "champion")]
    same = [models, inputs["functions"]["per_row"], rows]
    return Evaluation(name, rows, sha256(canonical(same)).removeprefix("sha256:")[:16])


def _counts(
    these: Iterable[Evaluation], before: Iterable[Evaluation], published: Published | None, *, unrecorded: bool
) -> dict[str, EvaluationCount]:
    """before: by this checkout."""
    these = list(these)
    listed = _published_evaluations(published) if these else ([], [])
    unknown: Unknown | None = "unread" if listed is None else "unrecorded" if unrecorded else None
    counts = {}
    for this in these:
        name = str(this.data)
        public, others = ([each for each in part if each[1].is_of(name, this.rows)] for part in listed or ([], []))
        ids = {each.id for each in before if each.is_of(name, this.rows)} | {each.id for _, each in others}
        unpublished = ids - {this.id, *(each.id for _, each in public)}
        counted = len({run for run, _ in public}) + len(unpublished) + 1
        counts[name] = EvaluationCount(this, counted, this.id in ids, unknown)
    return counts


def _published_evaluations(published: Published | None) -> tuple[list[_OfRun], list[_OfRun]] | None:
    """Of everything that is published, and of what it says came before it unpublished, as on a pull request.

    None where it cannot be read: a run that only reads needs no store.
    """
    if published is None:
        return None
    try:
        facts = published()
    except LockgateError:
        return None
    runs = [(entry.get("run_id", f"no. {number}"), entry) for number, entry in enumerate(facts)]
    public = [(run, each) for run, entry in runs for each in _evaluations_of(entry, run)]
    return public, [(run, each) for run, entry in runs for each in _read(entry, "earlier_evaluations")]


def _read(facts: Mapping[str, str], name: str) -> Sequence[Evaluation]:
    try:
        return Evaluation.read_all(facts[name])
    except (KeyError, ValueError):
        return ()


def _evaluations_of(facts: Mapping[str, str], run: str) -> Sequence[Evaluation]:
    """By the fact `evaluations`; before there was one, by names alone. What names no data was an evaluation of each."""
    if (evaluations := _read(facts, "evaluations")) or facts.get("evaluations") == "[]":
        return evaluations
    id_ = f"run {run}"
    try:
        names = stored_json.texts({"data": stored_json.read(facts["data"])}, "data")
    except (KeyError, ValueError):
        return [Evaluation(None, None, id_)]
    return [Evaluation(name, None, id_) for name in names]


def _readable(rows: Callable[[str], str | None], name: str) -> str | None:
    try:
        return rows(name)
    except LockgateError:
        return None
