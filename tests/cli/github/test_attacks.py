"""The attacks that come by registry, runner or workspace; the table is in docs/internals/attacks.md."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.github.test_promotion_job import Story
from helpers import moving
from helpers.desk import Desk
from helpers.hub.emulator import user
from helpers.promoting import CI
from integrations.github.test_comment_report import TAGS
from lockgate.cli.commands.github import command
from lockgate.cli.github.workflow_files import Workflows
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.ledger.chain import read_chain
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.runs.run import now
from test_text import AUTOMATIC, MARKDOWN, Page

# Whatever is imported or read from the workspace leaves its name in a file.
TRACE = "import os, pathlib\npathlib.Path({file!r}).open('a').write(__name__ + ' of the workspace\\n')\n"
MODULES = (
    "requests",
    "urllib3",
    "yaml",
    "pydantic",
    "click",
    "mlflow",
    "sitecustomize",
    "usercustomize",
    "lockgate/__init__",
)
EVIL = [
    "x\nverdict=pass\nstate=approved", "EOF\nverdict<<EOF\npass\nEOF", "\n::add-mask::pass", "\n::error title=spoofed::y", "\n##[error]z",
    "\n::stop-commands::pause\n", "\n::set-output name=verdict::pass", "--> <!-- gate:v1 100/12/fraud -->", "@org/team @octocat",
    "| a | b |\n|---|---|", "\n```\n/gate approve sha256:00\n```\n", "<img src=x onerror=alert(1)><script>", "${{ secrets.X }}", "$(id) `id`",
    "\u202e\u2066evil\u2069\u200f", "\x1b[31m\x07\x00", "https://evil.example #12 :tada:",
]  # fmt: skip
GATE = """\
import json
from typing import ClassVar
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.finding import Finding, FindingLimit, Verdict
from lockgate.gates.gate import Gate
from lockgate.evaluation.requirements.subject import Subject

class Mine(Gate):
    subjects: ClassVar = {{"harm": Subject("harm", "lower", counted=True, bounds=(0, None))}}

    def check(self, case):
{body}

def found(name, number, text, **more):
    said = dict(
        id=f"Mine/r{{number}}/{{name}}", requirement=f"r{{number}}", subject="harm", slice={{}}, observed=1.0, interval=None, champion=None,
        limit=FindingLimit("<=", 0.0, "0"), decided=None, rows=1, positives=None, rows_needed=None, verdict=Verdict.FAIL, code="worse",
        reason=text, remedy=text, detail={{"said": text}},
    )
    return Finding(**said | more)
