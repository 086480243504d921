"""`gate run --json`: one document for programs around the evidence, also where there is none."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from helpers.checkout import BAD, CHAMPION, LINES, METRICS, SCORED, Checkout

KEYS = {
    "schema", "exit_code", "verdict", "opens", "observed", "published", "digest", "run", "model", "candidate", "champion",
    "next", "warnings", "error", "evidence",
}  # fmt: skip


def document(checkout: Checkout, *words: str) -> tuple[int, dict[str, Any]]:
    """(exit code, what stands on stdout, all of it)."""
    answer = checkout.gate("run", *words)
    read: dict[str, Any] = json.loads(answer.stdout)
    return answer.code, read


def test_the_document_stands_around_the_evidence(checkout: Checkout) -> None:
    """Its digest is that of the file's bytes, and every file that it names is there; the former form is the evidence alone."""
    checkout.write(data={"holdout": SCORED})
    code, read = document(checkout, "--json")

    stored = Path(read["run"]["files"]["evidence"]).read_bytes()
    assert set(read) == KEYS
    assert read["digest"] == f"sha256:{sha256(stored).hexdigest()}"
    assert read["evidence"] == json.loads(stored)
    assert (code, read["exit_code"], read["verdict"], read["opens"]) == (0, 0, "pass", "yes")
    assert (read["schema"], read["model"], read["candidate"], read["error"]) == ("lockgate/run/v1", "fraud", "2", None)
    assert read["next"] == ["gate run --resume --stage"]
    assert Path(read["run"]["folder"]) == (checkout.folder / ".gate" / "runs" / read["run"]["id"]).resolve()
    assert {"evidence", "md", "junit", "json"} <= set(read["run"]["files"])
    assert all(Path(path).is_file() for path in read["run"]["files"].values())

    former = checkout.gate("run", "--json=evidence", "gates/fraud.yaml")
    assert json.loads(former.stdout) == checkout.evidence
    assert "--json=evidence goes with the next release" in former.stderr
    assert checkout.gate("run", "--json=yaml").code == 2


def test_what_ends_a_run_before_there_is_evidence_is_a_document_too(checkout: Checkout) -> None:
    """A pipeline, data, and a registry that are wrong: exit code, what, where, and what to do; people are told as ever."""
    checkout.write(data={"holdout": {**SCORED, "label": "yy", "weight": "w"}})
    code, data = document(checkout, "--json")
    assert (code, data["exit_code"], data["verdict"], data["evidence"], data["digest"]) == (4, 4, "error", None, None)
    assert data["error"]["kind"] == "DataMisfits"
    assert data["error"]["message"].startswith("data 'holdout': data/holdout.parquet has no column 'yy', the label")
    assert data["error"]["where"].startswith("gates/fraud.yaml:")
    assert [part["message"].split(", the ")[1].split(";")[0] for part in data["error"]["complaints"]] == [
        "label",
        "weight",
    ]

    checkout.write(gates=[{**METRICS, "require": ["acu >= 0.7"]}])
    code, invalid = document(checkout, "--json")
    assert (code, invalid["exit_code"], invalid["error"]["kind"]) == (2, 2, "PipelineError")
    assert invalid["error"]["message"].startswith("metrics knows no 'acu'")
    assert "did you mean 'auc'?" in invalid["error"]["remedy"]
    assert invalid["error"]["where"].startswith("gates/fraud.yaml:")

    checkout.write(data={"holdout": SCORED})
    code, absent = document(checkout, "--json", "--candidate", "version=99")
    assert (code, absent["exit_code"]) == (2, 2)
    assert "99" in absent["error"]["message"]
    assert set(absent) == set(invalid) == set(data) == KEYS


def test_data_that_do_not_fit_start_no_run(checkout: Checkout) -> None:
    """Nothing is chosen, fetched or started, and the newest run stays what it was."""
    checkout.write(data={"holdout": SCORED})
    assert checkout.gate("run").code == 0
    newest = checkout.run
    checkout.write(data={"holdout": {**SCORED, "path": "data/holdot.parquet"}}, registry={"uri": "sqlite:///absent.db"})
    refused = checkout.gate("run")

    assert refused.code == 4
    assert "data 'holdout': data/holdot.parquet does not exist; did you mean 'holdout.parquet'?" in refused.stderr
    assert checkout.run == newest


