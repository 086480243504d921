"""Evaluations of a holdout: what makes one, and the record of those in a checkout, `.gate/evaluations/`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lockgate.evidence import stored_json
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import held, own_folder
from lockgate.hashing import canonical

Versions = tuple[str, str | None]
_MOST = 64  # evaluations of one text, or of one run
LONGEST_FACT = 4_000  # characters of a fact: databases behind registries keep no more than 5,000


@dataclass(frozen=True)
class Evaluation:
    """A candidate judged by the rows of a data set.

    data: name of the data set; rows: digest of its bytes; None where that is not on record. id: equal for the same models on
    the same rows: their scores have the same bounds each time, whatever limits these are held against.
    """

    data: str | None
    rows: str | None
    id: str

    def is_of(self, data: str, rows: str | None) -> bool:
        """Whether it used these rows up: the same bytes, or the same name, since rows added to a sample are that sample, longer."""
        return self.data in (None, data) or (rows is not None and self.rows == rows)

    @classmethod
    def read_all(cls, text: str) -> tuple[Evaluation, ...]:
        """Those that `written` wrote. Raises ValueError."""
        entries = stored_json.read(text)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("it is no list of evaluations")
        return tuple(map(cls.from_json, entries))

    @classmethod
    def from_json(cls, entry: Mapping[str, object]) -> Evaluation:
        """Raises ValueError."""
        return cls(
            stored_json.optional_text(entry, "data"),
            stored_json.optional_text(entry, "rows"),
            stored_json.text(entry, "id"),
        )

    def to_json(self) -> dict[str, Any]:
        return {"data": self.data, "rows": self.rows, "id": self.id}


def written(evaluations: Iterable[Evaluation]) -> str:
    """Evaluations as one short text; of more than fit the last ones."""
    entries = [evaluation.to_json() for evaluation in dict.fromkeys(evaluations)][-_MOST:]
    while len(text := canonical(entries).decode()) > LONGEST_FACT:
        entries = entries[1:]
    return text


def evaluations_of(evidence: Evidence) -> tuple[Evaluation, ...]:
    """Those of one run; none where its evidence is from before there were any. Of more than `_MOST`, which nobody has, some."""
    entries = islice((evidence.document["run"].get("evaluations") or {}).items(), _MOST)
    return tuple(Evaluation(name, entry.get("rows"), entry["id"]) for name, entry in entries)


@dataclass(frozen=True)
class EvaluationRecord:
    """Evaluations of a model by the runs of a checkout, published or not: a line of JSON for each run and data set.

    versions: those of candidate and champion, None where there is none; by which `gate plan`, which fetches no model, knows them.

    The last line of a run on a data set holds; one without an id withdraws it. The file can be deleted, and other
    checkouts have their own: what is in it is the least that there were.
    """

    root: Path
    model: str

    def begin(self, run_id: str, evaluations: Sequence[Evaluation], versions: Versions) -> list[Evaluation]:
        """Record what a run begins to evaluate; returns what other runs did before it. Of two at once one is the first."""
        if not evaluations:
            return []
        with held(self._folder, wait=True):
            earlier = [evaluation for run, _, evaluation in self._read() if run != run_id]
            self._add(run_id, evaluations, versions)
        return earlier

    def settle(
        self, run_id: str, evaluations: Sequence[Evaluation], versions: Versions, *, withdrawn: Iterable[str]
    ) -> None:
        """Record what a run came to in the end. withdrawn: names of data whose rows decided nothing after all."""
        with held(self._folder, wait=True):
            self._add(run_id, evaluations, versions, withdrawn)

    def of_others(self, versions: Versions) -> list[Evaluation]:
        """All that is on record of other models than those."""
        return [evaluation for _, other, evaluation in self._read() if other != list(versions)]

    @property
    def _folder(self) -> Path:
        return own_folder(self.root, "evaluations")

    @property
    def _file(self) -> Path:
        return self.root / ".gate" / "evaluations" / f"{quote(self.model, safe='')}.jsonl"

    def _read(self) -> Iterator[tuple[str, Any, Evaluation]]:
        """(run, versions, evaluation), the first one first. A line that cannot be read was an evaluation of nobody knows what."""
        lines = self._file.read_bytes().splitlines() if self._file.is_file() else []
        entries: dict[tuple[str, str], tuple[Any, Evaluation | None]] = {}
        for number, line in enumerate(lines):
            try:
                entry = stored_json.read_object(line)
                key = stored_json.text(entry, "run"), stored_json.text(entry, "data")
                evaluation = None if entry.get("id") is None else Evaluation.from_json(entry)
                entries[key] = entry.get("versions"), evaluation
            except ValueError:
                entries["", str(number)] = None, Evaluation(None, None, f"line {number}")
        for (run, _), (versions, evaluation) in entries.items():
            if evaluation is not None:
                yield run, versions, evaluation

    def _add(
        self, run_id: str, evaluations: Iterable[Evaluation], versions: Versions, withdrawn: Iterable[str] = ()
    ) -> None:
        entries = [evaluation.to_json() for evaluation in evaluations]
        entries += [{"data": name, "rows": None, "id": None} for name in withdrawn]
        lines = [{"run": run_id, "versions": list(versions), **entry} for entry in entries]
        if not lines:
            return
        with self._file.open("ab") as file:
            if file.tell() and not _ends_in_newline(self._file):
                file.write(b"\n")  # of a line that was cut off
            file.write(b"".join(canonical(line) + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
