"""From recorded requests to a verdict: what was read of them is said, and stands in the evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.recordings.samples import FORMATS
from helpers.fakes import ask, case_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.scoring.scored_table import build_scored
from lockgate.evidence.evidence import GateResult
from lockgate.gates.shadow import Shadow

Score = Callable[[pa.RecordBatch], Any]


def verdict(
    folder: Path, spec: dict[str, Any], lines: list[str], *, columns: list[str] | None = None, **models: Score
) -> GateResult:
    """What the shadow gate says of the recording, with functions for the models that are asked."""
    dataset = Dataset("traffic", DatasetSpec.model_validate(spec), folder)

    def scorer(score: Score) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Any]]:
        return lambda batches: (np.asarray(score(batch), float) for batch in batches)

    scored = build_scored(
        dataset, scorers={role: scorer(score) for role, score in models.items()}, task="binary", positive=1, salt=b"",
        path=folder / "scored.parquet", columns=columns, may_fail=True,
    )  # fmt: skip
    case = replace(
        case_of(folder / "run"), datasets=("traffic",), dataset=lambda name: dataset, replayed=lambda name: scored,
        threshold=lambda role: 0.5,
    )  # fmt: skip
    return ask(case, Shadow.model_validate({"gate": "shadow", "data": "traffic", "require": lines}))


def write_lines(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def amount_over(limit: float) -> Score:
    return lambda batch: [0.9 if amount > limit else 0.1 for amount in batch.column("amount").to_pylist()]


def test_nested_requests_are_judged_and_what_is_not_used_is_said(tmp_path: Path) -> None:
    """A candidate that decides alike passes; one that decides a tenth otherwise fails. Where more is lost than may be, neither does."""
    bodies = [json.dumps({"amount": number % 100}) for number in range(2000)]
    write_lines(tmp_path / "a.jsonl", [{"request": {"body": body}} for body in [*bodies, '{"amount": ']])
    spec = {"path": "a.jsonl", "columns": {"amount": "request.body|json.amount"}}

    alike = verdict(tmp_path, spec, ["flip_rate <= 2%"], champion=amount_over(50), candidate=amount_over(50))
    other = verdict(tmp_path, spec, ["flip_rate <= 2%"], champion=amount_over(50), candidate=amount_over(60))

    assert (alike.verdict, other.verdict) == ("pass", "fail")
    assert alike.reason.endswith("; of 2,001 records of traffic 1 could not be read")
    spec |= {"max_unused": 0}
    for candidate in (amount_over(50), amount_over(60)):
        lossy = verdict(tmp_path, spec, ["flip_rate <= 2%"], champion=amount_over(50), candidate=candidate)
        assert (lossy.verdict, lossy.findings) == ("inconclusive", ())
        assert lossy.reason.startswith(
            "traffic has 2,001 requests, of which 1 could not be read, and max_unused allows 0 %"
        )


def test_what_the_champion_answered_then_is_compared_with_what_the_candidate_answers_now(tmp_path: Path) -> None:
    """The champion is not asked, and the candidate is not given its answers; a request without one is no flip."""
    seen: list[list[str]] = []

    def candidate(batch: pa.RecordBatch) -> Any:
        seen.append(batch.schema.names)
        return amount_over(50)(batch)

    answers = [0.9 if number % 100 > 50 else 0.1 for number in range(1990)] + [None] * 10
    write_lines(
        tmp_path / "a.jsonl",
        [{"in": {"amount": number % 100}, "out": {"p": answer}} for number, answer in enumerate(answers)],
    )
    columns = {"amount": "in.amount", "p": "out.p"}
    spec = {"path": "a.jsonl", "columns": columns, "scores": {"champion": "p"}}

    result = verdict(
        tmp_path, spec, ["flip_rate <= 2%", "new_errors <= 0", "errors <= 0"], candidate=candidate, columns=["amount"]
    )

    flips, new_errors, errors = result.findings
    assert (flips.verdict, flips.observed) == ("pass", 0.0)
    assert (new_errors.observed, errors.observed, errors.champion) == (0.0, 0.0, 10.0)
    assert seen == [["amount"]]


@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_runs_from_its_files_to_a_verdict(tmp_path: Path, name: str) -> None:
    """With the champion's recorded answers, and a candidate that is given the inputs."""
    path = FORMATS[name](tmp_path)
    if name == "sagemaker_capture":
        (tmp_path / path).write_text((tmp_path / path).read_text().partition("\n")[0] + "\n")
    columns = {"amount": "input[0]"} if name == "sagemaker_capture" else {}
    spec = {"path": path, "format": name, "columns": columns, "id": "request_id", "scores": {"champion": "answer"}}
    lines = ["flip_rate <= 2%", "errors <= 0", "new_errors <= 0"]

    same = verdict(tmp_path, spec, lines, candidate=amount_over(50), columns=["amount"])
    broken = verdict(tmp_path, spec, lines, candidate=lambda batch: [np.nan] * len(batch), columns=["amount"])

    assert [(finding.subject, finding.observed, finding.verdict) for finding in same.findings] == [
        ("flip_rate", 0.0, "inconclusive"), ("errors", 0.0, "pass"), ("new_errors", 0.0, "pass"),
    ]  # fmt: skip
    assert broken.verdict == "fail"


def test_answers_that_were_recorded_apart_are_joined_by_request(tmp_path: Path) -> None:
    """Late ones, those of no request, requests without one and what came twice are counted, said, and not compared."""
    asked = [{"id": f"r{number}", "at": 1_795_946_400 + number, "amount": number % 100} for number in range(2000)]
    given = [
        {
            "request": entry["id"],
            "at": entry["at"] + (3_600 if number == 7 else 1),
            "p": 0.9 if entry["amount"] > 50 else 0.1,
        }
        for number, entry in enumerate(asked)
    ]
    write_lines(tmp_path / "asked.jsonl", [*asked, asked[3], {**asked[4], "amount": 1}])
    write_lines(tmp_path / "given.jsonl", [*given[20:], *given[:19], {**given[0], "request": "x"}, given[30]])
    join = {
        "path": "given.jsonl", "columns": {"rid": "request", "p": "p", "answered": "at"}, "id": "rid", "time": "answered",
        "within": "10m",
    }  # fmt: skip
    columns = {"rid": "id", "ts": "at", "amount": "amount"}
    spec = {
        "path": "asked.jsonl",
        "columns": columns,
        "id": "rid",
        "time": "ts",
        "join": join,
        "scores": {"champion": "p"},
    }

    result = verdict(tmp_path, spec, ["flip_rate <= 2%", "errors <= 0"], candidate=amount_over(50), columns=["amount"])

    assert [finding.verdict for finding in result.findings] == ["pass", "pass"]
    assert result.findings[1].champion == 2  # one has no answer, one came too late
    assert result.reason.endswith(
        "; of 2,002 records of traffic 2 repeat another one, 2 have an id that others with another content have, "
        "2 answer a request that is not there, 1 answered too late, 1 have no answer"
    )
