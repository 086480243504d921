"""Labels that come later judge the requests of an earlier run, as evidence of its own that names the first."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.report_evidence import evidence
from lockgate.data.dataset import Dataset
from lockgate.errors import LockgateError, UsageError
from lockgate.evaluation.scoring.scored_table import ROLES, build_scored
from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_folder import RunFolder, salt
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.reports import keep_reports
from lockgate.runs.labelling.session import Labelling, labelled_gate

N = 3000
LINES = ["auc >= champion - 0.05", "recall >= champion - 0.1 on each slice"]
OLD = datetime.now(UTC) - timedelta(days=60)


@dataclass
class Shelf:
    """A checkout with one run, whose requests are known."""

    root: Path
    requests: dict[str, Any]
    truth: np.ndarray[Any, Any]
    pipeline: Pipeline
    run: RunFolder
    first: Evidence

    def judge(self, labels: Path | str, **more: Any) -> tuple[Evidence, GateResult]:
        pipeline = more.pop("pipeline", self.pipeline)
        labelling = Labelling(pipeline, labelled_gate(pipeline, None), self.first, self.run, str(labels), self.root)
        made, folder = labelling.judge(circumstances={}, hidden=())
        assert folder.evidence().digest == made.digest
        (gate,) = made.gates
        return made, gate

    def write(self, rows: np.ndarray[Any, Any] | None = None, **columns: Any) -> Path:
        """Labels of these requests, of all by default."""
        chosen = np.arange(N) if rows is None else rows
        table = {"request": [f"r{row}" for row in chosen], "fraud": self.truth[chosen].astype(int), **columns}
        pq.write_table(pa.table(table), self.root / "labels.parquet")
        return self.root / "labels.parquet"


def policy(root: Path, *, labels: dict[str, Any] | None = None, **more: Any) -> Pipeline:
    document = {
        "model": "fraud", "task": "binary", "threshold": 0.5, "registry": {"uri": "sqlite:///m.db"},
        "candidate": {"newest": True}, "champion": {"alias": "production", "else": "none"},
        "data": {"traffic": {"path": "traffic.parquet", "id": "id", "time": "at", "slices": ["country"]}},
        "gates": [{
            "gate": "shadow", "data": "traffic", "require": ["errors <= 0"],
            "labels": {"id": "request", "label": "fraud", "coverage": "80%", "require": LINES, **(labels or {})},
        }],
        **more,
    }  # fmt: skip
    document = {key: value for key, value in document.items() if value is not None}
    return loader.read(json.dumps(document), name="gates/fraud.yaml", root=root)


def shelf_of(
    root: Path, *, worse: float = 0.0, at: Any = OLD, unanswered: int = 0, answers: Any = None, **more: Any
) -> Shelf:
    """worse: how much noise the candidate adds to what the champion sees. at: when the requests came, one moment or each.

    unanswered: of how many of them the candidate gives no answer. answers: of both models, where others are meant.
    """
    draw = np.random.default_rng(3)
    truth = draw.random(N) < 0.4
    signal = truth + draw.normal(0, 0.4, N)
    sees = 1 / (1 + np.exp(4 - 8 * (signal + draw.normal(0, 0.05, N))))
    other = 1 / (1 + np.exp(4 - 8 * (signal + draw.normal(0, 0.05 + worse, N))))
    requests = {
        "id": [f"r{row}" for row in range(N)], "at": [at] * N if isinstance(at, datetime) else at,
        "country": draw.choice(["AT", "BR", "US"], N), "p_old": sees, "p_new": other,
    }  # fmt: skip
    requests["p_new"] = np.where(np.arange(N) < unanswered, np.nan, other)
    requests |= answers or {}
    pq.write_table(pa.table(requests), root / "traffic.parquet")
    pipeline = policy(root, **more)
    recorded = {"candidate": "p_new", "champion": "p_old"}
    dataset = Dataset("traffic", pipeline.data["traffic"].model_copy(update={"scores": recorded}), root)
    run = RunFolder.new(root, "20261101-000000-00000000")
    path = run.path / "scored" / "traffic-replayed.parquet"
    scored = build_scored(
        dataset,
        scorers={},
        task=pipeline.task,
        positive=1,
        salt=salt(root),
        path=path,
        classes=pipeline.classes,
        may_fail=True,
        timed=True,
    )
    first = evidence(
        policy={"sha256": pipeline.policy_digest},
        data=[{"name": "traffic", "path": "traffic.parquet", "digest": dataset.digest, "rows": N}],
        scored=[{"data": "traffic-replayed", "sha256": scored.sha256, "rows": N}],
    )
    run.keep_evidence(first)
    return Shelf(root, requests, truth, pipeline, run, first)


def test_labels_judge_what_both_models_answered_and_leave_the_first_evidence_as_it_is(tmp_path: Path) -> None:
    """A candidate that is as good passes, in evidence that names the first's digest and opens nothing."""
    shelf = shelf_of(tmp_path)
    before = (shelf.run.path / "evidence.json").read_bytes()
    made, gate = shelf.judge(shelf.write())

    assert (gate.name, gate.kind, str(gate.verdict)) == ("shadow-labels", "metrics", "pass")
    assert [finding.id for finding in gate.findings] == [
        "shadow-labels/r1/overall", "shadow-labels/r2/country=AT", "shadow-labels/r2/country=BR", "shadow-labels/r2/country=US",
    ]  # fmt: skip
    assert [line.text for line in gate.requirements] == LINES
    assert all(line.line is not None for line in gate.requirements)
    assert gate.reason.endswith("3,000 of 3,000 (100 %) requests have a label")
    assert (made.document["parents"], made.opens) == ([shelf.first.digest], "no")
    assert made.document["model"] == shelf.first.document["model"] | {
        "candidate": {"version": "7", "digest": "sha256:c", "run_id": None},
        "champion": {"version": "6", "digest": "sha256:h", "run_id": None},
    }
    assert [entry["name"] for entry in made.document["data"]] == ["traffic", "traffic.labels"]
    assert (shelf.run.path / "evidence.json").read_bytes() == before


