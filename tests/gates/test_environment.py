"""Does the candidate serve where it was made for, and answer there as it did?"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement

from helpers.fakes import ask, case_of, pipeline_of
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.case import Contender
from lockgate.evaluation.parity.golden_rows import GoldenRows
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.exhibit import Exhibit, exhibit_file
from lockgate.evidence.finding import Finding, Verdict
from lockgate.gates.environment import Environment
from lockgate.models.packages.package_list import PackageList, read_package_list
from lockgate.reports.html import parity_tables
from lockgate.reports.html.figures import Table
from lockgate.reports.html.source import Source

NUMPY = metadata.version("numpy")
DECLARED = "mlflow==3.1.0\nnumpy==2.4.6\npsutil==7.0.0\n"


def parity(
    folder: Path,
    serving: str,
    *,
    declared: str = DECLARED,
    champion: str | None = None,
    golden: dict[str, GoldenRows] | None = None,
    **fields: Any,
) -> GateResult:
    """What the gate says of a candidate that declares this, where that serves; of golden rows where there are some."""
    case = case_of(folder, alone=champion is None)
    for contender, text in zip(case.contenders, (declared, champion or ""), strict=False):
        (contender.files / "requirements.txt").write_text(text)

    def packages(contender: object, spec: object, python: str | None) -> PackageList:
        return read_package_list(serving, source="serving.txt", python=python)

    case = replace(case, packages=packages, golden=lambda name: golden or {})
    return ask(case, Environment.model_validate({"serving": "serving.txt", "python": "3.11", **fields}))


def only(result: GateResult) -> Finding:
    (finding,) = result.findings
    return finding


def test_a_list_with_the_declared_packages_passes(tmp_path: Path) -> None:
    """What differs and may, and what is not there and need not be, is said."""
    found = only(parity(tmp_path, "mlflow==3.4.0\nnumpy==2.4.1\n"))

    assert (found.verdict, found.observed, found.rows) == (Verdict.PASS, 0.0, 4)
    assert found.reason == (
        "differences: none among 4 packages (mlflow 3.1.0, serving 3.4.0; numpy 2.4.6, serving 2.4.1; "
        "python 3.11.9, serving 3.11; not there: psutil)"
    )


def test_another_minor_release_of_numpy_fails_with_the_lines_that_mend_it(tmp_path: Path) -> None:
    """By name, both versions, and what to install."""
    found = only(parity(tmp_path, "mlflow==3.1.0\nnumpy==1.26.4\npsutil==7.0.0\n"))

    assert (found.verdict, found.code, found.observed) == (Verdict.FAIL, "differences", 1.0)
    assert found.reason == "differences: numpy 2.4.6, serving 1.26.4"
    assert found.remedy == (
        'where it serves: pip install "numpy==2.4.6"; or train and log the model under the versions of serving.txt'
    )


def test_a_version_of_any_signs_gets_into_no_command(tmp_path: Path) -> None:
    """People type what a remedy says; and control signs are no part of a sentence."""
    found = only(parity(tmp_path, "numpy==1.26.4\n", declared='numpy===1"$HOME\x1b[31m\n'))

    assert found.reason == 'differences: numpy 1"$HOME\ufffd[31m, serving 1.26.4: no versions that can be compared'
    assert "$HOME" not in str(found.remedy)


def test_another_python_fails(tmp_path: Path) -> None:
    """What a model pickled belongs to a minor release of Python."""
    found = only(parity(tmp_path, "mlflow==3.1.0\nnumpy==2.4.6\n", python="3.12"))

    assert found.reason == "differences: python 3.11.9, serving 3.12"
    assert found.remedy == "serve under python 3.11.9; or train and log the model under the versions of serving.txt"


def test_a_list_of_other_things_is_inconclusive(tmp_path: Path) -> None:
    """Nothing that was compared is nothing that passed."""
    result = parity(tmp_path, "flask==3.0.0\n")
    found = only(result)

    assert (result.verdict, found.code) == (Verdict.INCONCLUSIVE, "nothing_listed")
    assert found.reason == "differences: serving.txt lists none of the 4 packages that the model declares"
    assert found.remedy is not None


@pytest.mark.parametrize("line", ["differences <= 0", "unpinned <= 0"])
def test_a_model_that_declares_nothing_is_inconclusive(tmp_path: Path, line: str) -> None:
    """But for its Python."""
    assert only(parity(tmp_path, "numpy==2.4.6\n", declared="", require=[line])).verdict is Verdict.INCONCLUSIVE


def test_of_many_differences_the_first_are_listed(tmp_path: Path) -> None:
    """And how many more there are."""
    declared, serving = (
        "".join(f"package-{number}=={version}\n" for number in range(50)) for version in ("1.0", "2.0")
    )
    found = only(parity(tmp_path, serving, declared=declared))

    assert (found.observed, len(found.detail["found"])) == (50.0, 41)
    assert found.reason.endswith("package-39 1.0, serving 2.0; and 10 more")


@pytest.mark.parametrize(
    ("declared", "serving", "fields", "reason", "remedy"),
    [
        (
            "numpy>=1.20\nmlflow==3.1.0\n", "numpy==1.26.4\nmlflow==3.1.0\n", {},
            "numpy is not pinned: >=1.20, serving 1.26.4",
            'log it with the versions of its training: pip_requirements=[f"numpy=={version(\'numpy\')}", …]',
        ),
        (
            DECLARED, "numpy==2.4.6\nmlflow==3.1.0\n", {"python": None}, "python 3.11.9, serving.txt says no version of it",
            "write python: 3.11, or whichever version `python --version` says there, beside serving",
        ),
        (
            DECLARED, "numpy @ file:///build/numpy\nmlflow==3.1.0\n", {}, "numpy 2.4.6, serving.txt says no version of it",
            "name a list that says the version of numpy, such as pip list --format=json",
        ),
    ],
)  # fmt: skip
def test_what_must_agree_and_is_not_shown_to_is_inconclusive(
    tmp_path: Path, declared: str, serving: str, fields: dict[str, Any], reason: str, remedy: str
) -> None:
    """With what would show it."""
    found = only(parity(tmp_path, serving, declared=declared, **fields))

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "not_pinned")
    assert (found.reason, found.remedy) == (f"differences: {reason}", remedy)


@pytest.mark.parametrize("include", ["-r base.txt", "-c ../constraints.txt"])
@pytest.mark.parametrize("line", ["differences <= 0", "unpinned <= 0", "unpinned <= 5"])
@pytest.mark.parametrize("declared", [DECLARED, ""])
def test_an_include_that_cannot_be_read_may_declare_anything(
    tmp_path: Path, include: str, line: str, declared: str
) -> None:
    """So nothing passes, and what to log is said; the file beside the model turns it green."""
    (tmp_path / "left").mkdir()
    found = only(parity(tmp_path / "left", DECLARED, declared=f"{include}\n{declared}", require=[line]))

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "include_unreadable")
    assert f"{include} (requirements.txt) includes a file that cannot be read" in found.reason
    assert (found.remedy or "").startswith(
        f"log the model with {include[3:]} that requirements.txt includes, or with all"
    )


def test_what_differs_fails_beside_an_include_that_cannot_be_read(tmp_path: Path) -> None:
    """Whatever else it would have declared."""
    result = parity(tmp_path, DECLARED.replace("2.4.6", "1.26.4"), declared=f"-r base.txt\n{DECLARED}")

    assert result.verdict is Verdict.FAIL


def test_a_serving_list_that_includes_what_is_not_read_lacks_nothing_for_sure(tmp_path: Path) -> None:
    """What it does not name may be there."""
    found = only(parity(tmp_path, "-r base.txt\nmlflow==3.1.0\npsutil==7.0.0\n"))

    assert (found.verdict, found.reason) == (
        Verdict.INCONCLUSIVE,
        "differences: numpy 2.4.6, serving.txt says no version of it",
    )


def test_the_policy_of_the_pipeline_stands_over_the_default(tmp_path: Path) -> None:
    """However a name is written; what it does not name stays as strict as it was."""
    serving = "MLFlow==3.1.1\nnumpy==1.26.4\npsutil==5.0.0\n"
    loose = only(parity(tmp_path / "loose", serving, ignore=["NumPy", "psutil"]))
    strict = only(parity(tmp_path / "strict", serving, exact=["*"], same_major=["ml_flow"], ignore=["mlflow"]))

    assert loose.verdict is Verdict.PASS
    assert strict.reason == "differences: numpy 2.4.6, serving 1.26.4; psutil 7.0.0, serving 5.0.0"


def test_what_a_pipeline_names_is_expected_to_be_declared_where_it_serves(tmp_path: Path) -> None:
    """Else nobody knows under which release of it the model was trained; what serves nowhere is not needed."""
    serving = "mlflow==3.1.0\nnumpy==2.4.6\ntorch==2.9.1\n"
    found = only(parity(tmp_path, serving, same_minor=["torch", "xgboost"]))

    assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "differences: torch is not declared, serving 2.9.1")
    assert found.remedy == (
        "log it with the versions of its training: pip_requirements=[f\"torch=={version('torch')}\", …]"
    )


@pytest.mark.parametrize(
    ("declared", "serving", "fields"),
    [
        (DECLARED, "mlflow==3.1.0\nnumpy==1.26.4\n", {}),
        ("mlflow==3.1.0\nnumpy==2.4.6\npsutil<8,>=7\n", "mlflow==2.1.0\nnumpy==2.4.6\npsutil==5.9.0\n", {}),
        (DECLARED, "mlflow==3.1.0\nnumpy==2.4.6\n", {"python": None}),
        ("mlflow==3.1.0\nnumpy>=1\n", f"mlflow==3.1.0\nnumpy=={NUMPY}\n", {}),
        ("mlflow==3.1.0\nnumpy>=1\n", f"mlflow==3.1.0\nnumpy=={NUMPY}\n", {"require": ["unpinned <= 0"]}),
    ],
)
def test_a_remedy_that_is_followed_turns_its_finding_green(
    tmp_path: Path, declared: str, serving: str, fields: dict[str, Any]
) -> None:
    """As it is written: what is installed, what is logged, what is said of Python."""
    before = only(parity(tmp_path / "before", serving, declared=declared, **fields))
    remedy = str(before.remedy)
    if install := re.match("where it serves: pip install (.*?);", remedy):
        versions = {"psutil": "7.1.0"} | dict(line.split("==") for line in serving.splitlines())
        for requirement in map(Requirement, shlex.split(install[1])):
            fitting = [each for each in ("7.1.0", "2.4.6", "3.1.0") if requirement.specifier.contains(each)]
            versions[requirement.name] = fitting[0]
        serving = "".join(f"{name}=={version}\n" for name, version in versions.items())
    if logged := re.search(r"pip_requirements=\[(.*), …\]", remedy):
        declared = eval(logged[1], {"version": metadata.version}) + "\nmlflow==3.1.0\n"
    if python := re.search(r"write python: ([\d.]+)", remedy):
        fields = {**fields, "python": python[1]}
    after = only(parity(tmp_path / "after", serving, declared=declared, **fields))

    assert before.verdict is not Verdict.PASS
    assert after.verdict is Verdict.PASS, after.reason


def test_unpinned_requirements_can_be_counted(tmp_path: Path) -> None:
    """Each with its file; what is ignored is not."""
    declared = "numpy>=1\nmlflow==3.1.0\n-e ./risk\npip\n"
    found = only(parity(tmp_path, "numpy==1.26.4\n", declared=declared, require=["unpinned <= 0"]))

    assert (found.verdict, found.observed, found.rows) == (Verdict.FAIL, 2.0, 4)
    assert found.reason == "unpinned: numpy>=1 (requirements.txt); -e ./risk (requirements.txt)"


def test_the_champion_is_judged_in_what_it_declares(tmp_path: Path) -> None:
    """A candidate may differ as much as what serves today, where a line says so."""
    fields = {"require": ["differences <= champion"]}
    found = only(parity(tmp_path, "mlflow==3.1.0\nnumpy==1.26.4\n", champion="numpy==2.1.0\n", **fields))

    assert (found.verdict, found.observed, found.champion) == (Verdict.PASS, 1.0, 1.0)


@pytest.mark.parametrize(
    ("serving", "times"), [("serving.txt", 1), ({"python": "python3"}, 1), ({"server": "/packages"}, 2), (None, 2)]
)
def test_a_list_that_serves_both_roles_is_read_once(tmp_path: Path, serving: Any, times: int) -> None:
    """A file or an interpreter; where each role answers by itself, each is looked at."""
    roles = []

    def packages(contender: Contender, spec: object, python: str | None) -> PackageList:
        roles.append(contender.role)
        return read_package_list("numpy==2.4.6\n", source="serving.txt", python=python)

    ask(replace(case_of(tmp_path), packages=packages), Environment.model_validate({"serving": serving}))

    assert roles == ["candidate", "champion"][:times]


SAME = GoldenRows(np.array([0.1, 0.7]), np.array([0.1, 0.700001]))
SKEWED = GoldenRows(np.array([0.1, 0.7, 0.2]), np.array([0.1, 0.4, np.nan]), {3: "ValueError: no such city"})


def golden(folder: Path, rows: GoldenRows, **fields: Any) -> list[Finding]:
    listed = "mlflow==3.1.0\nnumpy==2.4.6\n"
    return list(parity(folder, listed, golden={"candidate": rows}, data="golden", **fields).findings)


def test_golden_rows_that_are_answered_as_they_were_pass(tmp_path: Path) -> None:
    """Two more lines where the gate names them."""
    assert [(each.subject, each.verdict, each.reason) for each in golden(tmp_path, SAME)][1:] == [
        ("golden_differences", Verdict.PASS, "golden differences: none among 2 rows"),
        ("golden_errors", Verdict.PASS, "golden errors: none among 2 rows"),
    ]


def test_skew_is_shown_by_row_and_by_how_much(tmp_path: Path) -> None:
    """A row that is refused is a finding of its own; the gate's packages agree."""
    packages, differences, errors = golden(tmp_path, SKEWED)

    assert packages.verdict is Verdict.PASS
    assert (differences.verdict, differences.observed, differences.rows) == (Verdict.FAIL, 1.0, 2)
    assert differences.reason == "golden differences: row 2 answers 0.4, recorded 0.7 (0.3 apart)"
    assert (errors.verdict, errors.reason) == (Verdict.FAIL, "golden errors: row 3: ValueError: no such city")


