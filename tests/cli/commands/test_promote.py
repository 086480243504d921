"""From approval to Production on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from helpers.desk import Desk
from helpers.hooks import Hook
from helpers.promoting import run_folder
from lockgate.cli.commands import adopt, promote, rollback, run
from lockgate.cli.commands.vote import approve, reject
from lockgate.errors import Refused, ServingFault, UsageError, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.run_folder import RunFolder, held, runs
from lockgate.pipeline.loader import load
from lockgate.promotion.promote import record_staging
from lockgate.runs.promotion_hooks import make_operator


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_approved_evidence_is_promoted(desk: Desk) -> None:
    """It waits for the vote, then moves; the votes go along into the registry."""
    about = desk.evaluate(desk.register())

    waiting = desk.gate(promote.command, about.digest).exception
    desk.gate(approve, about.digest, "--key", desk.key)
    ended = desk.gate(promote.command, about.digest)

    assert isinstance(waiting, Waiting)
    assert waiting.exit_code == 3
    assert ended.exit_code == 0, ended.exception
    assert ended.stdout.splitlines()[0].startswith(f"{desk.model} version 1 is Production since ")
    assert (
        ended.stdout.splitlines()[-1]
        == "which version answers your users was not checked; promotion.switch with a check does that"
    )
    assert desk.aliases == {"production": "1"}
    assert len(desk.models.registry.evidence(desk.model).votes(about.digest)) == 1


def test_a_vote_may_be_brought_along_as_two_files(desk: Desk) -> None:
    """As its owner wrote them with --out; a byte more, and it does not count."""
    about = desk.evaluate(desk.register())
    votes = desk.folder_of(about) / "votes"
    votes.mkdir()
    desk.gate(approve, about.digest, "--key", desk.key, "--out", votes / "olga.json")
    true = (votes / "olga.json").read_bytes()
    (votes / "olga.json").write_bytes(true.replace(b'"reason":""', b'"reason":"!"'))
    changed = desk.gate(promote.command, about.digest).exception
    (votes / "olga.json").write_bytes(true)
    ended = desk.gate(promote.command, about.digest)

    assert (votes / "olga.json.sig").is_file()
    assert isinstance(changed, Waiting)
    assert ended.exit_code == 0, ended.exception


def test_what_is_staged_is_meant_where_no_digest_is_named(desk: Desk) -> None:
    """By the ledger, whatever `.gate/latest` says; it is shown, and --json prints one document."""
    about = desk.evaluate(desk.register())
    newer = desk.evaluate(desk.register())
    RunFolder.new(desk.folder, newer.run_id)
    unnamed = desk.gate(promote.command).exception
    operator = make_operator(load(desk.pipeline, environ={}), environ={})
    record_staging(operator, about, folder=desk.folder_of(about))
    desk.gate(approve, about.digest, "--key", desk.key)

    ended = desk.gate(promote.command, "--json")

    assert isinstance(unnamed, UsageError)
    assert "no digest is named, and the ledger" in str(unnamed)
    assert f"this is about {about.digest[:19]}: version 1 of {desk.model}, in Staging since" in ended.stderr
    document = json.loads(ended.stdout)
    assert (document["production"], document["standby"], document["already"]) == ("1", None, False)
    assert document["entry"]["evidence"] == about.digest
    assert "which version answers your users was not checked; promotion.switch with a check does that" in ended.stderr


def test_evidence_of_another_machine_comes_from_the_registry(desk: Desk) -> None:
    """With its votes; the pipeline is the only one in gates/."""
    about = desk.evaluate(desk.register())
    from lockgate.promotion import publish as publishing

    publishing.publish(desk.models.registry, about, desk.folder_of(about), now=publishing.finished_at(about))
    desk.folder_of(about).rename(desk.folder / "gone")

    voted = desk.gate(approve, about.digest, "--key", desk.key)
    ended = desk.gate(promote.command, about.digest)

    assert (voted.exit_code, ended.exit_code) == (0, 0), (voted.exception, ended.exception)
    assert desk.aliases["production"] == "1"


def test_rejected_or_edited_is_refused(desk: Desk) -> None:
    """Each with its code."""
    version = desk.register()
    rejected, edited = desk.evaluate(version), desk.evaluate(version)
    desk.gate(reject, rejected.digest, "--key", desk.key, "--reason", "no")

    veto = desk.gate(promote.command, rejected.digest).exception
    desk.pipeline.write_text(desk.pipeline.read_text() + "description: changed\n")
    changed = desk.gate(promote.command, edited.digest).exception

    assert isinstance(veto, Refused)
    assert isinstance(changed, Refused)
    assert (veto.code, changed.code) == ("rejected", "policy_changed")
    assert "production" not in desk.aliases


def test_whoever_asked_is_told_afterwards_and_nothing_depends_on_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion and a rollback are told with who and why; a webhook that breaks is one line, and the exit code is 0."""
    desk.write('notify: [{webhook: "${HOOK}", on: [promoted, rolled_back]}]\n')
    hook = Hook()
    monkeypatch.setenv("HOOK", f"{hook.url}/t0ken")
    monkeypatch.setenv("BUILD_URL", "https://ci.example.org/7/")
    monkeypatch.setattr("lockgate.integrations.webhooks.time.sleep", lambda _: None)
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    promoted = desk.gate(promote.command, about.digest)
    again = desk.gate(promote.command, about.digest)
    hook.answers = [404]
    back = desk.gate(rollback.command, desk.model, "--reason", "stalls")
    hook.close()

    assert [ended.exit_code for ended in (promoted, again, back)] == [0, 0, 0]
    assert [(told["event"], told["version"], told["from"]) for told in hook.told] == [
        ("promoted", "2", "1"),
        ("rolled_back", "1", "2"),
    ]
    assert hook.told[0]["verdict"] == "pass"
    assert hook.told[0]["links"] == {"run": "https://ci.example.org/7/"}
    assert hook.told[1]["reason"] == "stalls"
    assert promoted.stderr == ""
    assert back.stderr == "gate: not notified of rolled_back: 127.0.0.1 answered 404\n"