def test_a_candidate_that_is_worse_fails_by_labels(tmp_path: Path) -> None:
    """By the numbers that the metrics engine finds."""
    shelf = shelf_of(tmp_path, worse=0.9)
    made, gate = shelf.judge(shelf.write())

    assert str(made.verdict) == "fail"
    assert gate.findings[0].champion is not None
    assert gate.findings[0].observed is not None
    assert gate.findings[0].champion - gate.findings[0].observed > 0.05


def test_a_slice_with_too_few_labels_is_undecided_and_the_others_are_judged(tmp_path: Path) -> None:
    """Also one without any label; the share of all is enough here."""
    shelf = shelf_of(tmp_path)
    country = np.array(shelf.requests["country"])
    labelled = np.flatnonzero((country != "BR") | (np.arange(N) % 2 == 0))
    _, gate = shelf.judge(shelf.write(labelled))
    none_of_br, _ = shelf.judge(
        shelf.write(np.flatnonzero(country != "BR")), pipeline=policy(tmp_path, labels={"coverage": "50%"})
    )
    overall, at, br, us = gate.findings

    assert [str(each.verdict) for each in (overall, at, br, us)] == ["pass", "pass", "inconclusive", "pass"]
    assert (br.code, br.detail["labels"]["judged"] * 2) == (
        "unlabelled",
        pytest.approx(br.detail["labels"]["requests"], abs=80),
    )
    assert br.reason.endswith("%) country=BR requests have a label, and coverage is 80 %")
    found = {finding.id: finding.code for finding in none_of_br.gates[0].findings}
    assert found["shadow-labels/r2/country=BR"] == "unlabelled"


