"""Evidence and votes are published beside the version, once, and come back as they were."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from helpers.promoting import NOW, Models, evidence, run_folder
from lockgate.errors import LockgateError, NotFound, RegistryError
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import publish as published


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("mlflow")
    return Models.fresh(folder)


def publish(models: Models, about: Evidence, folder: Path) -> None:
    published.publish(models.registry, about, run_folder(about, folder))


def test_published_evidence_comes_back_with_its_bytes(models: Models, tmp_path: Path) -> None:
    """With exhibits and reports, without the scored rows; publishing twice is one."""
    about = evidence(models.new(), "1")
    store = models.registry.evidence(about.model)
    assert not store.published(about.digest)

    publish(models, about, tmp_path / "run")
    published.publish(models.registry, about, tmp_path / "run")

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

    published.publish(models.registry, about, folder)

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


def test_the_newest_is_what_was_evaluated_last_not_what_was_published_last(models: Models, tmp_path: Path) -> None:
    """A run of yesterday that is published today does not become the newest."""
    model = models.new()
    today, yesterday = evidence(model, "1"), evidence(model, "1", finished=NOW - timedelta(days=1))
    other = evidence(model, "2", finished=NOW + timedelta(days=1))
    for number, about in enumerate([today, yesterday, other]):
        publish(models, about, tmp_path / str(number))

    newest = models.registry.evidence(model).newest("1")

    assert newest is not None
    assert newest["digest"] == today.digest
    assert [facts["digest"] for facts in models.registry.evidence(model).all()] == [
        yesterday.digest,
        today.digest,
        other.digest,
    ]


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
        published.publish(models.registry, about, run_folder(evidence(about.model), tmp_path / "run"))
