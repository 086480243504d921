"""Gates asked in turn: order, needs, severity, waivers, what breaks, what is opened, and what a resumed run keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from helpers.fakes import asking, case_of
from lockgate.errors import ModelFault
from lockgate.evaluation.case import Case
from lockgate.evaluation.requirements.grammar import from_mapping
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.gates.gate import Context, Gate, Waiver
from lockgate.registries.ports import ModelVersion
from lockgate.runs.run import PipelineRun

V = Verdict
SAYS: dict[str, list[Any]] = {}
ASKED: list[str] = []


def finding(
    gate: str, verdict: Verdict, *, line: str = "r1", code: str = "x", slice_: str = "overall", **more: Any
) -> Finding:
    """The plainest finding of a verdict."""
    given: dict[str, Any] = {
        "id": f"{gate}/{line}/{slice_}", "requirement": line, "subject": "answers", "slice": {}, "observed": 1.0,
        "interval": None, "champion": None, "limit": FindingLimit("<=", 0.0, "0"), "decided": None, "rows": 1,
        "positives": None, "rows_needed": None, "verdict": verdict, "code": code, "reason": f"{gate} says {verdict}",
    }  # fmt: skip
    return Finding(**(given | more))


class Says(Gate):
    """A gate that yields what SAYS holds under its name; an exception there is raised."""

    subjects: ClassVar[Mapping[str, Subject]] = {"answers": Subject("answers", "lower", counted=True)}
    default_require: ClassVar[tuple[str, ...]] = ("answers <= 0",)

    def check(self, case: Case) -> Iterator[Finding | Exhibit | Context]:
        ASKED.append(self.title)
        for one in SAYS[self.title]:
            if isinstance(one, BaseException):
                raise one
            yield one


@pytest.fixture(autouse=True)
def silence() -> None:
    SAYS.clear()
    ASKED.clear()


Run = Callable[..., PipelineRun]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ask gates that say these things: name → (verdict or list of what is yielded, fields of the gate)."""

    def asked(said: Mapping[str, Any], fields: Mapping[str, Any] | None = None, **known: Any) -> PipelineRun:
        gates = []
        for name, what in said.items():
            SAYS[name] = what if isinstance(what, list) else [finding(name, what)]
            gates.append(Says.model_validate({"gate": "says", "name": name, **((fields or {}).get(name) or {})}))
        (tmp_path / "runs").mkdir(exist_ok=True)
        session = asking(case_of(tmp_path / "runs" / "run", alone=True), *gates, **known)
        session.run_gates()
        return session

    return asked


def evidence(session: PipelineRun) -> Evidence:
    return session.evidence(data=[], scored=[], finished_at=datetime(2026, 11, 21, tzinfo=UTC))


def decided(session: PipelineRun) -> tuple[str, str]:
    """(verdict, what it opens)."""
    said = evidence(session)
    return str(said.verdict), said.opens


def told(session: PipelineRun) -> dict[str, tuple[str, str]]:
    return {result.name: (str(result.verdict), result.reason) for result in session.results}


def test_gates_are_asked_in_the_order_of_the_file(run: Run) -> None:
    """And timed, each on its own."""
    session = run({"b": V.PASS, "a": V.FAIL, "c": V.PASS})

    assert ASKED == ["b", "a", "c"]
    assert [result.name for result in session.results] == ["b", "a", "c"]
    assert set(session.seconds) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("said", "verdict", "opens"),
    [
        ({"a": V.PASS, "b": V.PASS}, "pass", "yes"),
        ({"a": V.PASS, "b": V.INCONCLUSIVE}, "inconclusive", "no"),
        ({"a": V.INCONCLUSIVE, "b": V.FAIL}, "fail", "no"),
        ({"a": V.FAIL, "b": [RuntimeError("x")]}, "error", "no"),
        ({"a": V.PASS, "b": []}, "inconclusive", "no"),
        ({}, "inconclusive", "no"),
    ],
)
def test_the_worst_verdict_is_the_runs(run: Run, said: dict[str, Any], verdict: str, opens: str) -> None:
    """A gate without findings is inconclusive, and so is a run without gates."""
    assert decided(run(said)) == (verdict, opens)


def test_a_gate_that_found_nothing_says_so(run: Run) -> None:
    """Nothing measured is never a pass."""
    assert told(run({"a": []})) == {"a": ("inconclusive", "nothing was measured")}


def test_a_line_without_a_finding_is_inconclusive(run: Run) -> None:
    """A gate that passes on one line and is silent about another did not answer it."""
    fields = {"a": {"require": ["answers <= 0", "answers <= 1"]}}

    assert told(run({"a": V.PASS}, fields)) == {
        "a": ("inconclusive", "nothing was measured for 'answers <= 1'"),
    }


