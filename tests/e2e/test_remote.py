"""Data behind an address, from the pipeline to the evidence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.checkout import METRICS, SCORED, Checkout
from helpers.loopback import SECRET, Web
from lockgate.hashing import sha256


@pytest.fixture
def web(checkout: Checkout) -> Iterator[Web]:
    """Serves the data, which is no longer where it was."""
    (checkout.folder / "data").rename(checkout.folder / "elsewhere")
    server = Web(checkout.folder / "elsewhere")
    url = f"http://ana:{SECRET}@{server.place}/holdout.parquet?sig=${{SIGNATURE}}"
    checkout.write(gates=[METRICS], data={"holdout": {**SCORED, "path": url}})
    yield server
    server.close()


def test_a_run_reads_an_address_once_and_keeps_its_secrets(
    checkout: Checkout, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan, run and resume say where the data lies and what its bytes were; nothing that they write holds a secret."""
    monkeypatch.setenv("SIGNATURE", f"{SECRET}2")
    data = (web.folder / "holdout.parquet").read_bytes()

    planned = checkout.gate("plan")
    assert planned.code == 0, planned.stderr
    web.asked.clear()
    ran = checkout.gate("run")
    assert ran.code == 0, ran.stderr
    assert web.asked == [f"/holdout.parquet?sig={SECRET}2"]
    [entry] = checkout.evidence["data"]
    assert entry["path"] == f"http://{web.place}/holdout.parquet?…"
    assert entry["digest"] == sha256(data)

    resumed = checkout.gate("run", "--resume")
    assert resumed.code == 0, resumed.stderr
    (web.folder / "holdout.parquet").write_bytes(data + b" ")
    changed = checkout.gate("run", "--resume")
    assert changed.code == 2
    assert "data" in changed.stderr
    (web.folder / "holdout.parquet").unlink()
    gone = checkout.gate("run")
    assert gone.code == 4
    assert f"http://{web.place}/holdout.parquet?… does not exist" in gone.stderr
    for answer in (planned, ran, resumed, changed, gone):
        assert SECRET not in answer.stdout + answer.stderr
    for file in (checkout.folder / ".gate").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file
    assert not list((checkout.folder / ".gate" / "tmp").iterdir())
