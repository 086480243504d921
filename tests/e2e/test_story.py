"""The story that `gate demo` plays, as somebody who tries lockgate for the first time sees it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from helpers.checkout import CHAMPION, LINES, METRICS, Answer, Checkout, findings
from helpers.shelf import alone
from helpers.warm_python import OWN
from lockgate.runs.selftest.defects import DEFECTS


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        alone(monkeypatch)
        yield Checkout(tmp_path_factory.mktemp("stage"), base=None, data=None)


@pytest.fixture(scope="module")
def played(stage: Checkout, warm_python: str, warm_gate: str) -> Answer:
    """The demo, in a folder where it had been broken off when it was under way."""
    stage.command[0] = warm_gate
    begun = stage.start("demo")
    assert begun.stdout is not None
    assert any("The first candidate" in line for line in begun.stdout)
    os.killpg(begun.pid, signal.SIGINT)
    begun.communicate(timeout=120)
    assert begun.returncode == 130
    return stage.call("demo", **{OWN: warm_python})


@pytest.fixture
def after(stage: Checkout, played: Answer, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """The demo's folder, as it left it."""
    alone(monkeypatch)
    monkeypatch.chdir(stage.folder / ".demo")
    return stage


def test_the_demo_ends_well_and_names_the_report(stage: Checkout, played: Answer) -> None:
    """It stops the bad candidate on its slice and its tail, and may be played again where it was played."""
    assert played.code == 0, played.stderr + played.stdout
    report = re.search(r"Open the report that stopped the bad candidate:\n  (\S+)\n", played.stdout)
    assert report is not None
    assert re.search(r"^  metrics: auc on country=BR is 0\.\d+, 0\.\d+ below the champion's", played.stderr, re.M)
    busy = "This machine is too busy to show its slow tail: p99_ms is "
    assert re.search(r"^  latency: p99_ms is ", played.stderr, re.M) or busy in played.stdout
    text = (stage.folder / report[1]).read_text()
    assert report[1].endswith("report.html")
    assert "fraud version 2 does not pass" in text
    assert "auc on country=BR is 0." in text
    assert stage.processes == []


def test_the_demo_ends_with_who_moved_what_when_and_why(played: Answer) -> None:
    """Newest first: the promotion that was signed, the rollback with its reason, and how it began."""
    table = played.stdout.partition("$ gate history fraud\n")[2].splitlines()
    revisions = [line for line in table if line and not line.startswith(" ")]  # a run that staged nothing has none
    rows = [re.split(r"  +", line) for line in revisions[:7]]

    assert rows[0] == ["REVISION", "WHEN (UTC)", "WHAT", "VERSION", "WHO", "EVIDENCE", "APPROVALS", "WHY"]
    assert [row[0] for row in rows[1:]] == ["6", "5", "4", "3", "2", "1"]
    assert [row[2] for row in rows[1:]] == ["promoted", "staged", "rolled back", "promoted", "staged", "adopted"]
    assert rows[1][-1] == "approved by olga@example.org"
    assert rows[3][-1] == "chargebacks doubled"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[1]) for row in rows[1:])
    assert {row[4] for row in rows[1:]} == {"Dana, who trains the models (unverified)"}


def test_the_demos_pipeline_stops_every_planted_defect_and_nothing_is_kept_of_it(after: Checkout) -> None:
    """Production is copied. Left aside are payloads, as these models are in no box, and time, which a busy machine blurs."""
    names = [each.name for each in DEFECTS if each.part in ("answers", "files") and each.name != "environment"]
    kept = {path: path.read_bytes() for path in Path(".gate").rglob("*") if path.is_file()}
    answer = after.gate("selftest", "--json", *(word for name in names for word in ("--only", name)))
    document = json.loads(answer.stdout)
    by = {each["name"]: each["gate"] for each in document["defects"]}

    assert (answer.code, document["candidate"], document["silent_gates"]) == (0, "3", {}), answer.stderr
    assert by == {
        **dict.fromkeys(("labels", "constant", "nan"), "metrics"),
        "slice": "shadow",  # the smallest that a line holds is one of the traffic
        "altered-rows": "behaviour",
        **dict.fromkeys(("renamed-column", "dropped-column"), "signature"),
        "requirements": "metadata",
    }
    assert {path: path.read_bytes() for path in Path(".gate").rglob("*") if path.is_file()} == kept


def test_the_demo_leaves_the_good_candidate_in_production(after: Checkout) -> None:
    """With the champion standing by, and the ledger and the aliases in agreement."""
    answer = after.gate("status", "fraud", "--json")

    state = json.loads(answer.stdout)
    assert answer.code == 0
    assert (state["production"]["version"], state["standby"]["version"]) == ("3", "1")
    assert state["aliases"] == {"production": "3", "previous": "1"}
    assert state["problems"] == []
    assert state["epoch"] == 6