def test_a_gate_whose_need_did_not_pass_is_not_asked_and_counts(run: Run) -> None:
    """Nor is the one that needs that one."""
    session = run({"a": V.FAIL, "b": V.PASS, "c": V.PASS}, {"b": {"needs": ["a"]}, "c": {"needs": ["b"]}})

    assert ASKED == ["a"]
    assert told(session) == {
        "a": ("fail", "a says fail"),
        "b": ("inconclusive", "not run: it needs a (fail)"),
        "c": ("inconclusive", "not run: it needs b (inconclusive)"),
    }
    assert all(result.counts for result in session.results)


class SaysSlowly(Says):
    """One that takes long."""

    takes_long: ClassVar[bool] = True


def test_what_takes_long_is_left_out_where_an_earlier_gate_is_in_error(tmp_path: Path) -> None:
    """A failure is worth knowing how slow the model is, a breakdown is not; a resumed run asks once that is mended."""
    names = {"a": Says, "b": SaysSlowly, "c": Says}
    folder = tmp_path / "runs" / "run"
    folder.parent.mkdir()
    gates = [cls.model_validate({"gate": "says", "name": name}) for name, cls in names.items()]

    def asked(first: Any, *, resumed: bool = False) -> PipelineRun:
        SAYS.update({"a": [first], "b": [finding("b", V.PASS)], "c": [finding("c", V.PASS)]})
        ASKED.clear()
        session = asking(case_of(folder, alone=True), *gates, key=b"key", resumed=resumed)
        session.run_gates()
        return session

    broken = asked(ModelFault("killed"))
    assert ASKED == ["a", "c"]
    assert told(broken)["b"] == ("inconclusive", "not run because a ended in error, which decides this run")
    assert broken.results[1].counts
    assert json.loads((folder / "gates" / "b.json").read_text())["result"]["verdict"] == "inconclusive"
    mended = asked(finding("a", V.FAIL), resumed=True)
    assert ASKED == ["a", "b"]
    assert told(mended)["b"][0] == "pass"


def test_a_warning_is_shown_and_does_not_count(run: Run) -> None:
    """Unless the gate broke: that is no opinion on the model."""
    warn = {"b": {"severity": "warn"}}

    assert decided(run({"a": V.PASS, "b": V.FAIL}, warn)) == ("pass", "yes")


def test_the_error_of_a_warning_counts(run: Run) -> None:
    """A breakdown is not overruled."""
    assert decided(run({"a": V.PASS, "b": [ValueError("x")]}, {"b": {"severity": "warn"}})) == ("error", "no")


def test_nothing_that_counts_is_inconclusive(run: Run) -> None:
    """Warnings alone promote nothing."""
    assert decided(run({"a": V.PASS}, {"a": {"severity": "warn"}})) == ("inconclusive", "no")


def waiver(subject: str, *, days: int = 1) -> Waiver:
    until = date.today() + timedelta(days=days)
    return Waiver(finding=subject, owner="ann", reason="known", until=until)


def test_a_waived_finding_is_shown_and_counted_in_the_first_sentence(run: Run) -> None:
    """The others decide."""
    said = {"a": [finding("a", V.FAIL), finding("a", V.PASS, slice_="geo=BR")]}
    session = run(said, waive=(waiver("a/r1/overall"),))

    assert told(session) == {"a": ("pass", "1 waived; 1 requirement met")}
    assert [str(one.verdict) for one in session.results[0].findings] == ["fail", "pass"]
    assert decided(session) == ("pass", "yes")


def test_a_gate_whose_findings_are_all_waived_does_not_count(run: Run) -> None:
    """Waiving its one finding is waiving the gate: the others decide, and alone it opens nothing."""
    session = run({"a": V.FAIL, "b": V.PASS}, waive=(waiver("a/r1/overall"),))

    assert told(session)["a"] == ("inconclusive", "1 waived, and nothing else was found")
    assert decided(session) == ("pass", "yes")


def test_waived_alone_opens_nothing(run: Run) -> None:
    """Nothing that counts is left."""
    assert decided(run({"a": V.FAIL}, waive=(waiver("a/r1/overall"),))) == ("inconclusive", "no")


def test_a_waived_gate_is_not_asked(run: Run) -> None:
    """With who, until when and why; by the gate's own `waive` as well."""
    own = waiver("a").model_dump()
    session = run({"a": V.FAIL, "b": V.PASS}, {"a": {"waive": [own]}})

    assert ASKED == ["b"]
    assert told(session)["a"] == ("inconclusive", f"skipped: waived by ann until {own['until']}: known")
    assert decided(session) == ("pass", "yes")
    assert evidence(session).document["waivers"] == [
        {"finding": "a", "owner": "ann", "reason": "known", "until": str(own["until"]), "expired": False}
    ]