def test_a_tolerance_is_a_share_of_large_answers(tmp_path: Path) -> None:
    """And as many units of small ones."""
    prices = GoldenRows(np.array([250_000.0, 0.5]), np.array([250_100.0, 0.5004]))
    (found,) = golden(tmp_path, prices, tolerance=0.0004, require=["golden_differences <= 0"])

    assert found.verdict is Verdict.PASS


def test_of_several_classes_the_one_that_moved_most_counts() -> None:
    """Rows are listed with the furthest first."""
    rows = GoldenRows(np.array([[0.2, 0.8], [0.5, 0.5]]), np.array([[0.3, 0.7], [0.1, 0.9]]))

    assert rows.differing(0.05) == [1, 0]


@pytest.mark.parametrize("rows", [GoldenRows(np.zeros(0), np.zeros(0)), None])
def test_no_golden_row_is_inconclusive(tmp_path: Path, rows: GoldenRows | None) -> None:
    """Never a pass."""
    listed = "mlflow==3.1.0\nnumpy==2.4.6\n"
    result = parity(tmp_path, listed, golden={} if rows is None else {"candidate": rows}, data="golden")

    assert [each.verdict for each in result.findings][1:] == [Verdict.INCONCLUSIVE] * 2


def test_where_every_row_is_refused_no_difference_is_shown(tmp_path: Path) -> None:
    """The refusals fail; the rest is undecided."""
    refused = GoldenRows(np.array([0.1]), np.array([np.nan]), {1: "ValueError"})

    assert [each.verdict for each in golden(tmp_path, refused)][1:] == [Verdict.INCONCLUSIVE, Verdict.FAIL]


