"""Evidence and votes are published beside the version, once, and come back as they were."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from helpers.promoting import NOW, Models, evidence, run_folder
from lockgate.errors import LockgateError, NotFound, RegistryError
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import publish as published
from lockgate.registries.mlflow.registry import MlflowRegistry


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


def publish(models: Models, about: Evidence, folder: Path) -> None:
    published.publish(models.registry, about, run_folder(about, folder), now=published.finished_at(about))


def test_published_evidence_comes_back_with_its_bytes(models: Models, tmp_path: Path) -> None:
    """With exhibits and reports, without the scored rows; publishing twice is one."""
    about = evidence(models.new(), "1")
    store = models.registry.evidence(about.model)
    assert not store.published(about.digest)

    publish(models, about, tmp_path / "run")
    published.publish(models.registry, about, tmp_path / "run", now=published.finished_at(about))

    fetched = store.fetch(about.digest, tmp_path / "fetched")
    names = sorted(path.relative_to(fetched).as_posix() for path in fetched.rglob("*") if path.is_file())
    assert names == ["evidence.json", "evidence.sha256", "exhibits/curve.json", "report.md"]
    assert (fetched / "evidence.json").read_bytes() == about.stored
    assert [dict(facts) for facts in store.all()] == [
        {
            "digest": about.digest,
            "version": "1",
            "verdict": "pass",
            "opens": "yes",
            "run_id": about.run_id,
            "data": "[]",
            "at": "2026-11-21T12:00:00.000Z",
            "published": "1",
        }
    ]


def test_a_publication_that_was_cut_short_is_taken_up_again(models: Models, tmp_path: Path) -> None:
    """Until then it counts as not published."""
    about = evidence(models.new(), "1")
    store = models.registry.evidence(about.model)
    folder = run_folder(about, tmp_path / "run")
    with pytest.raises(LockgateError):
        store.publish(
            about.digest, folder, files=["evidence.json", "missing.json"], facts=published.published_facts(about)
        )
    assert not store.published(about.digest)
    assert store.newest("1") is None

    published.publish(models.registry, about, folder, now=published.finished_at(about))

    assert store.published(about.digest)
    assert len(store.all()) == 1


def test_votes_lie_beside_the_evidence_once(models: Models, tmp_path: Path) -> None:
    """As (vote, signature)."""
    about = evidence(models.new(), "1")
    store = models.registry.evidence(about.model)
    publish(models, about, tmp_path / "run")
    assert store.votes(about.digest) == []

    for _ in range(2):
        store.add_vote(about.digest, b"vote", b"signature")
    store.add_vote(about.digest, b"another", b"other signature")

    assert sorted(store.votes(about.digest)) == [(b"another", b"other signature"), (b"vote", b"signature")]


def test_the_newest_is_what_was_published_last_whatever_clocks_say(models: Models, tmp_path: Path) -> None:
    """A runner whose clock is ahead decides nothing; what an older lockgate published is first, as its clocks had it."""
    model = models.new()
    old, older = (evidence(model, "1", finished=NOW + timedelta(days=days)) for days in (3, 2))
    ahead, right = evidence(model, "1", finished=NOW + timedelta(days=1)), evidence(model, "1")
    other = evidence(model, "2", finished=NOW + timedelta(days=9))
    publish(models, old, tmp_path / "old")
    publish(models, older, tmp_path / "older")
    with sqlite3.connect(models.uri.removeprefix("sqlite:///")) as database:
        database.execute("delete from params where key = 'published'")
    for number, about in enumerate([ahead, other, right]):
        publish(models, about, tmp_path / str(number))

    store = MlflowRegistry(models.uri).evidence(model)

    assert [(facts["digest"], facts["published"]) for facts in store.all()] == [
        (older.digest, "0"), (old.digest, "0"), (ahead.digest, "1"), (other.digest, "2"), (right.digest, "3"),
    ]  # fmt: skip
    newest = store.newest("1")
    assert newest is not None
    assert newest["digest"] == right.digest


def test_the_number_of_deleted_evidence_is_not_used_again(models: Models, tmp_path: Path) -> None:
    """Else restored evidence would share it with what was published since."""
    model = models.new()
    gone, kept = evidence(model, "1"), evidence(model, "1")
    publish(models, gone, tmp_path / "gone")
    experiment = models.mlflow.get_experiment_by_name(f"lockgate-evidence/{model}")
    models.mlflow.delete_run(models.mlflow.search_runs([experiment.experiment_id])[0].info.run_id)

    publish(models, kept, tmp_path / "kept")

    assert [facts["published"] for facts in models.registry.evidence(model).all()] == ["2"]


def test_what_is_not_published_is_not_found(models: Models, tmp_path: Path) -> None:
    """Neither evidence nor a place for votes."""
    about = evidence(models.new(), "1")
    store = models.registry.evidence(about.model)

    with pytest.raises(NotFound, match="no evidence"):
        store.fetch(about.digest, tmp_path)
    with pytest.raises(NotFound, match="no evidence"):
        store.add_vote(about.digest, b"vote", b"signature")
    with pytest.raises(NotFound, match="no digest"):
        store.published("sha256:' OR '1'='1")
    assert store.votes(about.digest) == []
    assert store.newest("1") is None


def test_evidence_edited_in_the_store_is_not_handed_out(models: Models, tmp_path: Path) -> None:
    """MLflow lets anybody overwrite an artifact."""
    about = evidence(models.new(), "1")
    publish(models, about, tmp_path / "run")
    experiment = models.mlflow.get_experiment_by_name(f"lockgate-evidence/{about.model}")
    run = models.mlflow.search_runs([experiment.experiment_id])[0]
    models.mlflow.log_text(run.info.run_id, '{"verdict": "pass"}', "evidence.json")

    with pytest.raises(RegistryError, match="edited"):
        models.registry.evidence(about.model).fetch(about.digest, tmp_path / "fetched")


def test_a_folder_that_is_not_the_evidence_is_not_published(models: Models, tmp_path: Path) -> None:
    """Its bytes must have the digest."""
    about = evidence(models.new(), "1")

    with pytest.raises(LockgateError, match="is not the evidence"):
        published.publish(
            models.registry,
            about,
            run_folder(evidence(about.model), tmp_path / "run"),
            now=published.finished_at(about),
        )