def test_a_waiver_expires(run: Run) -> None:
    """The day after, the finding counts again, and the evidence says that the waiver ended."""
    session = run({"a": V.FAIL}, waive=(waiver("a/r1/overall", days=-1),))

    assert decided(session) == ("fail", "no")
    assert [one["expired"] for one in evidence(session).document["waivers"]] == [True]


def test_a_waiver_holds_on_its_last_day(run: Run) -> None:
    """`until` is the last day on which it holds, in UTC."""
    today = datetime.now(UTC).date()
    last = Waiver(finding="a", owner="ann", reason="known", until=today)

    assert (last.expired(today), last.expired(today + timedelta(days=1))) == (False, True)


BREAKDOWNS: list[tuple[Any, str, Any]] = [
    (ModelFault("the model was killed", stderr="Killed", remedy="more memory"), "the model was killed", "more memory"),
    (ZeroDivisionError("by zero"), "the gate 'says' broke: ZeroDivisionError: by zero", None),
    ("a text", "the gate 'says' broke: TypeError: a gate yields Finding, Exhibit or Context, not str", None),
    (Context({"share": math.nan}), "the gate 'says' broke: FloatDomainError", None),
    (finding("a", V.PASS, detail={"share": math.inf}), "the gate 'says' broke: FloatDomainError", None),
    (Exhibit("a/x", "table", ("x",), ((object(),),)), "the gate 'says' broke: CanonicalizationError", None),
]


@pytest.mark.parametrize("notes", [5, "seen", {"a": 1}])
def test_what_a_gate_of_ones_own_calls_notes_may_be_anything(run: Run, notes: Any) -> None:
    """Lists of them alone go on with its sentence."""
    result = run({"a": [finding("a", V.PASS), Context({"notes": notes})]}).results[0]

    assert (result.verdict, result.reason) == (V.PASS, "1 requirement met")


@pytest.mark.parametrize(("what", "said", "remedy"), BREAKDOWNS, ids=range(len(BREAKDOWNS)))
def test_a_gate_that_breaks_keeps_its_findings_and_takes_no_other_with_it(
    run: Run, what: Any, said: str, remedy: Any
) -> None:
    """What it had found stands; what cannot be written as evidence breaks the gate, not the run."""
    session = run({"a": [finding("a", V.PASS), Context({"k": "v"}), what], "b": V.PASS})
    broken = session.results[0]

    assert broken.verdict is V.ERROR
    assert broken.reason.startswith(said)
    assert [one.id for one in broken.findings] == ["a/r1/overall"]
    assert broken.context["k"] == "v"
    assert remedy is None or broken.context["broken"]["remedy"] == remedy
    assert told(session)["b"] == ("pass", "1 requirement met")
    assert decided(session) == ("error", "no")


def test_a_model_that_broke_leaves_its_last_words(run: Run) -> None:
    """The last stderr lies in the evidence."""
    session = run({"a": [ModelFault("killed", stderr="Killed: 9")]})

    assert session.results[0].context["broken"] == {"remedy": None, "stderr": "Killed: 9"}


def test_an_interruption_is_not_swallowed(run: Run) -> None:
    """Ctrl-C ends the run."""
    with pytest.raises(KeyboardInterrupt):
        run({"a": [KeyboardInterrupt()]})


ASK = from_mapping({"metric": "answers", "at_most": 0, "if_inconclusive": "ask"})


class TestAsking:
    """`if_inconclusive: ask`: the verdict stays, the owner may accept."""

    def opened(self, run: Run, said: Any, lines: list[Requirement] | None = None, **known: Any) -> tuple[str, str, Any]:
        session = run({"a": said, "b": V.PASS}, {"a": {"require": lines or [ASK]}}, **known)
        return *decided(session), evidence(session).asks

    def test_an_undecided_finding_may_be_accepted(self, run: Run) -> None:
        """The exit code is that of inconclusive; the finding is named."""
        assert self.opened(run, V.INCONCLUSIVE) == ("inconclusive", "by_owner", ("a/r1/overall",))

    def test_a_failed_one_may_not(self, run: Run) -> None:
        """A fail is a fail."""
        assert self.opened(run, V.FAIL) == ("fail", "no", ())

    def test_one_that_lies_beyond_the_limit_on_its_own_may_not(self, run: Run) -> None:
        """Its unadjusted interval speaks against it."""
        beyond = [finding("a", V.INCONCLUSIVE, code="beyond_unadjusted")]

        assert self.opened(run, beyond) == ("inconclusive", "no", ())

    def test_every_undecided_finding_must_be_askable(self, run: Run) -> None:
        """One that is not keeps the gate shut, though the other is listed."""
        plain = from_mapping({"metric": "answers", "at_most": 1})
        both = [finding("a", V.INCONCLUSIVE), finding("a", V.INCONCLUSIVE, line="r2")]

        assert self.opened(run, both, [ASK, plain]) == ("inconclusive", "no", ("a/r1/overall",))

    def test_a_gate_that_was_silent_about_a_line_is_not_opened(self, run: Run) -> None:
        """Nobody can accept what was never measured."""
        plain = from_mapping({"metric": "answers", "at_most": 1})

        assert self.opened(run, [finding("a", V.INCONCLUSIVE)], [ASK, plain])[1] == "no"

    @pytest.mark.parametrize("known", [{"observe": True}, {"only": ("a", "b")}])
    @pytest.mark.parametrize("said", [V.INCONCLUSIVE, V.PASS])
    def test_observed_and_partial_runs_open_nothing(self, run: Run, known: dict[str, Any], said: Verdict) -> None:
        """Neither by the owner nor on a pass."""
        assert self.opened(run, said, **known)[:2] == (str(said), "no")