@pytest.mark.parametrize(
    ("fields", "known", "complaint"),
    [
        ({"exact": ["numpy"], "ignore": ["NumPy"]}, {}, "NumPy stands under exact too; name it once"),
        ({"data": "golden"}, {}, "data.golden says no answers; write scores: {candidate: COLUMN} of the recorded ones there"),
        (
            {"serving": None}, {"environment": "declared"},
            "environment: declared builds what each model declares, which never differs; name what serves with serving:",
        ),
        (
            {"serving": {"server": "/packages"}}, {},
            "serving: {server: …} asks the servers of target, and target names none",
        ),
    ],
)  # fmt: skip
def test_what_the_gate_cannot_mean_is_complained_of(
    fields: dict[str, Any], known: dict[str, Any], complaint: str
) -> None:
    """When the pipeline is read, before anything runs."""
    gate = Environment.model_validate({"serving": "serving.txt", **fields})
    pipeline = pipeline_of(gate, data={"golden": DatasetSpec.model_validate({"path": "golden.parquet"})}, **known)

    assert [message for _, message in gate.complaints(pipeline)] == [complaint]


def test_the_tables_of_the_report_have_both_sides(tmp_path: Path) -> None:
    """Packages that differ first, golden rows that are refused or furthest apart first."""
    result = parity(tmp_path, "mlflow==3.1.0\nnumpy==1.26.4\n", golden={"candidate": SKEWED}, data="golden")

    def source(name: str) -> Source:
        exhibit = Exhibit.read((tmp_path / exhibit_file(f"environment/{name}")).read_bytes())
        return Source(exhibit, result, lambda _: None)

    (packages,), (golden_rows,) = (
        parity_tables.packages(source("packages")),
        parity_tables.golden_rows(source("golden_rows")),
    )

    assert isinstance(packages, Table)
    assert packages.rows[0] == ("numpy", "candidate", "numpy==2.4.6", "1.26.4", "same minor", "differs")
    assert packages.tones == ("bad", "dim", "", "")
    assert isinstance(golden_rows, Table)
    assert golden_rows.rows == (
        ("3", "candidate", "0.2", "", "", "refused"),
        ("2", "candidate", "0.7", "0.4", "0.3", "differs"),
        ("1", "candidate", "0.1", "0.1", "0", "same"),
    )