def test_nothing_of_a_candidate_with_a_payload_was_loaded(played: Answer, after: Checkout) -> None:
    """What its files alone say stands there all the same: the column that was renamed, data that move, a NumPy of any version."""
    run = Path(".gate/latest").resolve()
    results = {gate["name"]: gate for gate in json.loads((run / "evidence.json").read_text())["gates"]}
    failed = {
        finding["id"]: finding["reason"]
        for gate in results.values()
        for finding in gate["findings"]
        if finding["verdict"] == "fail"
    }

    assert not Path("the-payload-has-run").exists()
    assert re.match(
        r"unsafe files: 'artifacts/careless-candidate.pkl' at byte \d+: imports posix.mkdir",
        failed["artifact/r1/overall"],
    )
    assert "velocity removed (renamed to txn_velocity?)" in failed["signature/r2/overall"]
    assert "data/latest/train.parquet" in failed["metadata/r1/overall"]
    assert failed["metadata/r10/overall"] == "requirements: numpy>=1: it allows several versions"
    assert {results[name]["reason"] for name in ("metrics", "behaviour", "latency", "shadow")} == {
        "not run: nothing of the candidate is loaded before artifact passes"
    }
    assert "signature and metadata failed; metrics, behaviour, latency and shadow could not be decided" in played.stderr


def test_the_report_of_the_demo_is_there_in_every_format(after: Checkout) -> None:
    """Of the newest run, of a digest, of a folder: the same evidence."""
    latest = Path(".gate/latest").resolve()
    digest = "sha256:" + (latest / "evidence.sha256").read_text().split()[0]

    markdown = after.gate("report").stdout
    junit = Xml.fromstring(after.gate("report", digest, "--format", "junit").stdout)
    document = json.loads(after.gate("report", str(latest), "--format", "json").stdout)

    assert markdown.startswith("# ❌ fail: fraud version 4\n\nCompared with version 3.")
    assert [suite.get("name") for suite in junit] == [
        "artifact",
        "signature",
        "metadata",
        "metrics",
        "behaviour",
        "latency",
        "shadow",
    ]
    assert {suite.get("name"): suite.get("failures") for suite in junit if suite.get("failures") != "0"} == {
        "artifact": "1", "signature": "2", "metadata": "2",
    }  # fmt: skip
    assert after.gate("report", digest, "--format", "html").stdout == (latest / "report.html").read_text()
    assert document["digest"] == digest
    assert document["evidence"] == json.loads((latest / "evidence.json").read_text())


def test_the_demo_refuses_a_folder_that_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It empties the folder that it plays in."""
    alone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    mine = Checkout(tmp_path, base=None, data=None)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")

    answer = mine.gate("demo", "--folder", "thesis")

    assert answer.code == 2
    assert "is not a folder of the demo" in answer.stderr
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_a_first_version_goes_the_same_way_as_any_and_the_next_is_compared_with_it(checkout: Checkout) -> None:
    """Lines that compare are named and left out until then; nothing else is."""
    checkout.write()

    first = checkout.gate("run", "--stage")

    gate = checkout.evidence["gates"][0]
    assert first.code == 0, first.stderr
    assert list(findings(checkout.evidence)) == ["metrics/r1/overall"]
    assert checkout.evidence["model"]["champion"] is None
    assert "fraud version 2 against no champion\n" in first.stderr
    assert "no champion yet: metrics: auc >= champion - 0.05 on each slice\n" in first.stderr
    assert "auc >= champion - 0.05 on each slice: there is no champion yet" in first.stderr
    assert gate["reason"].startswith("1 requirement met; 1 requirement not compared: there is no champion yet")
    assert checkout.gate("promote").code == 3
    assert checkout.gate("approve", "--key", checkout.key).code == 0
    assert checkout.gate("promote").code == 0

    second = checkout.gate("run", "--candidate", CHAMPION)

    assert f"fraud version {CHAMPION} against champion version 2\n" in second.stderr
    assert "metrics/r2/country=BR" in findings(checkout.evidence)


def test_what_stops_a_promotion_anyway_is_said_before_anything_runs(checkout: Checkout) -> None:
    """Nobody approves, and the only gate compares with a champion that is not there; it is no pass."""
    checkout.write(signoff=None, gates=[{**METRICS, "require": LINES[1:]}])

    ended = checkout.gate("run")

    assert ended.code == 3
    said = [line for line in ended.stderr.splitlines() if not line.startswith(" ")]
    assert said[:3] == [
        "warning  the pipeline does not say who must approve, and without that nothing is promoted",
        "warning  the gate metrics cannot pass: each of its lines compares with a champion, and there is none",
        "fraud version 2 against no champion",
    ]
    assert "add a line that does not, such as auc >= NUMBER" in ended.stderr


def test_a_version_cannot_be_better_than_itself(checkout: Checkout) -> None:
    """The champion asked as candidate is held against itself, on the same rows, and equals itself."""
    checkout.write()
    checkout.gate("adopt", "fraud", "--version", CHAMPION, "--reason", "it runs")

    ended = checkout.gate("run", "--candidate", f"version={CHAMPION}")

    found = findings(checkout.evidence)["metrics/r2/country=BR"]
    assert ended.code == 0
    assert found["observed"] == found["champion"]
    assert float(found["decided"]["estimate"]) == 0
    assert ended.stderr.startswith(
        f"warning  fraud version {CHAMPION} is Production already, so this run promotes nothing"
    )
