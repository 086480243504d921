"""What a command is about: the project around a subfolder, a pipeline that cannot be read, a short digest, what is staged."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from helpers.desk import PIPELINE, Desk
from helpers.promoting import ssh_key
from lockgate.cli.commands import (
    adopt,
    check,
    explain,
    history,
    promote,
    reevaluate,
    report,
    rollback,
    run,
    status,
    verify,
)
from lockgate.cli.commands.vote import approve, reject
from lockgate.errors import PipelineError, Refused, RegistryError, UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.pipeline.loader import load
from lockgate.promotion import publish as publishing
from lockgate.promotion.promote import record_staging
from lockgate.runs.promotion_hooks import make_operator
from lockgate.signoff import ssh
from lockgate.signoff.vote import Vote


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def stage(desk: Desk, about: Evidence, pipeline: Path | None = None) -> None:
    operator = make_operator(load(pipeline or desk.pipeline, environ={}), environ={})
    record_staging(operator, about, folder=desk.folder_of(about))


def votes(desk: Desk, about: Evidence) -> list[tuple[str, str]]:
    found = [Vote.read(vote) for vote, _ in ssh.stored_votes(desk.folder_of(about) / "votes")]
    return [(vote.verb, vote.digest) for vote in found]


def test_published_evidence_is_explained_and_judged_anew_where_its_run_is_not(desk: Desk) -> None:
    """From the registry alone, as whoever asks has none of the runs."""
    about = desk.evaluate(desk.register())
    stage(desk, about)
    shutil.rmtree(desk.folder / ".gate")

    explained = desk.gate(explain.command, about.digest[:19])
    again = desk.gate(reevaluate.command, "--pipeline", desk.pipeline)

    assert "version 1 passes its only gate\nPASS  metadata " in explained.stdout, explained.exception
    assert again.stdout.startswith(f"1 run of {desk.model} under {desk.pipeline}\n     1  would pass\n"), (
        again.exception
    )


@pytest.mark.parametrize("with_git", [True, False])
def test_a_command_finds_the_project_from_a_subfolder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    """The registry of its pipeline, and its runs, too; a folder `gates` without pipelines is none of it."""
    about = desk.evaluate(desk.register())
    if not with_git:
        (desk.folder / ".git").rmdir()
    (desk.folder / "src" / "deep" / "gates").mkdir(parents=True)
    monkeypatch.chdir(desk.folder / "src" / "deep")

    checked = desk.gate(check.command)
    approved = desk.gate(approve, about.digest, "--key", desk.key)
    promoted = desk.gate(promote.command, about.digest)
    shown = [desk.gate(command, desk.model) for command in (status.command, history.command, verify.command)]
    told = desk.gate(report.command, about.digest)

    assert checked.stdout == "../../gates/fraud.yaml: ok (1 gate, 5 requirements)\n", checked.exception
    for ended in (approved, promoted, *shown, told):
        assert ended.exit_code == 0, ended.exception
    assert desk.aliases["production"] == "1"
    assert [path.name for path in (desk.folder / "src" / "deep").iterdir()] == ["gates"]


def test_the_nearest_project_is_meant(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a repository of several; each has its own pipelines, and one checkout has the runs of all."""
    about = desk.evaluate(desk.register())
    inner = desk.folder / "fraud"
    (inner / "gates").mkdir(parents=True)
    desk.pipeline.rename(inner / "gates" / "fraud.yaml")
    (inner / "src").mkdir()
    monkeypatch.chdir(inner / "src")

    assert desk.gate(approve, about.digest, "--key", desk.key).exit_code == 0
    assert votes(desk, about) == [("approve", about.digest)]


