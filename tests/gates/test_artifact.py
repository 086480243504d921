"""Does the gate say which files speak against loading a model, where, and what to do?"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from helpers.fakes import FakeModel, asking, case_of, pipeline_of
from helpers.hostile_models import called, mlmodel, skops
from lockgate.errors import ModelFault
from lockgate.evaluation.case import Case
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.exhibit import Exhibit, exhibit_file
from lockgate.evidence.finding import Verdict
from lockgate.gates.artifact import Artifact
from lockgate.gates.gate import Waiver
from lockgate.gates.metadata import Metadata
from lockgate.runs.model_factory import loading_guard, unguarded


def model(folder: Path, data: bytes, *, role: str = "candidate") -> Path:
    files = folder / role
    files.mkdir(exist_ok=True)
    mlmodel(files)
    (files / "model.pkl").write_bytes(data)
    return files


def looked_at(folder: Path, *, alone: bool = True, **keys: Any) -> GateResult:
    run = asking(case_of(folder, alone=alone), Artifact.model_validate({"gate": "artifact", **keys}))
    run.run_gates()
    return run.results[0]


PLAIN = pickle.dumps({"coef": 1.0})
OWN = b"\x80\x04cacme.features\nScaler\n)\x81."


def test_a_clean_model_passes_with_what_was_looked_at(tmp_path: Path) -> None:
    """Files by their formats, which the evidence holds too."""
    model(tmp_path, PLAIN)

    result = looked_at(tmp_path)

    assert (result.verdict, result.context) == (Verdict.PASS, {"files": 3, "formats": {"pickle": 1, "text": 2}})
    assert result.findings[0].reason == "unsafe files: none among 3 files (1 pickle, 2 text)"


def test_a_finding_names_file_byte_and_the_line_that_lets_it_pass(tmp_path: Path) -> None:
    """Followed as it is written, it turns green."""
    model(tmp_path, OWN)

    (finding, *others) = looked_at(tmp_path).findings
    after = looked_at(tmp_path, allow={"imports": ["acme.features.Scaler"]})

    assert (finding.verdict, finding.observed, finding.code) == (Verdict.FAIL, 1.0, "unsafe_files")
    assert finding.reason == (
        "unsafe files: 'model.pkl' at byte 2: imports acme.features.Scaler, which is not on the list of what a model may import"
    )
    assert finding.remedy is not None
    assert finding.remedy.startswith('log the model with serialization_format="skops"')
    assert finding.remedy.endswith('write allow: {imports: ["acme.features.Scaler"]} into this gate')
    assert {other.verdict for other in others} == {Verdict.PASS}
    assert after.verdict is Verdict.PASS


def test_nobody_is_advised_to_let_pass_what_runs_programs(tmp_path: Path) -> None:
    """An owner may, by its name in full; the remedy says to look for who made it."""
    model(tmp_path, called("os", "system", "id"))

    runs = looked_at(tmp_path).findings[0]
    model(tmp_path, cloudpickle.dumps(lambda rows: rows))
    code = looked_at(tmp_path).findings[0]

    assert str(runs.remedy).startswith("find out who made this file, and load it nowhere; log the model with")
    assert str(code.remedy).startswith(
        "a lambda, or a function or class of the script that trained it, is part of it: move it"
    )
    assert str(code.remedy).endswith(
        'python_model="model.py"; then log the model with serialization_format="skops", or in its library\'s own format'
    )
    assert "allow" not in f"{runs.remedy}{code.remedy}"


def test_who_stored_a_model_by_skops_is_not_advised_to_do_so(tmp_path: Path) -> None:
    """A function of one's own in it is what an owner looks at."""
    files = model(tmp_path, PLAIN)
    (files / "model.skops").write_bytes(skops("acme.features", "scale"))

    found = looked_at(tmp_path).findings[0]

    assert (found.verdict, found.remedy) == (
        Verdict.FAIL,
        "log the model without what its own library does not bring; or have somebody look at it, "
        'and write allow: {imports: ["acme.features.scale"]} into this gate',
    )


def test_problems_are_a_table_of_the_report(tmp_path: Path) -> None:
    """The first four hundred, as an exhibit; a finding lists twenty, and says how many more there are."""
    files = model(tmp_path, PLAIN)
    for number in range(450):
        (files / f"{number}.py").write_text("")
    run = asking(case_of(tmp_path, alone=True), Artifact())
    run.run_gates()
    (exhibit,) = run.exhibits
    finding = next(each for each in run.results[0].findings if each.subject == "code_files")

    assert len(Exhibit.read((tmp_path / exhibit_file(exhibit["name"])).read_bytes()).points) == 400
    assert (finding.observed, len(finding.detail["found"]), finding.detail["more"]) == (450.0, 20, 430)


