"""The folder of a run: what is in it, written whole or not at all."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import LockgateError, UsageError
from lockgate.evidence import run_folder as runfolder
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_folder import RunFolder
from lockgate.hashing import sha256_file

DOCUMENT: dict[str, Any] = {
    "schema": "lockgate/evidence/v1", "run": {"id": "r"}, "gates": [], "asks": [], "verdict": "pass", "opens": "yes",
    "model": {"name": "m", "candidate": {"version": "1"}, "champion": None},
}  # fmt: skip


def test_the_newest_run_is_the_latest(tmp_path: Path) -> None:
    """`.gate` is hidden from git, and `latest` is a relative link."""
    first = RunFolder.new(tmp_path, "20261121-000000-aaaaaaaa")
    second = RunFolder.new(tmp_path, "20261121-000001-aaaaaaaa")
    latest = runfolder.latest(tmp_path)

    assert latest is not None
    assert latest.path == second.path
    assert str((tmp_path / ".gate" / "latest").readlink()) == "runs/20261121-000001-aaaaaaaa"
    assert (tmp_path / ".gate" / ".gitignore").read_text() == "*\n"
    assert [run.run_id for run in runfolder.runs(tmp_path)] == [second.run_id, first.run_id]
    assert not list((tmp_path / ".gate").glob(".latest-*"))


def test_evidence_is_kept_with_the_digest_that_sha256sum_checks(tmp_path: Path) -> None:
    """And is found by it, its bytes as they lie there."""
    folder = RunFolder.new(tmp_path, "r")
    evidence = Evidence.from_document(DOCUMENT)
    folder.keep_evidence(evidence)
    checked = subprocess.run(["sha256sum", "-c", "evidence.sha256"], cwd=folder.path, capture_output=True, text=True)
    found = dict(runfolder.matching(tmp_path, evidence.digest)).get(evidence.digest)

    assert checked.stdout == "evidence.json: OK\n"
    assert folder.evidence() == evidence
    assert found is not None
    assert found.path == folder.path
    assert not list(runfolder.matching(tmp_path, "sha256:" + "0" * 64))


def test_scored_tables_that_somebody_edited_are_named(tmp_path: Path) -> None:
    """Removed ones too."""
    folder = RunFolder.new(tmp_path, "20261121-000000-aaaaaaaa")
    entries = {}
    for name in ("kept", "edited", "removed"):
        path = folder.write(f"scored/{name}.parquet", name.encode())
        entries[name] = {"sha256": sha256_file(path)}
    (folder.path / "scored" / "edited.parquet").write_bytes(b"mine")
    (folder.path / "scored" / "removed.parquet").unlink()

    assert folder.altered_scores(entries) == ["edited", "removed"]


def test_a_run_without_evidence_says_how_far_it_came(tmp_path: Path) -> None:
    """And what it was marked with is kept from mark to mark."""
    folder = RunFolder.new(tmp_path, "r")
    folder.mark("running", inputs={"policy": "x"})
    folder.mark("interrupted")

    assert folder.state() == {"state": "interrupted", "inputs": {"policy": "x"}}
    with pytest.raises(UsageError, match="run r has no evidence: it was interrupted"):
        folder.evidence()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]"])
def test_a_broken_state_is_none(tmp_path: Path, content: bytes | None) -> None:
    """A crash long ago is no error now."""
    folder = RunFolder.new(tmp_path, "r")
    if content is not None:
        (folder.path / "state.json").write_bytes(content)

    assert folder.state() == {}


def test_only_evidence_reports_and_exhibits_are_published(tmp_path: Path) -> None:
    """Never scored rows, nor raw requests."""
    folder = RunFolder.new(tmp_path, "r")
    folder.keep_evidence(Evidence.from_document(DOCUMENT))
    entry = folder.keep_exhibit(Exhibit("m/roc", "curve", ("x",), ((0.5,),)))
    for name in ("report.md", "scored/holdout.parquet", "latency/latency.parquet", "state.json", "gates/m.json"):
        folder.write(name, b"x")

    assert folder.publishable == ["evidence.json", "evidence.sha256", "report.md", "exhibits/m-roc.json"]
    assert entry == {
        "name": "m/roc", "kind": "curve",
        "sha256": "sha256:" + subprocess.check_output(["sha256sum", folder.path / "exhibits/m-roc.json"], text=True).split()[0],
    }  # fmt: skip


def test_a_write_that_fails_leaves_the_old_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing beside them."""
    folder = RunFolder.new(tmp_path, "r")
    folder.write("a", b"old")

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(runfolder.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        folder.write("a", b"new")

    assert [path.name for path in folder.path.iterdir()] == ["a"]
    assert (folder.path / "a").read_bytes() == b"old"


def test_the_salt_is_made_once(tmp_path: Path) -> None:
    """Sixteen who come first agree on one, which only they can read."""
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(runfolder.salt(tmp_path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1
    assert len(found[0]) == 64
    assert (tmp_path / ".gate" / "salt").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / ".gate").iterdir()] == ["salt"]


@pytest.mark.parametrize("name", [".gate", ".gate/runs", ".gate/sealed"])
def test_a_run_writes_nothing_through_a_link_out_of_the_project(tmp_path: Path, name: str) -> None:
    """A pull request may hold one."""
    elsewhere, project = tmp_path / "elsewhere", tmp_path / "project"
    elsewhere.mkdir()
    (project / name).parent.mkdir(parents=True)
    (project / name).symlink_to(elsewhere)
    with pytest.raises(LockgateError, match=r"is a link to .*; remove the link") as error:
        RunFolder.new(project, "r")

    assert error.value.exit_code == 4
    assert not [*elsewhere.iterdir()]


def test_run_ids_sort_by_time_and_never_meet() -> None:
    """`20261121-041530-9f3c21ab`."""
    moment = datetime(2026, 11, 21, 4, 15, 30, tzinfo=UTC)
    ids = {runfolder.new_run_id(moment) for _ in range(50)}

    assert len(ids) == 50
    assert all(one.startswith("20261121-041530-") and len(one) == 24 for one in ids)
