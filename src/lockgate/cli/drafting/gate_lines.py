"""The gates of a first pipeline beside metrics, and its training data, by what the newest version was logged with and how long it
took here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lockgate.cli.drafting.yaml_text import printable, yaml_value
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.judging.number_format import percent, rounded_up, short
from lockgate.evaluation.provenance.subjects import COMPLETE
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit

MOST_SEEN = float(DatasetSpec.model_fields["max_seen"].default)
_ORIGIN = """\
  - gate: metadata
    name: provenance
    severity: warn  # {note}
    require: complete
"""
_UNKNOWN = """\
  # - gate: latency
  #   require: [errors <= 0, p95_ms <= 100]"""
_GATE = """\
  - gate: latency
    require:
      - errors <= 0
      # a model of several threads can fail on a busy machine: OMP_NUM_THREADS=1 gate run measures it on one
{lines}
      # - p95_ms <= champion * 2  # for answers in a few milliseconds, noise of the machine is more than versions differ by"""
_BEHAVIOUR = """\
  # For a column that must not matter, such as {column}:{threshold}
  # - gate: behaviour
  #   data: holdout
  #   require: [{line}]
"""
_LEAST_MS = 100.0
# Other machines are slower, and a limit is for people to set. Processor time is the same in a quiet moment and in a busy one.
_TIMES_CPU, _TIMES_P95 = 30, 3


@dataclass(frozen=True)
class RowTime:
    """What a row took in the quietest of a few moments: of the processor, 0 where that is not known, and 95 of 100 in all."""

    cpu_ms: float
    p95_ms: float

    @property
    def limit_ms(self) -> float:
        """A generous limit of one figure, which hardly depends on what else the machine does."""
        least = max(_TIMES_CPU * self.cpu_ms, _TIMES_P95 * self.p95_ms, _LEAST_MS)
        return rounded_up(least, figures=1)


def latency_gate(row_time: RowTime | None, *, version: str | None, signed: bool) -> str:
    """The text of the gate; a comment where no request was timed. signed: whether somebody approves."""
    if row_time is None:
        return _UNKNOWN
    limit = f"{row_time.limit_ms:g}"
    of_cpu = f", {short(row_time.cpu_ms)} of the processor" if row_time.cpu_ms else ""
    took = f"95 of 100 rows took version {version} at most {short(row_time.p95_ms)} ms here{of_cpu}; write what your users can wait for"
    asking = f"- {{metric: p95_ms, at_most: {limit}, if_inconclusive: ask}}"
    if signed:
        lines = [
            f"# {took}.",
            "# A fail blocks; where a busy machine leaves it undecided, whoever approves decides.",
            asking,
        ]
    else:
        lines = [
            f"- p95_ms <= {limit}  # {took}",
            f"# {asking}  # once somebody approves, who then decides what a busy machine leaves undecided",
        ]
    return _GATE.format(lines="\n".join(f"      {line}" for line in lines))


def behaviour_gate(column: str | None, task: str, *, decided: bool) -> str:
    """The gate as a comment; nothing where there is no such column. column: text by groups, that the version is given. decided:
    whether the pipeline has a threshold."""
    if column is None or task not in ("binary", "multiclass"):
        return ""
    name = printable(column)
    line = yaml_value(str(Requirement(
        "changed_rate", "<=", RequirementLimit(relative=False, number=1, percent=True), args=(("swap", column),)
    )))  # fmt: skip
    threshold = "" if decided or task != "binary" else " (with threshold: 0.5 above, for decisions)"
    return _BEHAVIOUR.format(column=name, line=line, threshold=threshold)


def training_key(overlap: tuple[int, int] | None, *, version: str | None) -> str:
    """`not_in` of data, as a comment where the training data are not known. overlap: (rows of the data that are in those which the
    version's run logged, all), None where these are not read here."""
    if overlap is None:
        return "# not_in: {path: data/train.parquet}  # the training data: their rows count for nothing here"
    rows, total = overlap
    note = (
        f"{rows:,} of these {total:,} are in those of version {version}"
        if rows
        else f"none is in those of version {version}"
    )
    beyond = f", and above {percent(MOST_SEEN)} (max_seen) nothing passes" if rows > MOST_SEEN * total else ""
    return f"not_in: training  # rows of the training data that its run logged count for nothing: {note}{beyond}"


def signature_gate(lacks: str | None, *, version: str | None) -> str:
    """The gate, or what of it a version can meet that was logged without all that it asks for."""
    if lacks is None:
        return "  - gate: signature\n"
    note = f"  # version {version} was logged without {lacks}; once a version has one, write nothing but the gate"
    if lacks == "signature":
        return f"  # - gate: signature{note}\n"
    return f"  - gate: signature\n    require: [data_mismatches <= 0, breaking_changes <= 0]{note}\n"


def metadata_gate(carried: Collection[str] | None, *, version: str | None) -> str:
    """All twelve facts of a version's origin: what the newest one carries blocks, what it lacks is a warning.

    carried: the subjects that it has; None where nobody looked.
    """
    if carried is None:
        return _ORIGIN.format(note="until versions carry all twelve facts; then without this line, and without name")
    lacking = [subject for subject in COMPLETE if subject not in carried]
    if not lacking:
        return "  - gate: metadata\n    require: complete\n"
    met = [f"{subject} >= 1" for subject in COMPLETE if subject in carried and subject != "promotion_record"]
    blocking = f"  - gate: metadata\n    require: [{', '.join(met)}]\n" if met else ""
    note = f"version {version} carries {len(COMPLETE) - len(lacking)} of 12 facts; it lacks {', '.join(lacking)}"
    return blocking + _ORIGIN.format(note=note)
