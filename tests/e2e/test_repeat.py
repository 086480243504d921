"""What is asked again before a promotion: forged evidence is found out, and what could not be asked again is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from helpers.checkout import METRICS, SCORED, Checkout
from lockgate import hashing as digest
from lockgate.errors import Refused
from lockgate.evidence.evidence import Evidence
from lockgate.pipeline.loader import load
from lockgate.promotion.rollback_proof import RerunResult
from lockgate.runs.lookup import open_registry
from lockgate.runs.rerun import rerun

SIZE = """\
from lockgate.evaluation.estimation.estimate import counted
from lockgate.gates.gate import Gate
from lockgate.evaluation.judging.judge import judge
from lockgate.evaluation.requirements.subject import Subject


class Size(Gate):
    subjects = {"model_mb": Subject("model_mb", "lower", counted=True, unit="MB", bounds=(0, None))}

    def check(self, case):
        asked = self.requirements_for(case)
        yield from judge(self.title, asked, [counted(name, line, value=1, units=1) for name, line in asked], self.subjects)
"""
GATES = [
    {"gate": "metadata", "require": ["requirements >= 1"]},
    METRICS,
    {"gate": "./gates/size.py:Size", "require": ["model_mb <= 5"]},
]


@pytest.fixture
def evaluated(checkout: Checkout) -> Checkout:
    """Evidence of three gates on scores that the data holds already, so that no model is started."""
    (checkout.folder / "gates").mkdir()
    (checkout.folder / "gates" / "size.py").write_text(SIZE)
    checkout.write(data={"holdout": SCORED}, gates=GATES)
    checkout.gate("adopt", "fraud", "--version", 1, "--reason", "it runs")
    assert checkout.gate("run").code == 0
    return checkout


def again(checkout: Checkout, about: Evidence | None = None, **more: Any) -> RerunResult | Refused:
    """What asking again leads to."""
    of = load(checkout.folder / "gates" / "fraud.yaml", environ={})
    about = about or Evidence.read((checkout.run / "evidence.json").read_bytes())
    try:
        return rerun(of, open_registry(of), about, environ=os.environ, **more)
    except Refused as refused:
        return refused


def forged(checkout: Checkout, forge: Callable[[dict[str, Any]], object]) -> Evidence:
    """The newest evidence as somebody wrote it anew."""
    document = checkout.evidence
    forge(document)
    return Evidence.from_document(document)


def test_what_says_the_same_is_named_in_the_proof_and_the_rest_too(evaluated: Checkout) -> None:
    """With the reason; and that goes into the ledger. A proof without it will not do where it is asked for."""
    proven = evaluated.gate("promote", evaluated.digest, "--prove-only", "proof.json", "--repeat")
    told = json.loads(Path("proof.json").read_bytes())
    evaluated.gate("approve", evaluated.digest, "--key", evaluated.key)
    Path("plain.json").write_bytes(digest.canonical({name: told[name] for name in told if name != "repeats"}))
    refused = evaluated.gate("promote", evaluated.digest, "--proof", "plain.json", "--repeat")
    promoted = evaluated.gate("promote", evaluated.digest, "--proof", "proof.json", "--repeat")

    assert proven.code == 0, proven.stderr
    assert told["repeats"]["same"] == ["metadata", "metrics"]
    assert told["repeats"]["left_out"] == {"Size": "./gates/size.py:Size is no gate that says the same each time"}
    assert "not re-run: Size (" in proven.stdout
    assert (refused.code, promoted.code) == (1, 0), refused.stderr + promoted.stderr
    assert "re-run: metadata, metrics; not re-run: Size" in evaluated.gate("history", "fraud").stdout


def test_25_forged_evidence_makes_no_proof(evaluated: Checkout) -> None:
    """The command is refused, and writes nothing."""
    about = forged(evaluated, _observed)
    folder = evaluated.folder / ".gate" / "runs" / "20300101-000000-00000000"
    folder.mkdir()
    (folder / "evidence.json").write_bytes(about.stored)
    ended = evaluated.gate("promote", about.digest, "--prove-only", "proof.json", "--repeat")

    assert (ended.code, Path("proof.json").exists()) == (1, False), ended.stderr
    assert "metrics/r1/overall is pass (0.99) in the evidence" in ended.stderr


def _say(gate: dict[str, Any], observed: str) -> None:
    gate["findings"][0]["observed"] = observed


def _observed(document: dict[str, Any]) -> None:
    _say(document["gates"][1], "0.99")


def _verdict(document: dict[str, Any]) -> None:
    document["gates"][0]["findings"][0] |= {"verdict": "inconclusive"}


def _gate_gone(document: dict[str, Any]) -> None:
    del document["gates"][1]


def _slice_gone(document: dict[str, Any]) -> None:
    del document["gates"][1]["findings"][-1]


def _champion(document: dict[str, Any]) -> None:
    document["model"]["champion"] = None


def test_what_differs_is_named(evaluated: Checkout) -> None:
    """With both values: a number, a verdict, a gate or a slice left out, another champion."""
    said = {
        _observed: "metrics/r1/overall is pass (0.99) in the evidence, and pass (0.8",
        _verdict: "metadata/r1/overall is inconclusive (2.0) in the evidence, and pass (2.0) in the re-run",
        _gate_gone: "the evidence has the gates metadata, Size, and the pipeline metadata, metrics, Size",
        _slice_gone: "is not there in the evidence, and pass (",
        _champion: "in the evidence, and not there in the re-run",
    }
    ended = {forge.__name__: again(evaluated, forged(evaluated, forge)) for forge in said}
    found = {name: str(refused) for name, refused in ended.items()}

    assert {getattr(refused, "code", None) for refused in ended.values()} == {"evidence_mismatch"}
    assert {
        name: text for (name, text), part in zip(found.items(), said.values(), strict=True) if part not in text
    } == {}


def test_data_that_is_another_here_is_refused_and_data_that_is_not_here_is_named(evaluated: Checkout) -> None:
    """Data that a pull request brought along is not the default branch's; what lies elsewhere cannot always be had."""
    path = evaluated.folder / "data" / "holdout.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.slice(0, table.num_rows - 1), path)
    changed = again(evaluated)
    path.unlink()
    gone = again(evaluated)

    assert "the data holdout is sha256:" in str(changed)
    assert isinstance(gone, RerunResult)
    assert gone.same == ("metadata",)
    assert gone.left_out["metrics"].startswith("its data holdout cannot be opened here: ")


def test_a_model_that_answers_otherwise_is_found_out_and_one_that_takes_too_long_is_named(checkout: Checkout) -> None:
    """The candidate's own files are asked again, in a process of its own."""
    checkout.write(gates=[{**METRICS, "require": ["auc >= 0.7"]}], champion="none")
    assert checkout.gate("run").code == 0
    same = again(checkout)
    other = again(checkout, forged(checkout, lambda document: _say(document["gates"][0], "0.95")))
    late = again(checkout, seconds=0)

    assert same == RerunResult(("metrics",))
    assert "metrics/r1/overall is pass (0.95) in the evidence, and pass (0.8" in str(other)
    assert late == RerunResult((), {"metrics": "it took longer than is spent on the re-run"})
    assert checkout.processes == []