def test_sign_off_is_asked_for_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a run is staged, and not again when it is resumed; nobody is where nothing opens, or it is Production already."""
    hook = Hook()
    monkeypatch.setenv("HOOK", hook.url)
    notify = 'notify: [{webhook: "${HOOK}", on: [waiting]}]\n'
    desk.write(notify)
    desk.pipeline.write_text(
        desk.pipeline.read_text().replace("gate: metadata", "gate: metadata\n    require: [requirements >= 0]")
    )
    desk.register()
    staged, resumed = desk.gate(run.command, "--stage"), desk.gate(run.command, "--stage", "--resume")
    approved, promoted = desk.gate(approve, "--key", desk.key), desk.gate(promote.command)
    staying = desk.gate(run.command, "--stage")
    desk.write(notify)
    failed = desk.gate(run.command, "--stage")
    hook.close()

    assert [ended.exception for ended in (staged, resumed, approved, promoted, staying, failed)] == [None] * 6
    assert "next " not in staying.stderr
    assert [(told["event"], told["model"], told["version"]) for told in hook.told] == [("waiting", desk.model, "1")]
    assert hook.told[0]["digest"].startswith("sha256:")


def test_a_run_is_not_taken_up_by_two_at_once(desk: Desk) -> None:
    """The second leaves everything as it is, whatever `state.json` says of the first."""
    desk.pipeline.write_text(
        desk.pipeline.read_text().replace("gate: metadata", "gate: metadata\n    require: [requirements >= 0]")
    )
    desk.register()
    first = desk.gate(run.command)
    with held(runs(desk.pipeline.parents[1])[0].path):
        second = desk.gate(run.command, "--resume")
    third = desk.gate(run.command, "--resume")

    assert (first.exception, third.exception) == (None, None)
    assert "is still running" in str(second.exception)


SWITCH = """\
promotion:
  switch: {{run: ["{python}", switch.py]}}
