"""Text from outside in every sink: no sign that does something, no line of its own, no command to a CI runner."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

import lockgate
from helpers.mutated import examples
from helpers.promoting import CI, NOW, POLICY
from helpers.report_evidence import WHOLE
from lockgate.cli import main, output
from lockgate.cli.commands.status import Waiting, status_page
from lockgate.cli.console import Screen
from lockgate.cli.github import actions_runner
from lockgate.errors import LockgateError, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github import annotations, comment_report, job_summary
from lockgate.integrations.webhooks import Notice
from lockgate.promotion.audit.history import History, PastProduction
from lockgate.promotion.audit.status import ModelStatus
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.discrepancy import Discrepancy
from lockgate.promotion.ledger.entry import Done, Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.outcome import Outcome, require_reason
from lockgate.reports import FORMATS
from lockgate.reports.terminal_layout import Medium
from lockgate.signoff.decision import IgnoredVote, SignoffDecision, missing_text
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import SignoffPolicy
from lockgate.signoff.vote import Vote, check_reason

ATTACKS = (
    "\x1b[2J\x1b]0;t\x07", "a\n9         2026-11-21 12:00:00  promoted  9", "x\r\n::error::forged", "::set-output name=verdict::pass",
    "  ::stop-commands::x", "##[error]forged", "##vso[task.complete result=Succeeded;]", "\x9b31m\x85::warning::x", "\u202egpj.exe\u2066", "\u2028::error::x",
    "\u2029x\x0b::error::x\x0c", "\x7f\x08\x00", "@octocat ![x](http://x.y/z) <script>x</script>", "| a | b |\n|---|", "]]><!-- -->", "[bold red]x[/]",
)  # fmt: skip
hostile = (
    st.lists(st.sampled_from(ATTACKS) | st.text(max_size=5), min_size=1, max_size=3).map("".join).filter(str.strip)
)
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)
WORDS = {
    *("schema", "verdict", "opens", "digest", "sha256", "until", "op", "on", "claim", "method"),
    *("low", "high", "estimate"),
}
MEASURED = {"observed", "interval", "champion", "decided", "value", "limit"}


def planted(value: Any, text: str, key: str = "") -> Any:
    """The document with its free texts replaced: what is no enumeration, digest, day or number."""
    if isinstance(value, dict):
        skip = MEASURED if "rows" in value and "slice" in value else set()
        inner = {
            name: each if name in skip and name != "limit" else planted(each, text, name)
            for name, each in value.items()
        }
        if key in ("slice", "detail", "context") and key != "context":
            inner |= {text: text}
        return inner
    if isinstance(value, list):
        return [planted(each, text, key) for each in value]
    return text if isinstance(value, str) and key not in WORDS | MEASURED else value


def tainted(text: str) -> RunRecord:
    """Evidence that says everything a report can show, with this text in each place that takes one."""
    document = planted(json.loads(WHOLE.stored), text)
    document["gates"][1]["context"]["broken"] = {"remedy": text, "stderr": text}
    return RunRecord(Evidence.from_document(document))


def ledger(text: str) -> dict[str, str]:
    """A ledger of one adoption, in which somebody wrote this text wherever text goes."""
    who = Identity("unverified", text, text)
    entry = Entry(1, None, "adopted", None, text, who, None, (), text, NOW, timedelta(minutes=10))
    return {"epoch-1": entry.bytes.decode(), "done-1": Done(1, entry.sha256, who, NOW).bytes.decode()}


def people(text: str) -> dict[str, list[str]]:
    """What commands show as lines, by command."""
    chain = read_chain(ledger(text))
    entry, policy = chain.entries[0], PromotionPolicy()
    current = chain.standing
    vote = Vote("reject", POLICY, text, None, text, NOW, Identity("ssh", text, text))
    ignored = (IgnoredVote(vote, "not_owner", text),)
    return {
        "history": History(text, NOW, chain, (), ((text, vote),), (text,)).lines,
        "history --at": PastProduction(text, NOW, chain, current, True, entry, entry, None, (vote,), (text,)).lines,
        "status": [
            line
            for _, lines in ModelStatus(text, NOW, policy, chain, current, {}, (text,), None).sections
            for line in lines
        ],
        "outcome": Outcome(text, entry, current, notes=(text,)).lines,
        "verify": [str(Discrepancy("x", text, text, text))],
        "waiting": missing_text({"owners": 1}, ignored, unread=(text,)).split("\n"),
    }


def printed(work: Callable[[], object]) -> str:
    """What work prints on stdout and stderr."""
    import click

    @click.command()
    def command() -> None:
        work()

    result = CliRunner().invoke(command, catch_exceptions=False)
    return result.output


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_lines_for_people_are_as_many_as_of_harmless_text(text: str) -> None:
    """A line end in a name, a reason or a note forges no row, and nothing in them is a command."""
    harmless = people("harmless")
    for name, lines in people(text).items():
        shown = printed(lambda lines=lines: output.show_lines(lines))
        assert len(shown.split("\n")) - 1 == len(harmless[name]), name
        assert not FORBIDDEN.search(shown), name
        assert not COMMAND.search(shown), name


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_documents_show_hostile_text_as_text(text: str) -> None:
    """Reports, the summary, the comment and annotations, each as its sink takes it."""
    record, tame = tainted(text), tainted("harmless")
    for name, form in FORMATS.items():
        document = form.render(record)
        assert not FORBIDDEN.search(document) or name == "json", name
        shown = printed(lambda document=document: output.show(document))
        assert not FORBIDDEN.search(shown)
        assert not COMMAND.search(shown)
    for summary in (FORMATS["md"].render, job_summary.render):
        without = re.sub(r"(?m)^ {6}.*\n", "", summary(record))  # what a model wrote last, in a block of its own
        assert without.count("\n") == re.sub(r"(?m)^ {6}.*\n", "", summary(tame)).count("\n")
        assert not re.search(r"<script|(?<!\\)!\[|@octocat", without)
    Xml.fromstring(FORMATS["junit"].render(record).encode())
    commands = annotations.render(record)
    assert commands.count("\n") == annotations.render(tame).count("\n")
    assert all(re.match(r"::(error|warning) ", line) for line in commands.splitlines())
    assert not FORBIDDEN.search(commands)


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_the_comment_and_notices_call_nobody(text: str) -> None:
    """And hold no sign that does something."""
    decision = SignoffDecision("refused", "x", text, remedy=text)
    status = comment_report.SignoffStatus(SignoffPolicy(), decision=decision, done=None)
    comment = comment_report.render(
        tainted(text), context=comment_report.CommentContext("<!-- lockgate:v1 1/2/x -->"), signoff=status
    )
    notice = Notice("promoted", "promoted", text, text, text, None, None, Identity("github", "1", text), text, NOW)

    for shown in (comment, notice.text, notice.to_json()["reason"]):
        assert not FORBIDDEN.search(shown)
    assert "@octocat" not in comment + notice.text
    assert "\n" not in notice.text


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_errors_and_the_log_of_a_step_are_text(text: str) -> None:
    """What a model, a server or a file wrote stands in their messages."""

    def fail(*_: object, **__: object) -> None:
        raise LockgateError(text, remedy=text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main.gate, "main", fail)
        shown = printed(lambda: main.run([]))
        patch.setattr(main.gate, "main", lambda *_, **__: {}[text])
        shown += printed(lambda: main.run([]))
    shown += printed(lambda: actions_runner.log(text))
    assert not FORBIDDEN.search(shown)
    assert not COMMAND.search(shown)

    runner = actions_runner.Runner(None, None)
    command = printed(lambda: runner.fail(LockgateError(text, remedy=text)))
    assert command.count("\n") == 1
    assert not FORBIDDEN.search(command)


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_the_screen_of_a_run_shows_text(text: str) -> None:
    """Gates, what blocks, and what a model wrote last."""

    def show() -> None:
        screen = Screen()
        for gate in tainted(text).evidence.gates:
            screen.show_gate(gate)
        screen.say(text)
        screen.show_run(tainted(text).evidence, Path("x"), observed=False)

    shown = printed(show)
    assert not FORBIDDEN.search(shown)
    assert not COMMAND.search(shown)


@examples(15)
@given(hostile)
@example("".join(ATTACKS))
def test_the_page_of_a_status_shows_text(text: str) -> None:
    """Whoever moved what, and what is wrong, on as many lines as of harmless text in a log."""

    def page(words: str) -> str:
        chain = read_chain(ledger(words))
        state = ModelStatus(words, NOW, PromotionPolicy(), chain, chain.standing, {}, (words,), None)
        medium = Medium(folds=False)
        return printed(
            lambda: output.show_page(
                status_page(state, Waiting(words, [(words, words)]), medium, commands=[(words, words)]).plain
            )
        )

    shown = page(text)
    assert not FORBIDDEN.search(shown)
    assert not COMMAND.search(shown)
    assert shown.count("\n") == page("harmless").count("\n")


@examples(15)
@given(st.dictionaries(hostile, hostile, max_size=2))
def test_json_stays_the_same_value(document: dict[str, str]) -> None:
    """And holds no sign that does something, on a terminal or in a log."""
    shown = printed(lambda: output.show_json(document))
    shown_raw = printed(lambda: output.show_encoded(json.dumps(document, ensure_ascii=False)))

    assert json.loads(shown) == json.loads(shown_raw) == document
    assert not FORBIDDEN.search(shown + shown_raw)
    assert not COMMAND.search(shown + shown_raw)


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31m", "a\u2028b", "a\u202eb", "a\tb", "\x00", "a\x9bb"])
def test_reasons_are_one_plain_line_at_the_door(text: str) -> None:
    """So that nothing else gets into what is signed and kept."""
    for door in (check_reason, require_reason):
        with pytest.raises(UsageError, match="one line"):
            door(text)
    assert check_reason("as discussed – ✅ ok") == "as discussed – ✅ ok"


def test_one_place_prints() -> None:
    """Beside the demo, whose words are its own, and what runs as a process of its own."""
    root = Path(lockgate.__file__).parent
    allowed = {"cli/output.py", "cli/commands/demo.py", "cli/console.py", "cli/__main__.py"}
    own = {"models/model_host.py", "models/isolation/launcher.py", "models/server/load_generator.py"}
    calls = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write")
    }

    assert calls - allowed - own == set()
    assert replace(CI, name="a\nb").__str__() == "a b (unverified)"