def test_a_project_without_pipelines_is_told_as_such(desk: Desk) -> None:
    """Not that none of them is meant; of several an example shows how one is named."""
    about = desk.evaluate(desk.register())
    (desk.folder / "gates" / "z.yaml").write_text(desk.pipeline.read_text())
    several = str(desk.gate(run.command).exception)
    for path in (desk.folder / "gates").iterdir():
        path.unlink()

    assert (
        "gates/ holds several pipelines: gates/fraud.yaml, gates/z.yaml; name one of them, like gates/fraud.yaml"
        in several
    )
    for command, *more in ((approve, "--key", desk.key), (promote.command,)):
        assert "there is no pipeline in gates/; name" in str(desk.gate(command, about.digest, *more).exception)


@pytest.mark.parametrize("broken", ["model: {model}\ntask: binari\n", "model: {model} # it\n  - [", "gates: [\n"])
def test_a_pipeline_that_cannot_be_read_is_told_as_such(desk: Desk, broken: str) -> None:
    """With file, line and column, and exit 2, by every command that looks for one."""
    about = desk.evaluate(desk.register())
    desk.pipeline.write_text(broken.replace("{model}", desk.model))
    model, reason, key = desk.model, ("--reason", "r"), ("--key", desk.key)

    calls = [
        (status.command, model), (history.command, model), (verify.command, model), (rollback.command, model, *reason),
        (adopt.command, model, "--version", 1, *reason), (approve, about.digest, *key), (reject, about.digest, *key),
        (approve, *key), (promote.command, about.digest), (promote.command,), (report.command, "a" * 64),
    ]  # fmt: skip
    for command, *arguments in calls:
        error = desk.gate(command, *arguments).exception
        assert isinstance(error, PipelineError), (command.name, error)
        assert "gates/fraud.yaml:" in error.complaints[0]


def test_the_broken_pipeline_of_another_model_is_in_nobodys_way(desk: Desk) -> None:
    """Of the same model it is told even where another one can be read."""
    other = desk.folder / "gates" / "other.yaml"
    for broken, exit_code in (
        ("model: churn\ntask: x\n", 0), ("model: 'churn'\n [", 0), ("[", 0), (f'model: "{desk.model}"\n [', None),
    ):  # fmt: skip
        other.write_text(broken)
        ended = desk.gate(status.command, desk.model)
        if exit_code is None:
            assert isinstance(ended.exception, PipelineError)
        else:
            assert ended.exit_code == exit_code, ended.exception