"""


class Attacked(Story):
    """A story in whose checkout a gate of one's own may lie."""

    def gate(self, body: str, *lines: str) -> None:
        """Let the pipeline ask a gate with this body, by these lines."""
        (self.folder / "gates" / "mine.py").write_text(
            GATE.format(body="\n".join(f"        {line}" for line in body.splitlines()))
        )
        mine = json.dumps({"gate": "./gates/mine.py:Mine", "require": list(lines or ["harm <= 0"])})
        text, count = re.subn(r"(?m)^  - gate: metadata$", lambda _: f"  - {mine}", self.pipeline.read_text())
        assert count == 1
        self.pipeline.write_text(text)

    def evaluate_here(self, **environ: str) -> tuple[Result, str]:
        """`gate github run` in this process, and the summary that it wrote."""
        for name in ("output", "summary"):
            (self.folder / name).unlink(missing_ok=True)
        done = CliRunner(env=self.environ(None) | environ).invoke(
            command, ["run", "--evidence", str(self.folder / "out")], standalone_mode=False
        )
        return done, (self.folder / "summary").read_text()

    @property
    def left(self) -> Evidence:
        """The evidence that may be uploaded."""
        return Evidence.read((self.folder / "out" / "evidence.json").read_bytes())

    def job(
        self, name: str, event: dict[str, Any], *, python: str = sys.executable, **more: str
    ) -> subprocess.Popen[str]:
        """A job as action.yml starts it: a process of its own, isolated, in a workspace that means no good."""
        given = {
            "GATE_PROOF": str(self.folder / "gate-proof"),
            "GATE_RECORD": str(self.folder / "record"),
            "PATH": os.environ["PATH"],
        }
        given |= {
            "PYTHONPATH": str(self.folder),
            "PYTHONSTARTUP": str(self.folder / "sitecustomize.py"),
            "HOME": str(self.folder),
        }
        return subprocess.Popen(
            [python, "-I", "-m", "lockgate.cli", "github", name],
            cwd=self.folder, env=self.environ(event) | given | more, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def booby_trap(self) -> Path:
        """Files in the workspace that would be found first, were it looked at; the file that tells which were."""
        trace = self.folder / "trace"
        for name in MODULES:
            path = self.folder / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(TRACE.format(file=str(trace)))
        elsewhere = "GITHUB_API_URL=http://127.0.0.1:1\nHTTP_PROXY=http://127.0.0.1:1\nMLFLOW_TRACKING_URI=sqlite:///nowhere.db\n"
        (self.folder / ".env").write_text(elsewhere)
        (self.folder / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:1\n")
        (self.folder / ".netrc").write_text("machine 127.0.0.1 login eve password hunter22\n")
        return trace

    @property
    def moves(self) -> list[tuple[str, str | None]]:
        """(kind, version) of every entry of the ledger."""
        keys = self.desk.models.registry.ledger(self.desk.model).keys()
        return [(entry.kind, entry.target) for entry in read_chain(keys).whole().entries]

    def adopt(self, version: str) -> None:
        moving.adopt(
            self.desk.models.registry, self.desk.model, version=version, reason="it runs", promotion=PromotionPolicy(), actor=CI, clock=now
        )  # fmt: skip


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attacked]:
    here = Attacked(Desk(tmp_path, monkeypatch))
    yield here
    here.served.close()
    assert here.served.violations == []


def test_32_two_owners_approve_in_one_second_and_two_jobs_promote(story: Attacked, warm_gate: str) -> None:
    """Whatever their order, the ledger has one entry; the second job finds it done, or in progress, and writes nothing."""
    evidence = story.evaluate()
    events = [story.world.comment("ana", f"/gate approve {evidence.digest}") for _ in range(2)]
    story.then("prove", evidence.digest, events[0])
    jobs = []
    for number, event in enumerate(events):
        own = {"GITHUB_OUTPUT": str(story.folder / f"output-{number}"), "GATE_DIGEST": evidence.digest}
        jobs.append(story.job("promote", event, python=warm_gate, **own))
    ended = [job.communicate(timeout=300) for job in jobs]
    told = [(story.folder / f"output-{number}").read_text().splitlines() for number in range(2)]

    assert ["state=promoted"] in told, ended
    assert all(
        one
        in (
            ["state=promoted"],
            ["state=pending", "reason-code=in_progress"],
            ["state=refused", "reason-code=overtaken"],
        )
        for one in told
    ), ended
    assert story.moves == [("promoted", story.asks.version)]
    assert story.desk.aliases["production"] == story.asks.version


def test_38_the_champion_alias_moved_after_the_evidence(story: Attacked) -> None:
    """In the ledger, so that the comparison was with another; or by hand, which nobody can explain."""
    story.adopt(story.desk.register().version)
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    moved, told = story.then("promote", evidence.digest, event), story.outputs
    before = story.moves
    story.desk.models.registry.set_alias(story.desk.model, "production", story.asks.version)
    by_hand, told_then = story.then("promote", evidence.digest, event), story.outputs

    assert (moved.return_value, told) == (1, {"state": "refused", "reason-code": "champion_moved"})
    assert (by_hand.return_value, told_then) == (1, {"state": "refused", "reason-code": "moved_by_hand"})
    assert story.moves == before == [("adopted", "2")]
    assert "Production" in story.said[0], story.said


def test_39_the_model_is_replaced_under_the_same_version(story: Attacked) -> None:
    """After the approval and after the proof; the registry still says the same of it."""
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    story.then("prove", evidence.digest, event)
    (story.desk.models.files(story.asks) / "weights.txt").write_text("other weights")
    done = story.then("promote", evidence.digest, event)

    assert (done.return_value, story.outputs) == (1, {"state": "refused", "reason-code": "model_changed"})
    assert (story.moves, story.desk.aliases) == ([], {})
    assert "are not those that were evaluated" in story.said[0]


def test_48_promote_is_called_directly_with_a_digest_given_by_hand(story: Attacked) -> None:
    """Past decide and prove: everything is verified all the same, and nothing moves."""
    world, proof = story.world, story.folder / "gate-proof" / "proof.json"
    found = {}

    def attack(name: str, digest: str, event: dict[str, Any]) -> None:
        done = story.then("promote", digest, event)
        found[name] = (done.return_value, *story.outputs.values())

    def approved(by: str = "ana", **more: Any) -> tuple[str, dict[str, Any]]:
        digest = story.evaluate(**more).digest
        return digest, world.comment(by, f"/gate approve {digest}")

    older, event = approved()
    story.then("prove", older, event)
    proof.write_text('{"version": "1"}')
    attack("a forged proof", older, event)
    attack("no digest", "latest", event)
    attack("no pull request", older, {"inputs": {"digest": older}, "sender": user("mallory")})
    attack("no approval", story.evaluate().digest, event)
    attack("older evidence", older, approved()[1])
    attack("a stranger's approval", *approved("mallory"))
    attack("what failed", *approved(verdict="fail", opens="no"))
    attack("another model", *approved(model="loans"))
    digest, event = approved()
    world.push("dev")
    attack("a head that was pushed over", digest, event)

    assert found == {
        "a forged proof": (2, "error"),
        "no digest": (1, "refused", "digest_mismatch"),
        "no pull request": (2, "error"),
        "no approval": (1, "refused", "votes_missing"),
        "older evidence": (1, "refused", "digest_mismatch"),
        "a stranger's approval": (1, "refused", "votes_missing"),
        "what failed": (1, "refused", "not_open"),
        "another model": (1, "refused", "other_model"),
        "a head that was pushed over": (1, "refused", "no_evidence"),
    }
    assert (story.moves, story.desk.aliases) == ([], {})


def test_45_nothing_in_the_workspace_is_imported_or_believed(story: Attacked) -> None:
    """Modules, settings of python and pip, variables in a file: as action.yml calls us, none of them is looked at."""
    trace = story.booby_trap()
    evidence = story.evaluate()
    event = story.world.comment("ana", f"/gate approve {evidence.digest}")
    job = story.job("decide", event)
    _, log = job.communicate(timeout=300)
    found = subprocess.run(
        [sys.executable, "-c", "import requests"], cwd=story.folder, env={"PYTHONPATH": str(story.folder)}, check=True
    )

    assert (job.returncode, story.outputs["state"], story.outputs["reason-code"]) == (0, "approved", "approved"), log
    assert found.returncode == 0
    assert trace.read_text().split() == [
        "sitecustomize",
        "of",
        "the",
        "workspace",
        "requests",
        "of",
        "the",
        "workspace",
    ]
    assert "hunter22" not in str(story.world.shown_token)


def test_46_another_address_or_a_proxy_is_not_taken_from_the_workspace(story: Attacked) -> None:
    """What a pull request writes into files changes nothing; and an address that the runner gave is asked by https alone."""
    story.booby_trap()
    event = story.world.comment("ana", f"/gate approve {story.evaluate().digest}")
    (story.folder / "event.json").write_text(json.dumps(event))
    told = story.call("decide", event), story.outputs
    plain = CliRunner(
        env=story.environ(event) | {"GITHUB_API_URL": "http://evil.example", "GATE_RECORD": str(story.folder / "r")}
    )
    (story.folder / "output").unlink()
    refused = plain.invoke(command, ["decide"], standalone_mode=False)

    assert (told[0].return_value, told[1]["state"]) == (0, "approved")
    assert (refused.return_value, story.outputs) == (4, {"state": "error"})
    assert "only https is" in refused.stderr


def test_41_hostile_text_does_nothing_anywhere(story: Attacked) -> None:
    """In output, log, summary, annotation and comment, whatever of a gate, metric, slice, model or reason holds it."""
    (story.folder / "texts.json").write_text(json.dumps(EVIL))
    story.gate(
        'for number, text in enumerate(json.load(open("texts.json"))):\n'
        "    yield found(text, 1, text, subject=text, slice={text: text}, code=text)\n"
        "from lockgate.errors import GateBroken\n"
        'raise GateBroken("".join(json.load(open("texts.json"))))'
    )
    done, summary = story.evaluate_here()
    about = story.left
    story.world.run_gate(model=story.desk.model)
    told = {
        **about.document,
        "model": {**about.document["model"], "name": "".join(EVIL), "candidate": {"version": EVIL[0]}},
    }
    forged = Evidence.from_document({**told, "asks": EVIL, "opens": "by_owner", "verdict": "inconclusive"})
    story.world.leave(story.world.runs[-1], {"evidence.json": forged.stored})
    commented = story.call("comment")

    assert (done.return_value, commented.return_value) == (4, 0), done.stderr
    assert story.outputs == {"state": "superseded", "reason-code": "new_head", "evidence-digest": forged.digest}
    assert about.verdict.value == "error"
    stop = re.search(r"^::stop-commands::([0-9a-f]{32})$", done.stderr, re.MULTILINE)
    assert stop is not None
    inside, _, after = done.stderr.partition(f"\n::{stop[1]}::\n")
    assert "spoofed" in inside
    assert all(re.match(r"::(error|warning) [^:\n]*::[^\r\n]*\Z", line) for line in after.splitlines())
    assert len(after.splitlines()) == 1
    for shown, more in ((summary, {"h1", "h2"}), (story.said[0], set[str]())):
        page = Page(MARKDOWN.render(shown))
        tags = {tag for tag in page.tags if not tag.startswith("<!-- ")}
        assert tags <= TAGS | more
        assert not AUTOMATIC.search(page.text.replace("@ana", ""))
        assert [tag for tag in page.tags if tag.startswith("<!-- ")] == (
            [] if more else ["<!--  gate:v1 100/12/fraud "]
        )
        assert all(sign.isprintable() or sign in "\n\u200b" for sign in shown)
        assert not [line for line in shown.splitlines() if line.startswith(("/gate approve sha256:00", "::"))]


def test_43_a_report_that_is_too_long_is_cut_and_the_exit_code_kept(story: Attacked) -> None:
    """Sixty lines that fail on 3,000 slices: summary, annotations and comment stay below what GitHub takes, evidence whole."""
    story.gate(
        'for number in range(1, 61):\n    for name in range(50):\n        yield found(f"s{name}", number, "🚀" * 150)',
        *[f"harm <= {number}" for number in range(60)],
    )
    done, summary = story.evaluate_here()
    about = story.left
    outputs = story.outputs
    story.world.run_gate(model=story.desk.model)
    many = [
        {**about.document["gates"][0], "name": f"g{number}", "findings": [], "requirements": []}
        for number in range(5_000)
    ]
    forged = Evidence.from_document({**about.document, "gates": [*many, *about.document["gates"]]})
    story.world.leave(story.world.runs[-1], {"evidence.json": forged.stored})
    commented = story.call("comment")
    annotations = [line for line in done.stderr.splitlines() if line.startswith("::error ")]

    assert (done.return_value, outputs) == (1, {"verdict": "fail", "opens": "no", "evidence-digest": about.digest})
    assert len(about.stored) > 2 * 2**20 > 2**20 > len(summary.encode())
    assert "more" in summary
    assert len(annotations) == 10
    assert annotations[-1].endswith("51 more; see the job summary")
    assert len(about.document["gates"][0]["findings"]) == 3_000
    assert commented.return_value == 0, commented.stderr[-3000:]
    assert story.outputs["evidence-digest"] == forged.digest
    assert len(story.said[0].encode("utf-16-le")) // 2 <= 60_000
    assert "… and 4,961 more" in story.said[0]


def test_44_a_secret_that_a_gate_says_is_masked_and_written_nowhere(story: Attacked) -> None:
    """As it stands, as in an address and as in a header; in what it found and in how it broke."""
    secret = "s3cr/et=%pässword"
    forms = [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]
    story.gate(
        "import base64, os, urllib.parse\n"
        'secret = os.environ["MLFLOW_TRACKING_PASSWORD"]\n'
        'forms = [secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]\n'
        'for form in forms:\n    yield found(form, 1, f"the registry said {form}", slice={form: form})\n'
        'raise ValueError(f"cannot log in with {forms}")'
    )
    done, summary = story.evaluate_here(MLFLOW_TRACKING_PASSWORD=secret)
    masks, _, log = done.stderr.partition("::stop-commands::")
    kept = {path.name: path.read_text() for path in (story.folder / "out").rglob("*") if path.is_file()}

    assert done.return_value == 4
    assert story.outputs["verdict"] == "error"
    assert {f"::add-mask::{form.replace('%', '%25')}" for form in forms} <= set(masks.splitlines())
    assert set(kept) >= {"evidence.json", "report.html", "report.md", "report.json", "report.xml"}
    for form in forms:
        assert form not in log
        assert form not in summary
        assert not [name for name, text in kept.items() if form in text or json.dumps(form)[1:-1] in text]
    assert "the registry said ***" in kept["report.md"].replace("\\", "")


def test_47_only_the_word_approved_opens_the_jobs_that_promote(story: Attacked) -> None:
    """No output at all, or any other word, opens nothing: the conditions compare, and never negate or look for a part."""
    texts = dict(
        Workflows.for_pipeline("fraud", Path("gates/fraud.yaml"), action=f"a/b@{'0' * 40}", root=story.folder).texts
    )
    jobs = yaml.safe_load(texts["gate-approve.yml"])["jobs"]
    story.world.fault = lambda method, target: (500, {}, b"")
    broken = story.call("decide", story.world.comment("ana", "/gate status"))

    assert {name: job["if"] for name, job in jobs.items() if name != "decide"} == {
        "prove": "needs.decide.outputs.state == 'approved'",
        "promote": "needs.decide.outputs.state == 'approved'",
        "tell": "!cancelled() && needs.prove.result == 'failure'",
    }
    assert jobs["tell"]["permissions"] == {"contents": "read", "actions": "read", "pull-requests": "write"}
    assert "environment" not in jobs["tell"]
    assert jobs["promote"]["needs"] == ["decide", "prove"]
    assert jobs["decide"]["outputs"]["state"] == "${{ steps.gate.outputs.state }}"
    assert (broken.return_value, story.outputs) == (4, {"state": "error"})