"""


def test_serving_is_turned_over_by_the_pipelines_command(desk: Desk) -> None:
    """For a promotion and for a rollback; one that fails ends with 4 and can be finished by the same command."""
    (desk.folder / "switch.py").write_text(
        "import os, sys\nfrom pathlib import Path\n"
        "with Path('served').open('a') as served:\n"
        "    served.write(' '.join(os.environ['LOCKGATE_' + name] for name in ('KIND', 'FROM', 'VERSION')) + '\\n')\n"
        "sys.exit(Path('broken').exists())\n"
    )
    desk.write(SWITCH.format(python=sys.executable))
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    (desk.folder / "broken").touch()
    failed = desk.gate(promote.command, about.digest).exception
    (desk.folder / "broken").unlink()

    finished = desk.gate(promote.command, about.digest)
    back = desk.gate(rollback.command, desk.model, "--reason", "stalls")

    assert isinstance(failed, ServingFault)
    assert failed.exit_code == 4
    assert finished.stdout.startswith("finished what was left: revision 2 (epoch 2, version 2 promoted by ")
    assert back.stdout.splitlines()[-1] == f"traffic was switched by {sys.executable}; what answers was not checked"
    assert (desk.folder / "served").read_text() == "promoted 1 2\npromoted 1 2\nrolled_back 2 1\n"


def test_a_proof_is_made_in_one_job_and_used_in_another(desk: Desk) -> None:
    """The first moves nothing, the second asks nothing."""
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)

    proven = desk.gate(promote.command, about.digest, "--prove-only", "proof.json")
    aliases, asked = desk.aliases, list(desk.asked)
    ended = desk.gate(promote.command, about.digest, "--proof", "proof.json")

    assert proven.stdout.startswith("version 1 answered 1 rows; gate promote sha256:"), proven.exception
    assert (aliases["production"], asked, desk.asked) == ("1", ["1"], ["1"])
    assert ended.exit_code == 0, ended.exception
    assert "the rollback was proven by " in ended.stdout


def test_a_waived_way_back_is_not_asked_by_the_job_that_proves(desk: Desk) -> None:
    """What it asks again is in the proof all the same, and both jobs are content."""
    desk.write('promotion: {way_back: "waived: its wheel is gone, until 2099-12-31"}\n')
    first, second = desk.register(), desk.register()
    desk.gate(adopt.command, desk.model, "--version", 1, "--reason", "it runs")
    about = desk.evaluate(second, champion=first)
    desk.gate(approve, about.digest, "--key", desk.key)
    proven = desk.gate(promote.command, about.digest, "--prove-only", "proof.json", "--repeat")
    ended = desk.gate(promote.command, about.digest, "--proof", "proof.json", "--repeat")

    assert proven.stdout.startswith(
        "the rollback was not proven, because the proof is waived: its wheel is gone, until 2099-12-31; "
    )
    assert "re-run, with the same result: metadata" in proven.stdout
    assert (ended.exit_code, desk.asked, desk.aliases["production"]) == (0, [], "2"), ended.exception


def test_other_files_are_no_proof(desk: Desk) -> None:
    """Wrong usage, with the command that makes one."""
    about = desk.evaluate(desk.register())
    (desk.folder / "proof.json").write_text("{}")

    both = desk.gate(promote.command, about.digest, "--proof", "proof.json", "--prove-only", "x").exception
    other = desk.gate(promote.command, about.digest, "--proof", "proof.json").exception
    absent = desk.gate(promote.command, about.digest, "--proof", "absent.json").exception

    assert [isinstance(one, UsageError) for one in (both, other, absent)] == [True] * 3, (both, other, absent)
    assert "proof.json is no rollback proof" in str(other)
    assert not (desk.folder / "x").exists()


def test_evidence_that_is_not_whole_is_neither_approved_nor_promoted(desk: Desk) -> None:
    """A run of this pipeline leaves every gate, and one finding of each line at least."""
    about = desk.evaluate(desk.register())
    document = json.loads(about.stored)
    document["gates"][0]["findings"].pop()
    forged = Evidence.from_document(document)
    run_folder(forged, desk.folder / ".gate" / "runs" / "forged")

    for command in (approve, promote.command):
        more = ("--key", desk.key) if command is approve else ()
        error = desk.gate(command, forged.digest, *more).exception
        assert isinstance(error, Refused)
        assert error.code == "incomplete"
    assert desk.aliases == {}


def test_evidence_does_not_choose_the_pipeline_that_judges_it(desk: Desk) -> None:
    """A file that it names is not looked at; of two pipelines of one model somebody names the one that is meant."""
    weak = desk.folder / "weak.yaml"
    text = desk.pipeline.read_text()
    weak.write_text(text.replace("owners: 1", "owners: 0"))
    document = json.loads(desk.evaluate(desk.register()).stored)
    document["policy"] |= {"files": [{"path": "weak.yaml"}], "sha256": load(weak, environ={}).policy_digest}
    forged = Evidence.from_document(document)
    run_folder(forged, desk.folder / ".gate" / "runs" / "forged")

    error = desk.gate(promote.command, forged.digest).exception
    assert isinstance(error, Refused)
    assert error.code == "policy_changed"
    (desk.folder / "gates" / "weak.yaml").write_text(weak.read_text())
    several = desk.gate(promote.command, forged.digest).exception
    assert isinstance(several, UsageError)
    assert "several pipelines name" in str(several)
    assert desk.aliases == {}