def test_a_digest_may_be_shortened_where_it_is_unique(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its algorithm or without, here or in the registry; the whole one is shown and signed."""
    about, hidden = desk.evaluate(desk.register()), desk.evaluate(desk.register())
    publishing.publish(desk.models.registry, hidden, desk.folder_of(hidden), now=publishing.finished_at(hidden))
    desk.folder_of(hidden).rename(desk.folder / "gone")
    short, bare = about.digest[: 7 + 12], hidden.digest[7 : 7 + 20]

    approved = desk.gate(approve, short, "--key", desk.key)
    elsewhere = desk.gate(approve, bare, "--key", desk.key)
    told = [desk.gate(report.command, short, "--format", "json"), desk.gate(report.command, bare, "--format", "json")]
    promoted = desk.gate(promote.command, short)

    assert approved.stdout.splitlines()[0] == f"alice@example.org approves {about.digest}", approved.exception
    assert elsewhere.stdout.splitlines()[0] == f"alice@example.org approves {hidden.digest}", elsewhere.exception
    assert votes(desk, about) == [("approve", about.digest)]
    assert [about.run_id in told[0].stdout, hidden.run_id in told[1].stdout] == [True, True], told
    assert promoted.exit_code == 0, promoted.exception
    assert desk.aliases["production"] == "1"


def test_a_digest_that_is_short_ambiguous_or_nobodys_is_wrong_usage(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with a sentence; of several the candidates are listed."""
    version = desk.register()
    pairs: dict[str, list[Evidence]] = {}
    while not any(len(alike) == 2 for alike in pairs.values()):
        about = desk.evaluate(version)
        pairs.setdefault(about.digest[7], []).append(about)
    digit, (here, elsewhere) = next((digit, alike) for digit, alike in pairs.items() if len(alike) == 2)

    def refused(digest: str) -> str:
        error = desk.gate(approve, digest, "--key", desk.key).exception
        assert isinstance(error, UsageError), error
        return str(error)

    assert "is too short for a digest; write the first 12" in refused(here.digest[: 7 + 11])
    assert "is no digest" in refused(here.digest[: 7 + 12].upper())
    assert "is no digest" in refused(here.digest + "0")
    assert "no evidence has a digest that begins with sha256:" in refused("0" * 12)
    monkeypatch.setattr("lockgate.cli.evidence_lookup.SHORTEST", 1)
    both = refused(digit)
    publishing.publish(
        desk.models.registry, elsewhere, desk.folder_of(elsewhere), now=publishing.finished_at(elsewhere)
    )
    desk.folder_of(elsewhere).rename(desk.folder / "gone")
    for said in (both, refused(digit)):
        assert f"several digests begin with sha256:{digit}:" in said
        assert here.digest in said
        assert elsewhere.digest in said


def test_where_nothing_is_staged_the_last_run_is_named_and_why_it_staged_nothing(desk: Desk) -> None:
    """By approve, promote and status alike; what became Production is no longer spoken of."""
    version = desk.register()
    failed = desk.evaluate(version, verdict="fail", opens="no")

    refused = [str(desk.gate(command).exception) for command in (approve, promote.command)]
    shown = " ".join(desk.gate(status.command).stdout.split())
    shutil.rmtree(desk.folder_of(failed))  # of two in one second either may be the last
    passed = desk.evaluate(version)
    unstaged = str(desk.gate(approve).exception)
    desk.gate(approve, passed.digest, "--key", desk.key)
    desk.gate(promote.command, passed.digest)
    after = desk.gate(status.command).stdout

    reason = f"the last run ({failed.run_id}) staged nothing: {desk.model} version 1 does not pass"
    assert all(f"has nothing in Staging: {reason}" in each for each in refused), refused
    assert f"Staging nothing {reason}" in shown
    assert "gate run --resume --stage" in unstaged
    assert "last run" not in after


def test_without_a_digest_what_is_staged_is_signed_and_shown(desk: Desk) -> None:
    """Model, version, verdict and digest; where nothing is staged, nothing is."""
    about = desk.evaluate(desk.register())
    desk.evaluate(desk.register())
    nothing = [desk.gate(command, "--key", desk.key).exception for command in (approve, reject)]
    stage(desk, about)

    signed = [desk.gate(command, "--key", desk.key) for command in (approve, reject)]

    for error in nothing:
        assert isinstance(error, UsageError)
        assert f"no digest is named, and the ledger of {desk.model} has nothing in Staging" in str(error)
    for ended in signed:
        assert ended.exit_code == 0, ended.exception
        assert f"this is about {about.digest[:19]}: version 1 of {desk.model}, in Staging since" in ended.stderr
        assert "; its verdict is pass" in ended.stderr
    assert sorted(votes(desk, about)) == [("approve", about.digest), ("reject", about.digest)]


def test_of_several_that_are_staged_none_is_guessed(desk: Desk) -> None:
    """They are listed; a digest, or a pipeline, says which."""
    about = desk.evaluate(desk.register())
    stage(desk, about)
    other = desk.models.new()
    second = desk.folder / "gates" / "second.yaml"
    second.write_text(PIPELINE.format(model=other, key=ssh.public_key(desk.key), more=""))
    alone = desk.gate(approve, "--key", desk.key)
    first, desk.model, desk.pipeline = (desk.model, desk.pipeline), other, second
    beside = desk.evaluate(desk.register())
    stage(desk, beside)
    desk.model, desk.pipeline = first

    several = desk.gate(approve, "--key", desk.key).exception
    named = desk.gate(approve, "--key", desk.key, "--pipeline", second)

    assert alone.exit_code == 0, alone.exception
    assert isinstance(several, UsageError)
    assert about.digest[:19] in str(several)
    assert beside.digest[:19] in str(several)
    assert named.exit_code == 0, named.exception
    assert votes(desk, beside) == [("approve", beside.digest)]


def test_another_pipeline_that_cannot_be_asked_is_named_with_its_file(desk: Desk) -> None:
    """Of a model that nobody registered nothing is staged; of one that cannot be read nobody knows."""
    about = desk.evaluate(desk.register())
    stage(desk, about)
    other = desk.folder / "gates" / "another.yaml"
    text = PIPELINE.format(model="nobody", key=ssh.public_key(desk.key), more="")

    other.write_text(text)
    unregistered = desk.gate(approve, "--key", desk.key)
    other.write_text(text.replace("m.db", "no/such/folder/m.db"))
    unread = desk.gate(approve, "--key", desk.key).exception
    named = desk.gate(approve, "--key", desk.key, "--pipeline", desk.pipeline)

    assert unregistered.exit_code == 0, unregistered.exception
    assert "another.yaml is left out: the registry at" in unregistered.stderr
    assert isinstance(unread, RegistryError)
    assert unread.message.startswith("another.yaml: ")
    assert str(unread.remedy).endswith("name the pipeline that is meant with --pipeline")
    assert named.exit_code == 0, named.exception


def test_what_is_staged_is_looked_for_in_the_ledger_of_the_copies(desk: Desk) -> None:
    """Which is the one that the sentence names where there is nothing."""
    copies = desk.models.new()
    desk.models.register(copies)
    desk.write(f"promotion: {{copy_to: {copies}}}\n")

    error = desk.gate(approve, "--key", desk.key).exception

    assert f"the ledger of {copies} has nothing in Staging" in str(error)


def test_what_no_promotion_would_count_is_not_signed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own work, a policy that has changed, another group's vote, a policy that names nobody, old evidence."""
    monkeypatch.setattr("lockgate.integrations.committers.authors", lambda commit, root, **_: written)
    written: tuple[str, ...] = ("alice@example.org",)
    version, bob = desk.register(), ssh_key(desk.folder, "bob")
    groups = f'{{owners: [{{key: "{ssh.public_key(desk.key)}"}}], authors: [{{key: "{ssh.public_key(bob)}"}}]}}'
    signoff = f"signoff: {{groups: {groups}, require: {{owners: 1}}}}\n"

    def refused(signoff: str, *, key: Path = desk.key, changed: str = "", commit: str | None = "a" * 40) -> str:
        desk.pipeline.write_text(desk.pipeline.read_text().split("signoff:")[0] + signoff)
        about = desk.evaluate(version, commit=commit, finished=finished)
        desk.pipeline.write_text(desk.pipeline.read_text() + changed)
        ended = desk.gate(approve, about.digest, "--key", key)
        assert not (desk.folder_of(about) / "votes").exists() or ended.exception is None
        if ended.exception is not None:
            assert isinstance(ended.exception, Refused), ended.exception
            assert ended.exception.remedy
            return ended.exception.code
        return ended.stdout.splitlines()[-1]

    finished = datetime.now(UTC)
    assert refused(signoff) == "own_work"
    assert refused(signoff, key=bob) == "not_your_group"
    assert refused(signoff, changed="description: another\n") == "policy_changed"
    assert refused("") == "no_signoff"
    assert refused("signoff: {require: {owners: 0}}\n") == "nobody_signs"
    written = ("mallory@example.org",)
    assert refused(signoff) == "authors_unknown"
    written = ()
    assert refused(signoff, commit=None) == "authors_unknown"
    assert refused(signoff) == "authors_unknown", "it could be who signs"
    written = ("bob@example.org",)
    assert refused(signoff).startswith("stored in ")
    finished -= timedelta(days=8)
    assert refused(signoff) == "evidence_expired"
