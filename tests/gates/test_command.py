"""What a command of the project finds, and what becomes of one that breaks."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.fakes import ask, case_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.evaluation.case import Case, LoadingObstacle
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.gates.command import Command
from lockgate.models.isolation.box import kernel
from lockgate.models.program.program_runner import ProgramRunner
from lockgate.models.target_spec import Serve

boxed = pytest.mark.skipif(not kernel().landlock, reason="this machine has no box")
JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="{errors}" failures="{failures}">{cases}</testsuite></testsuites>
"""
OK = '<testcase classname="tests.test_serving" name="test_answers[{}]"/>'
BAD = '<testcase classname="tests.test_serving" name="test_range"><failure message="assert 1.2 &lt;= 1">…</failure></testcase>'
SKIPPED = '<testcase classname="tests.test_serving" name="test_gpu"><skipped message="no GPU"/></testcase>'
BROKEN = '<testcase classname="tests.test_serving" name="test_server"><error message="failed on setup"/></testcase>'


def project(folder: Path, files: dict[str, str], **known: Any) -> Case:
    """A case in a project with these files."""
    (root := folder / "project").mkdir(parents=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    environ = {**os.environ, "WAREHOUSE_PASSWORD": "hunter22"}
    programs = ProgramRunner(root=root, environ=environ, scratch=folder, closed=(root / "holdout.parquet",))
    return replace(case_of(folder / "run", **known), programs=programs)


def asked(case: Case, **fields: Any) -> GateResult:
    return ask(case, Command.model_validate({"gate": "command", "findings": "found", **fields}))


def of_script(folder: Path, script: str, **fields: Any) -> GateResult:
    """What comes of a command that is this shell script."""
    return asked(project(folder, {"check.sh": script}), run=["sh", "check.sh"], **fields)


def of_report(folder: Path, report: str) -> GateResult:
    """What comes of a command that ends well and leaves this file."""
    return asked(project(folder, {"report": report}), run=["cp", "report", "$OUT/found"])


def junit(*cases: str, errors: int = 0, failures: int = 0) -> str:
    return JUNIT.format(cases="".join(cases), errors=errors, failures=failures)


def test_each_test_case_is_a_finding_and_only_one_that_ran_and_held_passes(tmp_path: Path) -> None:
    """A failure fails, an error is an error, and what is skipped is inconclusive."""
    result = of_report(tmp_path, junit(OK.format("a"), BAD, SKIPPED, BROKEN, failures=1, errors=1))

    assert result.verdict is Verdict.ERROR
    assert [(one.verdict.value, one.code, one.observed, one.reason) for one in result.findings] == [
        ("pass", "met", 0.0, "tests.test_serving::test_answers[a] passed"),
        ("inconclusive", "skipped", None, "tests.test_serving::test_gpu was skipped: no GPU, and what is skipped shows nothing"),
        ("fail", "exceeded", 1.0, "tests.test_serving::test_range failed: assert 1.2 <= 1"),
        ("error", "broken", None, "tests.test_serving::test_server broke: failed on setup"),
    ]  # fmt: skip
    assert result.findings[2].id == "command/r1/test=tests.test_serving%3A%3Atest_range"
    assert result.findings[2].slice == {"test": "tests.test_serving::test_range"}


def test_values_are_held_to_the_limits_beside_them(tmp_path: Path) -> None:
    """As points without an error rate, but for facts of the run; what has no rows shows nothing."""
    entries = [
        {"subject": "drift", "value": 0.12, "limit": "<= 0.3", "slice": {"column": "amount"}, "rows": 500},
        {"subject": "drift", "value": 0.4, "limit": "<= 0.3", "slice": {"column": "age"}, "reason": "by Wasserstein"},
        {"subject": "null_rows", "value": 0, "limit": "<= 0", "counted": True, "rows": 500},
        {"subject": "drift", "value": 0.1, "limit": "<= 0.3", "slice": {"column": "city"}, "rows": 0},
        {"subject": "model.fct_payments", "verdict": "error", "reason": "no such table"},
    ]
    result = of_report(tmp_path, json.dumps(entries))

    assert [(one.id.removeprefix("command/r1/finding="), one.verdict.value, one.reason) for one in result.findings] == [
        ("drift&column=amount", "pass", "drift on column=amount is 0.12; at most 0.3 is allowed (a point comparison, without an error rate)"),
        ("drift&column=age", "fail", "drift on column=age is 0.4; at most 0.3 is allowed (a point comparison, without an error rate): by Wasserstein"),
        ("null_rows", "pass", "null_rows is 0 among 500; at most 0 is allowed"),
        ("drift&column=city", "inconclusive", "drift on column=city: there was nothing to look at"),
        ("model.fct_payments", "error", "model.fct_payments broke: no such table"),
    ]  # fmt: skip


def test_what_judges_recorded_answers_passes_by_those_that_are_the_versions_own(tmp_path: Path) -> None:
    """A command that is handed them rests on them; one that is not may pass."""
    for number, (labels, verdict) in enumerate([(True, "inconclusive"), (False, "pass")]):
        table = {"age": [30], "city": ["Graz"], "y": [1], "p": [0.5]}
        case = project(tmp_path / str(number), {"report": junit(OK.format("a"))}, table=table, label="y")
        spec = DatasetSpec.model_validate({"path": "d.parquet", "label": "y", "scores": {"candidate": "p"}})
        dataset = Dataset("holdout", spec, case.folder)
        scored = Scored.from_table(pa.table(table), spec, task="binary", positive=1)
        scored.recorded = {"candidate": {"columns": ["p"], "state": "unconfirmed", "obstacle": "it does not start"}}
        case = replace(case, dataset=lambda _, dataset=dataset: dataset, replayed=lambda _, scored=scored: scored)
        result = asked(case, run=["cp", "report", "$OUT/found"], data="holdout", labels=labels)

        assert result.verdict.value == verdict
        assert ("it does not start" in result.reason) is labels


@pytest.mark.parametrize(
    ("report", "verdict", "reason"),
    [
        (junit(), "inconclusive", "cp ended with 0 and left no findings"),
        ("[]", "inconclusive", "cp ended with 0 and left no findings"),
        ("<html/>", "error", "cp left no findings that can be read: found is no JUnit XML: it begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><testsuites/>', "error",
         "cp left no findings that can be read: found has a document type, which no JUnit XML has"),
        (junit(OK.format("a"))[:-20], "error", "cp left no findings that can be read: found is no JUnit XML: unclosed token in line 2"),
        ("{}", "error", 'cp left no findings that can be read: found is no list of findings; write [{"subject": …, "value": …, "limit": "<= …"}]'),
        ('[{"subject": "a", "value": 1}]', "error",
         "cp left no findings that can be read: found is not in form: entry 1: it needs a limit (for its value), or a verdict instead"),
        ('[{"subject": "a", "value": NaN, "limit": "<= 1"}]', "error",
         "cp left no findings that can be read: found holds NaN, which is no number of JSON"),
    ],
)  # fmt: skip
def test_a_file_without_findings_is_no_pass(tmp_path: Path, report: str, verdict: str, reason: str) -> None:
    """Nothing in it is inconclusive; what cannot be read is an error, and no entity of it is expanded."""
    result = of_report(tmp_path, report)

    assert (result.verdict.value, result.reason) == (verdict, reason)


def test_a_test_that_is_there_twice_counts_by_its_worse_outcome(tmp_path: Path) -> None:
    """As of one that failed, and broke again when it was torn down; in whichever order."""
    again = '<testcase classname="tests.test_serving" name="test_range"/>'
    result = of_report(tmp_path, junit(BAD, again, failures=1))

    assert [(one.verdict.value, one.slice["test"]) for one in result.findings] == [
        ("fail", "tests.test_serving::test_range")
    ]


def test_a_finding_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Nobody can say which of them counts."""
    result = of_report(tmp_path, json.dumps([{"subject": "drift", "value": n, "limit": "<= 1"} for n in (0, 2)]))

    assert (result.verdict, result.findings) == (Verdict.ERROR, ())
    assert "found has finding=drift a second time" in result.reason


@pytest.mark.parametrize(
    ("second", "verdict", "code"),
    [
        (junit(OK.format("a")), "pass", "met"),
        (junit(OK.format("a").replace("/>", "><failure/></testcase>"), failures=1), "fail", "exceeded"),
    ],
)
def test_a_test_that_two_files_hold_counts_by_its_worse_outcome(
    tmp_path: Path, second: str, verdict: str, code: str
) -> None:
    """As of a part that was run again."""
    case = project(tmp_path, {"a.xml": junit(OK.format("a")), "b.xml": second})
    result = asked(case, run=["cp", "a.xml", "b.xml", "$OUT"], findings="*.xml")

    assert (result.verdict.value, [one.code for one in result.findings]) == (verdict, [code])


def test_a_finding_of_two_files_is_refused(tmp_path: Path) -> None:
    """By the name of the second."""
    text = '[{"subject": "drift", "verdict": "pass"}]'
    result = asked(project(tmp_path, {"a": text, "b": text}), run=["cp", "a", "b", "$OUT"], findings="*")

    assert (result.verdict, result.findings) == (Verdict.ERROR, ())
    assert "b has finding=drift a second time" in result.reason


def test_a_suite_that_counts_a_failure_which_it_does_not_show_is_an_error(tmp_path: Path) -> None:
    """What was cut off may be what failed."""
    result = of_report(tmp_path, junit(OK.format("a"), failures=1))

    assert result.verdict is Verdict.ERROR
    assert result.findings[0].reason == "(the whole document) broke: it counts 1 failed, and no case says so"


@pytest.mark.parametrize(
    ("script", "verdict", "reason"),
    [
        ("true", "inconclusive", "sh ended with 0 and left no findings"),
        ("echo no; exit 5", "error", "sh ended with 5, and left no findings"),
        (f"echo '{junit(OK.format(1))}' >$OUT/found; exit 1", "error", "sh ended with 1, and none of its findings fails"),
        (f"echo '{junit(BAD, failures=1)}' >$OUT/found; exit 1", "fail", "tests.test_serving::test_range failed: assert 1.2 <= 1"),
        (f"echo '{junit(BAD, failures=1)}' >$OUT/found", "fail", "tests.test_serving::test_range failed: assert 1.2 <= 1"),
        (f"echo '{junit(BAD, failures=1)}' >$OUT/found; kill -9 $$", "error", "sh was killed by SIGKILL while running, often the kernel's out-of-memory killer"),
        (f"echo '{junit(BAD, failures=1)}' >$OUT/found; sleep 60", "error", "sh did not end within 0.5 s, and was killed"),
        ("ln -s /etc/hostname $OUT/found", "inconclusive", "sh ended with 0 and left no findings"),
        ("ln -s / $OUT/found", "inconclusive", "sh ended with 0 and left no findings"),
        ("mkfifo $OUT/found", "error", "sh left no findings that can be read: found cannot be read: it is a named pipe, no regular file"),
    ],
)  # fmt: skip
def test_how_a_command_ends_decides_what_its_findings_are_worth(
    tmp_path: Path, script: str, verdict: str, reason: str
) -> None:
    """One that is killed, takes too long, or fails beside findings that do not, says nothing of the candidate."""
    result = of_script(tmp_path, script, timeout="500ms" if "sleep" in script else "1m")

    assert (result.verdict.value, result.reason) == (verdict, reason)


def test_evidence_names_what_ran_by_its_bytes_and_what_it_said(tmp_path: Path) -> None:
    """The program, the files of the project, and the file of findings; the last lines of its output."""
    script = f"echo looked at 3 things; echo '{junit(OK.format(1))}' >$OUT/found"
    case = project(tmp_path, {"check.sh": script, "lib/a.sh": "a", "lib/.secret": "b"})
    gate = Command.model_validate({"gate": "command", "run": ["sh", "check.sh"], "files": "lib", "findings": "found"})
    result = ask(case, gate)
    assert case.programs is not None
    told = result.context["command"]

    assert result.verdict is Verdict.PASS
    assert told["origins"] == gate.origins(case.programs.root)
    assert sorted(told["origins"]) == ["check.sh", "lib"]
    assert [*told["findings"]] == ["found"]
    assert told["variables"] == []
    assert told["program"]["path"].endswith("/sh")
    assert "output" not in result.context  # of a pass it would differ from run to run, and tell nothing
    (case.programs.root / "lib" / "a.sh").write_text("c")
    assert gate.origins(case.programs.root)["lib"] != told["origins"]["lib"]


def test_a_command_gets_rows_without_their_labels_unless_it_is_to_have_them(tmp_path: Path) -> None:
    """As a Parquet file of its own; the data themselves stay closed."""
    script = "cp $DATA_HOLDOUT $OUT/../kept.parquet; cp $DATA_HOLDOUT " + str(tmp_path / "kept.parquet")
    for number, (labels, columns) in enumerate([(False, ["age", "city"]), (True, ["age", "city", "y"])]):
        home = tmp_path / str(number)
        home.mkdir()
        case = project(
            home, {"check.sh": script}, table={"age": [30, 40], "city": ["Graz", "Linz"], "y": [0, 1]}, label="y"
        )
        result = asked(case, run=["sh", "check.sh"], data="holdout", labels=labels, trusted=True)

        assert result.context["command"]["left_out"] == {"holdout": [] if labels else ["y"]}
        assert pq.read_table(tmp_path / "kept.parquet").column_names == columns


def test_its_variables_are_filled_in_by_no_shell(tmp_path: Path) -> None:
    """In arguments and in `env:`; a secret of the job is not handed over, but for one that `env:` names."""
    run = ["sh", "check.sh", "$CANDIDATE_VERSION; echo no", "$$HOME", "$CHAMPION_VERSION"]
    script = 'printf "%s|" "$@" "$FOR" "$WAREHOUSE_PASSWORD" "$CANDIDATE_VERSION"'
    result = asked(project(tmp_path, {"check.sh": script}), run=run, env={"FOR": "version $CHAMPION_VERSION"})

    assert result.context["output"] == "7; echo no|$HOME|6|version 6||7|"


def test_a_command_says_whether_it_asks_a_model_and_whether_it_judges_the_candidate_at_all() -> None:
    """By what it mentions: one of data alone is run on no copy with a planted defect."""

    def gate(*run: str, **fields: Any) -> Command:
        return Command.model_validate({"gate": "command", "run": run, "findings": "f", **fields})

    served = gate("pytest", env={"SERVER": "$CANDIDATE_URL"})
    assert (served.uses_models, served.own_target, served.judges_candidate) == (True, Serve(serve="mlflow"), True)
    assert (gate("sh", "$CANDIDATE").uses_models, gate("sh", "$CANDIDATE").judges_candidate) == (False, True)
    assert (gate("dbt", "build").uses_models, gate("dbt", "build").judges_candidate) == (False, False)
    assert gate("./check.sh", trusted=True).judges_candidate


def test_without_a_champion_its_variables_are_empty(tmp_path: Path) -> None:
    """Which a first promotion has none of."""
    case = project(tmp_path, {"check.sh": 'echo "<$1>"'}, alone=True)

    assert asked(case, run=["sh", "check.sh", "$CHAMPION"]).context["output"] == "<>"


@boxed
def test_in_its_box_a_command_reads_of_the_project_what_it_names_and_writes_nothing_there(tmp_path: Path) -> None:
    """Its files are copies; data, other files and the network are closed to it."""
    script = """
    cat lib/a.txt; echo more >>lib/a.txt && echo >&2 changed its copy
    cat "$ROOT/other.txt" || echo other closed
    cat "$ROOT/holdout.parquet" || echo data closed
    (echo x >"$ROOT/new.txt") 2>/dev/null || echo project closed
    """
    case = project(tmp_path, {"check.sh": script, "lib/a.txt": "a", "other.txt": "b", "holdout.parquet": "rows"})
    assert case.programs is not None
    result = asked(case, run=["sh", "check.sh"], files="lib", env={"ROOT": str(case.programs.root)})
    lines = [line for line in result.context["output"].splitlines() if "ermission" not in line]

    assert "".join(lines) == "achanged its copyother closeddata closedproject closed"
    assert (case.programs.root / "lib" / "a.txt").read_text() == "a"
    assert not (case.programs.root / "new.txt").exists()
    assert result.context["command"]["isolation"]["landlock"] >= 1


@boxed
def test_a_shim_stands_for_the_program_that_it_starts(tmp_path: Path) -> None:
    """As of pyenv, whose choice is made outside of the box; a program beside the python too."""
    real, shims, hidden = (tmp_path / name for name in ("real/bin", "shims", "hidden"))
    for folder in (real, shims, hidden):
        folder.mkdir(parents=True)
    (real / "python").symlink_to(sys.executable)
    (real / "check").write_text("#!/bin/sh\necho checked")
    (hidden / "choose").write_text(f'#!/bin/sh\nexec {real}/"$@"')
    for name in ("python", "check"):
        (shims / name).write_text(f'#!/bin/sh\nexec {hidden}/choose {name} "$@"')
    for path in (real / "check", hidden / "choose", *shims.iterdir()):
        path.chmod(0o755)
    result = asked(project(tmp_path / "in", {}), run=["check"], env={"PATH": f"{shims}:/usr/bin:/bin"})

    assert (result.context["command"]["program"]["path"], result.context["output"]) == (str(real / "check"), "checked")


@boxed
def test_what_its_box_denies_is_named_with_the_line_that_opens_it(tmp_path: Path) -> None:
    """Of the project by `files:`."""
    case = project(tmp_path, {"check.py": "import os; open(os.environ['ROOT'] + '/other.txt')", "other.txt": "b"})
    assert case.programs is not None
    result = asked(case, run=[sys.executable, "check.py"], env={"ROOT": str(case.programs.root)})
    assert result.breakdown is not None

    assert result.verdict is Verdict.ERROR
    assert result.breakdown["remedy"].endswith("write files: [other.txt] below the gate if it may read there")
    assert "PermissionError" in result.breakdown["stderr"]


@pytest.mark.parametrize("variable", ["$CANDIDATE", "$CANDIDATE_URL"])
def test_nothing_of_a_candidate_is_handed_over_before_its_files_pass(tmp_path: Path, variable: str) -> None:
    """Where the pipeline has a gate that looks at them; its number is no file."""
    case = project(tmp_path, {"check.sh": "echo [] >$OUT/found"})
    case = replace(
        case, candidate=replace(case.candidate, guard=lambda: LoadingObstacle("artifact", "it found a payload"))
    )
    result, number = (asked(case, run=["sh", "check.sh", each]) for each in (variable, "$CANDIDATE_VERSION"))

    assert (result.verdict, result.reason) == (
        Verdict.INCONCLUSIVE,
        "not run: nothing of the candidate is loaded before artifact passes; it found a payload",
    )
    assert "command" not in result.context
    assert number.context["command"]["exit_code"] == 0


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Before anything is run."""
    result = asked(project(tmp_path, {"a": ""}), run=["no-such-program"])

    assert (result.verdict, result.reason) == (Verdict.ERROR, "run: no-such-program is no program here")