def test_only_the_named_gates_are_asked(run: Run) -> None:
    """The evidence says which."""
    session = run({"a": V.PASS, "b": V.PASS}, only=("b",))

    assert ASKED == ["b"]
    assert evidence(session).document["policy"]["only"] == ["b"]


def test_a_resumed_run_asks_what_is_not_finished(run: Run) -> None:
    """Finished gates are read back, whole, with their exhibits; one that broke is asked again."""
    curve = Exhibit("a/roc", "curve", ("x",), ((0.5,),))
    first = run({"a": [finding("a", V.FAIL), curve, Context({"k": "v"})], "b": [ModelFault("killed")]}, key=b"key")
    ASKED.clear()
    second = run({"a": V.PASS, "b": V.PASS}, key=b"key", resumed=True)

    assert ASKED == ["b"]
    assert second.results[0] == first.results[0]
    assert [entry["name"] for entry in second.exhibits] == ["a/roc"]
    assert str(second.results[1].verdict) == "pass"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"key": b"key"}, {"key": b"key"}),
        ({"key": b"key"}, {"key": b"another", "resumed": True}),
        ({"key": b"key"}, {"key": None, "resumed": True}),
        ({"key": None}, {"key": b"key", "resumed": True}),
    ],
    ids=["a fresh run", "another key", "no key", "nothing sealed"],
)
def test_what_lies_in_the_folder_decides_nothing_by_itself(
    run: Run, before: dict[str, Any], after: dict[str, Any]
) -> None:
    """A result is taken up by a resumed run alone, and only if it is sealed by the key of the run."""
    run({"a": V.PASS}, **before)
    ASKED.clear()
    second = run({"a": V.FAIL}, **after)

    assert ASKED == ["a"]
    assert str(second.results[0].verdict) == "fail"


def test_a_result_of_another_gate_is_no_result_of_this_one(run: Run) -> None:
    """The name of the file is sealed with it."""
    session = run({"a": V.PASS}, key=b"key")
    sealed = session.folder.path.parent.parent / "sealed" / "run"
    (sealed / "b.gate").write_bytes((sealed / "a.gate").read_bytes())
    ASKED.clear()
    second = run({"b": V.FAIL}, key=b"key", resumed=True)

    assert ASKED == ["b"]
    assert str(second.results[0].verdict) == "fail"


def test_the_whole_evidence(run: Run, tmp_path: Path) -> None:
    """Every field of the contract at its place; what differs between equal runs lies under `run`."""
    held = Decided("count", "at_limit", 0.0, 0.0, 0.0, ("<=", 0.0), None, None, None, "counted")
    session = run({"a": [finding("a", V.PASS, decided=held)]})
    object.__setattr__(session.case.candidate, "version", ModelVersion("fraud", "7", "sha256:77", "run7"))
    document = json.loads(evidence(session).stored)
    seconds = document["run"].pop("seconds")
    document["run"].pop("started_at")
    document["run"].pop("tool")

    assert list(seconds) == ["a"]
    assert document == {
        "schema": "lockgate/evidence/v1",
        "run": {"id": "run", "nonce": "n", "finished_at": "2026-11-21T00:00:00.000Z", "looks": {}, "registry": None},
        "policy": {"sha256": "", "files": [], "variables": {}, "mode": "enforce", "only": [], "reuse": None},
        "model": {
            "name": "fraud",
            "candidate": {"version": "7", "digest": "sha256:77", "run_id": "run7"},
            "champion": None,
        },
        "data": [],
        "scored": [],
        "exhibits": [],
        "waivers": [],
        "asks": [],
        "parents": [],
        "gates": [
            {
                "name": "a",
                "kind": "says",
                "counts": True,
                "verdict": "pass",
                "reason": "1 requirement met",
                "context": {},
                "requirements": [{"id": "r1", "text": "answers <= 0", "file": 0, "line": None}],
                "findings": [finding("a", V.PASS, decided=held).to_json()],
            }
        ],
        "verdict": "pass",
        "opens": "yes",
    }