def test_no_file_at_all_is_inconclusive(tmp_path: Path) -> None:
    """Zero files of which none is unsafe."""
    (tmp_path / "candidate").mkdir()

    assert looked_at(tmp_path).verdict is Verdict.INCONCLUSIVE


def test_size_has_a_limit_of_its_own_or_the_champions(tmp_path: Path) -> None:
    """In millions of bytes."""
    model(tmp_path, PLAIN + b"", role="champion")
    model(tmp_path, pickle.dumps(bytes(1_500_000)))

    large = looked_at(tmp_path, require=["size_mb <= 1"]).findings[0]
    same = looked_at(tmp_path, alone=False, require=["size_mb <= champion * 2"]).findings[0]

    assert (large.verdict, round(large.observed or 0, 2)) == (Verdict.FAIL, 1.5)
    assert (same.verdict, (same.champion or 1) < 0.01) == (Verdict.FAIL, True)


def guarded(case: Case, gate: Artifact, **keys: Any) -> str | None:
    return loading_guard(pipeline_of(gate, **keys), lambda: case, None)()


def test_nothing_of_a_candidate_is_loaded_before_it_passes(tmp_path: Path) -> None:
    """Whoever asks for its model; the champion's is loaded."""
    model(tmp_path, called("os", "system", "id"))
    case, gate = case_of(tmp_path, candidate=FakeModel()), Artifact()
    object.__setattr__(case.candidate, "guard", lambda: guarded(case, gate))

    with pytest.raises(ModelFault, match=r"fraud version 7 is not loaded: .* imports os\.system"):
        _ = case.candidate.model
    assert case.champion is not None
    assert case.champion.model is not None


@pytest.mark.parametrize(
    ("gate", "stops"),
    [
        (Artifact(), True),
        (Artifact(severity="warn"), False),
        (Artifact(require=["size_mb <= 1"]), False),  # type: ignore[arg-type]
        (Artifact(waive=(Waiver(finding="artifact/r1/overall", owner="o", reason="r", until="2999-01-01"),)), False),  # type: ignore[arg-type]
        (Artifact(waive=(Waiver(finding="artifact/r1/overall", owner="o", reason="r", until="2020-01-01"),)), True),  # type: ignore[arg-type]
        (Artifact(waive=(Waiver(finding="artifact/r2/overall", owner="o", reason="r", until="2999-01-01"),)), True),  # type: ignore[arg-type]
        (Artifact(waive=(Waiver(finding="artifact", owner="o", reason="r", until="2999-01-01"),)), False),  # type: ignore[arg-type]
        (Artifact(allow={"imports": ["os.system"]}), False),  # type: ignore[arg-type]
        (Artifact(scanners=("picklescan",)), True),
    ],
)
def test_what_decides_of_the_gate_decides_of_loading(tmp_path: Path, gate: Artifact, stops: bool) -> None:
    """Its lines, severity, waivers and what it allows; where it cannot be asked nothing is loaded."""
    model(tmp_path, called("os", "system", "id"))

    assert (guarded(case_of(tmp_path, alone=True), gate) is not None) is stops


def test_a_gate_that_breaks_lets_nothing_load_and_the_run_go_on(tmp_path: Path) -> None:
    """Whatever it breaks by: the gate's own result says that, and others are still judged."""

    def broken() -> Path:
        raise RecursionError

    case = case_of(tmp_path, alone=True)
    object.__setattr__(case.candidate, "fetch", broken)

    assert "it ended in error: RecursionError" in str(guarded(case, Artifact()))


def test_what_holds_production_is_loaded_without_it(tmp_path: Path) -> None:
    """In a proof of the way back, and where a plan scores the champion."""
    pipeline = unguarded(pipeline_of(Artifact(), Metadata()))

    assert [gate.title for gate in pipeline.gates] == ["metadata"]


def test_files_are_looked_at_once_a_run(tmp_path: Path) -> None:
    """By the guard and by the gate itself."""
    files = model(tmp_path, PLAIN)
    case = case_of(tmp_path, alone=True)
    before = guarded(case, Artifact())
    (files / "model.pkl").write_bytes(b"cos\nsystem\n.")

    assert (before, guarded(case, Artifact())) == (None, None)


def test_a_copy_beside_which_our_files_lie_is_judged_without_them(tmp_path: Path) -> None:
    """As a self-test plants them."""
    files = model(tmp_path, PLAIN)
    (files / "code").mkdir()
    (files / "code" / "ours.py").write_text("")
    text = (files / "MLmodel").read_text()
    (files / "MLmodel").write_text(text.replace("mlflow.sklearn", "ours"))
    case = case_of(tmp_path, alone=True)

    assert guarded(case, Artifact()) is not None
    assert guarded(case, Artifact().accepting(["ours"], ["*/ours.py"])) is None  # type: ignore[arg-type]