def test_a_waiver_without_effect_is_named(checkout: Checkout) -> None:
    """In the terminal, the report and the document: with the finding that was probably meant, and where it has ended."""
    who = {"owner": "ana", "reason": "agreed", "until": "2099-01-01"}
    waivers = [
        {"finding": "metrics/r2/country=br", **who},
        {"finding": "metrics/r1", **who},
        {"finding": "metrics/r1/overall", **who, "until": "2020-01-31"},
        {"finding": "metrics/r2/country=BR", **who},
        {"finding": "metrics/r3/country=BR", **who},
    ]
    checkout.write(
        data={"holdout": SCORED},
        gates=[{**METRICS, "require": ["auc >= 0.5", "auc >= 0.5 on each slice", LINES[1]]}],
        waive=waivers,
    )
    answer = checkout.gate("run", "--json")

    read = json.loads(answer.stdout)
    countries = {finding["id"] for finding in read["evidence"]["gates"][0]["findings"]}
    assert "metrics/r2/country=BR" in countries
    assert [(warning["code"], warning["finding"]) for warning in read["warnings"]] == [
        ("waiver_meets_nothing", "metrics/r2/country=br"),
        ("waiver_meets_nothing", "metrics/r1"),
        ("waiver_ended", "metrics/r1/overall"),
    ]
    assert [warning["remedy"] for warning in read["warnings"][:2]] == [
        "did you mean 'metrics/r2/country=BR'?",
        "did you mean 'metrics/r1/overall'?",
    ]
    first = "the waiver of metrics/r2/country=br meets no finding, and waives nothing"
    assert f"warning  {first}; did you mean 'metrics/r2/country=BR'?" in answer.stderr
    assert "**warning** the waiver of metrics/r1 meets no finding" in Path(read["run"]["files"]["md"]).read_text()


@pytest.fixture
def scored(checkout: Checkout) -> Checkout:
    """Its data holds both models' scores already."""
    checkout.write(data={"holdout": SCORED})
    return checkout


def following(checkout: Checkout, *words: str) -> list[str]:
    """The next commands, which people are told too."""
    answer = checkout.gate("run", *words, "--json")
    read: list[str] = json.loads(answer.stdout)["next"]
    assert [line.removeprefix("next     ") for line in answer.stderr.splitlines() if line.startswith("next ")] == read
    return read


def test_the_next_command_is_one_that_leads_on(scored: Checkout) -> None:
    """To stage what is not staged, to approve where somebody must, to promote where nobody has to; nothing in Production."""
    call = ["gates/fraud.yaml", "--candidate", "2"]
    (again,) = following(scored, *call)
    (approve,) = following(scored, *again.split()[2:])
    olga = {"groups": {"owners": [{"github": "olga", "id": 583231}]}, "require": {"owners": 1}}
    scored.write(data={"holdout": SCORED}, signoff=olga)
    commented = scored.gate("run", "--stage", "--json", "--candidate", "2")
    scored.write(data={"holdout": SCORED}, signoff={"require": {"owners": 0}})
    (promote,) = following(scored, "--stage")
    scored.gate(*promote.split()[1:])
    held = following(scored), following(scored, "--stage")
    scored.write(data={"holdout": SCORED}, signoff=None, candidate={"version": CHAMPION})
    unsigned = following(scored)
    failed = following(scored, "--candidate", str(BAD))

    assert again == "gate run gates/fraud.yaml --resume --stage --candidate 2"
    assert re.fullmatch(r"gate approve sha256:[0-9a-f]{64}", approve)
    assert promote == f"gate promote {promote.split()[2]}"
    assert (held, unsigned, failed) == (([], []), [], [])
    assert json.loads(commented.stdout)["next"] == []
    assert "next     open a pull request that names the candidate: the gates run there" in commented.stderr
    assert "warning  olga approves by a comment on a pull request" in " ".join(commented.stderr.split("\n"))


def test_a_candidate_is_named_as_mlflow_does(scored: Checkout) -> None:
    """A version alone, an alias of the model, or an address; what names another model or nothing is wrong usage."""
    scored.gate("adopt", "fraud", "--version", str(CHAMPION), "--reason", "it runs")
    names = ["2", "models:/fraud/2", "fraud@production", "@production", "models:/fraud@production", "version=2"]

    chosen = [document(scored, "--json", "--candidate", name)[1]["candidate"] for name in names]
    refused = [
        scored.gate("plan", "--candidate", name) for name in ("churn@production", "two", "-1", "", "@", "fraud@")
    ]

    assert chosen == ["2", "2", "1", "1", "1", "2"]
    assert [answer.code for answer in refused] == [2] * len(refused)
    assert "is of another model than fraud" in refused[0].stderr
    assert all("names no version" in answer.stderr for answer in refused[1:]), [answer.stderr for answer in refused]
