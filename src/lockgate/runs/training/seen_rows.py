"""Rows of a run's data that the candidate was trained on: found by `not_in`, left out, and in the way of a pass above `max_seen`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.overlap.not_in import NotIn
from lockgate.data.overlap.seen_rows import Reference, SeenRows, find_seen_rows, sentence
from lockgate.errors import LockgateError
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.judging.number_format import percent
from lockgate.evidence.completeness import NEVER_ACCEPTED
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.gate import Gate
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.scoring_inputs import ScoringInputs
from lockgate.runs.training.logged import logged_training_data
from lockgate.text import counted

_BY_CHANCE = (
    10  # times as many rows in the training data as have a twin among themselves, and chance does not explain them
)


@dataclass(frozen=True)
class TrainingRows:
    """Looks for rows of data in what `not_in` of them names. candidate: whose features and logged data are meant."""

    pipeline: Pipeline
    inputs: ScoringInputs
    candidate: Callable[[], Contender]
    scratch: Path

    def find(self, dataset: Dataset) -> SeenRows:
        """Raises DataError where what `not_in` names cannot be read or compared."""
        references, unread = list[Reference](), list[str]()
        for entry in dataset.spec.not_in:
            columns = entry.columns or self._features(dataset)
            for path, digest in self._files(entry, unread):
                training = Dataset(
                    f"{dataset.name}.not_in", DatasetSpec(path=path, digest=digest), self.pipeline.root,
                    scratch=self.scratch / f"{dataset.name}.{len(references)}",
                )  # fmt: skip
                references.append(Reference(training, columns))
        return find_seen_rows(dataset, references, unread)

    def _files(self, entry: NotIn, unread: list[str]) -> Sequence[tuple[str, str | None]]:
        """(path, digest) of the training data that an entry means; unread gets why some cannot be looked at."""
        if entry.path is not None:
            return ((entry.path, entry.digest),)
        logged = logged_training_data(self.candidate().facts, self.pipeline.root)
        unread += logged.unread
        return logged.files

    def _features(self, dataset: Dataset) -> tuple[str, ...]:
        """Columns by which a row is recognised: what the candidate is given by its signature, else all without a role.

        No model is loaded for it. What names a row, or says when it was, may be in one of the two data sets alone.
        """
        roles = {*dataset.spec.roles, *dataset.index_columns}
        contender = self.candidate()
        if (contender.facts.signature or {}).get("inputs"):
            plan = self.inputs.plan(contender, dataset)
            features = tuple(column for column in plan.sources if column not in roles)
            if features and not plan.problems:
                return features
        return tuple(name for name in dataset.columns if name not in roles)


def judged_rows(pipeline: Pipeline, gate: Gate, case: Case) -> SeenRows | None:
    """What was seen of the rows by which a gate judges the candidate; None where nobody looked, or it judges by none.

    Raises LockgateError.
    """
    name = pipeline.data_of(gate)
    if name is None or not judges_rows(gate):
        return None
    return case.dataset(name).seen_rows


def sentences(pipeline: Pipeline, gate: Gate, case: Case, *, but_for: str) -> list[str]:
    """What was looked for among the rows of a gate, and left out; nothing where nobody looked, or could, as the gate says.

    but_for: what earlier gates said, which is not repeated.
    """
    try:
        overlap = judged_rows(pipeline, gate, case)
    except LockgateError:
        return []
    text = "" if overlap is None else sentence(overlap.to_json(), overlap.data)
    return [text] if text and text not in but_for else []


def judges_rows(gate: Gate) -> bool:
    """Whether a gate judges the candidate by rows of its data: not by their columns, their requests, or the data alone."""
    own = gate.own_data is not None and gate.uses_models and gate.needs_rows and gate.own_load is None
    return gate.judges_candidate and (gate.by_group or own)


def withhold(finding: Finding, overlap: SeenRows | None) -> Finding:
    """The finding; one that does not fail, undecided where more of its rows were seen than may be, or nobody could look.

    So is one that was undecided already: else an owner who accepts it would accept the seen rows with it.
    """
    return finding if overlap is None else withhold_stored(finding, overlap.to_json(), overlap.data, most=overlap.most)


def withhold_stored(finding: Finding, entry: Mapping[str, Any], data: str, *, most: float) -> Finding:
    """As `withhold`, by the entry `seen` of evidence. most: the share of rows that may have been seen."""
    if finding.verdict.rank >= Verdict.FAIL.rank or finding.code in NEVER_ACCEPTED:
        return finding
    for code, reason, remedy in obstacles(entry, data, most):
        return replace(
            finding, verdict=Verdict.INCONCLUSIVE, code=code, rows_needed=None,
            reason=f"{finding.reason}. Not decided: {reason}", remedy=remedy,
            detail={**finding.detail, "seen_rows": {
                "rows": int(entry["rows"]), "of": int(entry["of"]), "max_seen": f"{most:.6g}", "reason": reason,
            }},
        )  # fmt: skip
    return finding


def obstacles(entry: Mapping[str, Any], data: str, most: float) -> Iterator[tuple[str, str, str]]:
    """(code, reason, remedy) of what stands in the way of any pass on these rows."""
    gone, rows = int(entry["rows"]), int(entry["of"])
    if gone > most * rows:
        paths = ", ".join(str(source["path"]) for source in entry["in"])
        chance = ""
        if _BY_CHANCE * int(entry["repeated"] or 0) >= gone:
            chance = (
                f"; {counted(int(entry['repeated']), 'row')} of {data} also equal another one there, so that it may be chance: tell "
                f"rows apart by other columns, such as an id that both have (columns: beside the path or training: true of "
                f"data.{data}.not_in), or allow a larger max_seen"
            )
        yield (
            "seen_rows",
            f"{gone:,} of {counted(rows, 'row')} of {data} ({100 * gone / rows:.3g} %) are in {paths}, which the candidate was "
            f"trained on, and max_seen allows {percent(most)}",
            f"train without rows of {data}, or judge on rows that the candidate has not seen{chance}",
        )
    if entry["not_checked"]:
        yield (
            "seen_unknown",
            f"whether the candidate was trained on these rows was not checked, as data.{data}.not_in wants it: "
            f"{'; '.join(entry['not_checked'])}",
            f"log the training data with the run as a file that is read here, or name it: data.{data}.not_in: {{path: …}}",
        )