def test_too_few_labels_of_all_requests_decide_nothing_overall(tmp_path: Path) -> None:
    """A candidate that is worse does not fail by them either: nobody knows which requests lack a label."""
    shelf = shelf_of(tmp_path, worse=0.9)
    made, gate = shelf.judge(shelf.write(np.arange(N // 2)))

    assert {finding.code for finding in gate.findings} == {"unlabelled"}
    assert (str(made.verdict), made.verdict.exit_code) == ("inconclusive", 3)


@pytest.mark.parametrize(("role", "column"), [("champion", "p_old"), ("candidate", "p_new")])
def test_labels_of_one_decision_alone_are_named_and_never_a_pass(tmp_path: Path, role: str, column: str) -> None:
    """As where only approved applications are repaid or not: whichever model approved them, and nearly none is like none."""
    shelf = shelf_of(tmp_path, labels={"coverage": "50%"})
    approved = shelf.requests[column] < 0.5
    none, by_none = shelf.judge(shelf.write(np.flatnonzero(approved)))
    nearly = np.flatnonzero(approved | (np.arange(N) % 30 == 0))
    few, by_few = shelf.judge(shelf.write(nearly))

    assert {str(none.verdict), str(few.verdict)} == {"inconclusive"}
    assert {finding.code for finding in (*by_none.findings, *by_few.findings)} == {"selective_labels"}
    rejected = int((~approved).sum())
    words = f"labels are selective: 0 of {rejected:,} (0 %) requests that the {role} decides positive have one"
    assert f"{words}, so that those with one are no random sample" in by_none.findings[0].reason
    assert words in by_none.reason
    assert f"that the {role} decides positive have one" in by_few.reason
    by_decision = {(each["role"], each["decision"]): each["judged"] for each in by_none.context["labels"]["decisions"]}
    assert (by_decision[role, "positive"], by_decision[role, "negative"]) == (0, int(approved.sum()))


def test_a_decision_of_few_requests_may_lack_a_label_by_chance(tmp_path: Path) -> None:
    """Where one label in nine is not there yet, each decision is below 90 % as often as not."""
    shelf = shelf_of(tmp_path, labels={"coverage": "88%"})
    labelled = np.flatnonzero(np.random.default_rng(1).random(N) < 0.9)
    made, gate = shelf.judge(shelf.write(labelled))

    assert {finding.code for finding in gate.findings} <= {"met", "unlabelled"}
    assert made.gates[0].findings[0].code == "met"


def test_requests_that_are_too_young_are_not_judged_and_counted(tmp_path: Path) -> None:
    """Early labels are those of what shows at once; a day counts from its end, and a request without a time is never old enough."""
    now = datetime.now(UTC)
    at = [now - timedelta(days=45)] * 2000 + [now - timedelta(days=29)] * 990 + [None] * 10
    shelf = shelf_of(tmp_path, at=pa.array(at, pa.timestamp("us", "UTC")), labels={"matured": "30d"})
    _, gate = shelf.judge(shelf.write())

    assert gate.findings[0].rows == 2000
    assert gate.reason.endswith(
        "2,000 of 2,000 (100 %) requests older than 30d have a label; 990 younger requests are not judged yet; "
        "10 requests without a time are not judged"
    )


def test_nothing_is_judged_before_the_first_request_is_old_enough(tmp_path: Path) -> None:
    """Which is no error: undecided, and why."""
    shelf = shelf_of(tmp_path, at=datetime.now(UTC), labels={"matured": "30d"})
    made, gate = shelf.judge(shelf.write())

    assert (str(made.verdict), {finding.code for finding in gate.findings}) == ("inconclusive", {"unlabelled"})
    assert "3,000 younger requests are not judged yet" in gate.reason


def test_what_cannot_be_used_of_the_labels_is_counted_and_said(tmp_path: Path) -> None:
    """Unknown and missing ids, missing labels, repetitions and contradictions; of several the newest counts, where there is a time."""
    shelf = shelf_of(tmp_path)
    ids: list[Any] = [f"r{row}" for row in range(N)] + ["r0", "r1", "x", None, "r2"]
    fraud: list[Any] = shelf.truth.astype(int).tolist()
    fraud += [fraud[0], 1 - fraud[1], 1, 1, None]
    path = tmp_path / "more.parquet"
    pq.write_table(pa.table({"request": ids, "fraud": fraud}), path)
    made, gate = shelf.judge(path)

    assert made.document["data"][1]["labels"] == {
        "rows": N + 5, "without_id": 1, "without_label": 1, "unknown": 1, "repeated": 1, "superseded": 0, "contradictory": 2,
        "used": N - 1,
    }  # fmt: skip
    assert (
        "of 3,005 rows of labels 1 of no request of the run, 1 without an id, 1 without a label, 1 repeated, "
        in gate.reason
    )

    later = [datetime(2026, 1, 1, tzinfo=UTC)] * N + [datetime(2026, 1, 2, tzinfo=UTC)] * 5
    pq.write_table(pa.table({"request": ids, "fraud": fraud, "known": later}), path)
    made, _ = shelf.judge(path, pipeline=policy(tmp_path, labels={"time": "known"}))

    counts = made.document["data"][1]["labels"]
    assert (counts["superseded"], counts["contradictory"], counts["used"]) == (2, 0, N)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "jsonl.gz", "json"])
def test_labels_are_read_in_every_format(tmp_path: Path, ending: str) -> None:
    """As the data of a pipeline are."""
    shelf = shelf_of(tmp_path)
    rows = [{"request": f"r{row}", "fraud": int(shelf.truth[row])} for row in range(N)]
    path = tmp_path / f"labels.{ending}"
    if ending == "csv":
        path.write_text("request,fraud\n" + "".join(f"{row['request']},{row['fraud']}\n" for row in rows))
    else:
        text = json.dumps(rows) if ending == "json" else "".join(json.dumps(row) + "\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    made, _ = shelf.judge(path)

    assert (str(made.verdict), made.document["data"][1]["labels"]["used"]) == ("pass", N)


@pytest.mark.parametrize(
    ("columns", "more", "words"),
    [
        ({"request": ["z"] * N}, {}, "none of the 3,000 labels in"),
        ({"request": [None] * N}, {}, "has no id in column 'request'"),
        ({"fraud": ["yes", "no", "perhaps"] * (N // 3)}, {}, "holds more than two values"),
        ({"fraud": ["yes", "no"] * (N // 2)}, {}, "none of which is `positive: 1`"),
        ({}, {"label": "chargeback"}, "has no column 'chargeback'"),
        ({}, {"id": "payment"}, "has no column 'payment'"),
        ({"known": ["tomorrow"] * N}, {"time": "known"}, "is not a time"),
    ],
)
def test_labels_that_cannot_be_read_or_joined_are_a_wrong_call(
    tmp_path: Path, columns: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    """What is wrong is said, and nothing is written."""
    shelf = shelf_of(tmp_path)
    path = shelf.write(**columns)

    with pytest.raises(UsageError, match=words) as refused:
        shelf.judge(path, pipeline=policy(tmp_path, labels=more))

    assert refused.value.exit_code == 2
    assert not (tmp_path / ".gate" / "labelled").exists()


def test_what_the_run_kept_must_be_what_its_evidence_names(tmp_path: Path) -> None:
    """Answers that are gone are a wrong call; answers that were altered since are nobody's fault who calls."""
    shelf = shelf_of(tmp_path)
    path, labels = shelf.run.path / "scored" / "traffic-replayed.parquet", shelf.write()
    with pytest.raises(UsageError, match=r"gone\.parquet"):
        shelf.judge("gone.parquet")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(LockgateError, match="is not what its evidence names") as altered:
        shelf.judge(labels)
    path.unlink()
    with pytest.raises(UsageError, match="is not here any more"):
        shelf.judge(labels)

    assert altered.value.exit_code == 4


def test_requests_without_an_answer_are_no_evidence_and_said(tmp_path: Path) -> None:
    """They lower the share that is judged, so that a candidate cannot gain by not answering."""
    shelf = shelf_of(tmp_path, unanswered=700)
    _, gate = shelf.judge(shelf.write())

    assert gate.findings[0].code == "unlabelled"
    assert "700 labelled requests without an answer of both models cannot be judged" in gate.reason


def test_the_shares_are_in_the_report(tmp_path: Path) -> None:
    """Of all requests, of each decision of both models, and of each slice, the fewest labels first."""
    shelf = shelf_of(tmp_path)
    country = np.array(shelf.requests["country"])
    made, _ = shelf.judge(shelf.write(np.flatnonzero((country != "BR") | (np.arange(N) % 2 == 0))))
    [folder] = (tmp_path / ".gate" / "labelled").iterdir()
    points = Exhibit.read((folder / "exhibits" / "shadow-labels-labelled.json").read_bytes()).points
    keep_reports(made, RunFolder(folder))

    assert [point[0] for point in points][:1] == ["overall"]
    assert {point[0] for point in points[1:5]} == {
        f"{role}: {each}" for role in ROLES for each in ("negative", "positive")
    }
    assert [point[0] for point in points][5] == "country=BR"
    assert "Labelled requests" in (folder / "report.html").read_text()
    assert "so it can promote nothing" in (folder / "report.md").read_text()


def test_a_path_that_names_nothing_and_a_file_without_rows_are_a_wrong_call(tmp_path: Path) -> None:
    """As a pipeline would refuse them."""
    shelf = shelf_of(tmp_path)
    with pytest.raises(UsageError, match="is an address that names nothing"):
        shelf.judge("s3://")
    with pytest.raises(UsageError, match="has no rows"):
        shelf.judge(shelf.write(np.arange(0)))


@pytest.mark.parametrize("state", ["confirmed", "unconfirmed"])
def test_recorded_answers_that_nobody_confirmed_pass_by_no_labels(tmp_path: Path, state: str) -> None:
    """Who answered is known from the run; labels say nothing of it."""
    shelf = shelf_of(tmp_path)
    recorded = {"champion": {"columns": ["p_old"], "state": state, "obstacle": "nobody could"}}
    entry = {**shelf.first.document["scored"][0], "recorded": recorded}
    shelf.first = Evidence.from_document({**shelf.first.document, "scored": [entry]})
    made, gate = shelf.judge(shelf.write())

    assert {finding.code for finding in gate.findings} == ({"met"} if state == "confirmed" else {"recorded"})
    assert "the answers of the champion are recorded in traffic (p_old)" in gate.reason
    assert made.document["scored"] == [entry]


def test_lines_that_compare_need_the_champion_of_the_run(tmp_path: Path) -> None:
    """Of a run without one those against a number are judged."""
    shelf = shelf_of(tmp_path, labels={"require": ["auc >= champion - 0.05", "auc >= 0.6"]})
    model = {**shelf.first.document["model"], "champion": None}
    shelf.first = Evidence.from_document({**shelf.first.document, "model": model})
    _, gate = shelf.judge(shelf.write())

    assert [(finding.requirement, str(finding.verdict)) for finding in gate.findings] == [("r2", "pass")]
    assert "1 requirement not compared: there is no champion yet" in gate.reason


def test_a_gate_with_labels_is_named_where_there_are_several(tmp_path: Path) -> None:
    """And guessed where its name is misspelt."""
    shelf = shelf_of(tmp_path)
    gate = {"gate": "shadow", "data": "traffic", "require": ["errors <= 0"]}
    labels = {"id": "request", "label": "fraud", "coverage": "80%", "require": ["auc >= 0.6"]}
    two = policy(tmp_path, gates=[{**gate, "name": name, "labels": dict(labels)} for name in ("near", "far")])

    assert labelled_gate(two, "far").title == "far"
    with pytest.raises(UsageError, match="several gates have labels: near, far"):
        labelled_gate(two, None)
    with pytest.raises(UsageError, match="did you mean 'near'"):
        labelled_gate(two, "nera")
    with pytest.raises(UsageError, match="says what must hold by labels that come later"):
        labelled_gate(policy(tmp_path, gates=[gate]), None)
    assert labelled_gate(shelf.pipeline, None).title == "shadow"


def test_classes_and_numbers_are_judged_too(tmp_path: Path) -> None:
    """Of several classes what was decided is kept; of numbers all, and no decision that labels could depend on."""
    classes = np.array(["a", "b", "c"])
    several = {"task": "multiclass", "threshold": None, "classes": classes.tolist()}
    for more, answers, lines in (
        (
            several, lambda truth, noise: classes[(truth + (noise > 0.9)) % 3],
            ["accuracy >= champion - 0.05", "f1(average=macro) >= 0.5"],
        ),
        ({"task": "regression", "threshold": None}, lambda truth, noise: truth + noise, ["mae <= champion + 0.05"]),
    ):  # fmt: skip
        folder = tmp_path / str(more["task"])
        folder.mkdir()
        draw = np.random.default_rng(1)
        truth = draw.integers(0, 3, N)
        both = {"p_old": answers(truth, draw.random(N)), "p_new": answers(truth, draw.random(N))}
        shelf = shelf_of(folder, answers=both, labels={"require": lines}, **more)
        made, gate = shelf.judge(shelf.write(fraud=answers(truth, np.zeros(N))))

        assert (str(made.verdict), len(gate.findings)) == ("pass", len(lines))
        assert len(gate.context["labels"]["decisions"]) == (6 if more is several else 0)


def test_how_often_requests_were_labelled_before_is_said(tmp_path: Path) -> None:
    """Whoever labels until it passes will see a pass by chance."""
    shelf = shelf_of(tmp_path)
    reasons = [shelf.judge(shelf.write())[1].reason for _ in range(3)]

    assert "before" not in reasons[0]
    assert "labels judged these requests 1 time before" in reasons[1]
    assert "labels judged these requests 2 times before" in reasons[2]


def test_a_pipeline_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    """The lines may be written after the run, and whoever reads the verdict should know."""
    shelf = shelf_of(tmp_path)
    _, same = shelf.judge(shelf.write())
    _, other = shelf.judge(shelf.write(), pipeline=policy(tmp_path, labels={"coverage": "70%"}))

    assert "the pipeline is not as it was when the models answered" not in same.reason
    assert "the pipeline is not as it was when the models answered" in other.reason
