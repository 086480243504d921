"""Which address of a registry `gate init` writes into a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.cli.drafting.registered import RegistryAddress

FALLBACK = "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"
PIPELINE = (
    "model: m\ntask: binary\nregistry: {{uri: '{uri}'}}\ncandidate: {{version: 1}}\ngates: [{{gate: metadata}}]\n"
)


@pytest.mark.parametrize(
    ("others", "named", "written"),
    [
        ([], None, FALLBACK),
        ([], "sqlite:////srv/m.db", FALLBACK),
        ([], "https://mlflow.example.org", "${MLFLOW_TRACKING_URI}"),
        (["${MLFLOW_TRACKING_URI}"], None, "${MLFLOW_TRACKING_URI}"),
        (["${MLFLOW_TRACKING_URI}"], "https://mlflow.example.org", "${MLFLOW_TRACKING_URI}"),
        ([FALLBACK], "https://mlflow.example.org", "${MLFLOW_TRACKING_URI}"),
        ([FALLBACK], None, FALLBACK),
        (["sqlite:///own.db"], None, "${MLFLOW_TRACKING_URI:-sqlite:///own.db}"),
        (["https://a.example.org"] * 2, None, "https://a.example.org"),
        (["https://a.example.org"], "https://a.example.org", "https://a.example.org"),
        (["https://a.example.org"], "https://b.example.org", "${MLFLOW_TRACKING_URI}"),
        (["https://a.example.org", "https://b.example.org"], None, FALLBACK),
    ],
)
def test_a_server_stands_without_a_file_beside_it(
    others: list[str], named: str | None, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the other pipelines, where it is the one at which the model was looked for; runners reach no file of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if named is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
    (tmp_path / "gates").mkdir()
    for number, uri in enumerate(others):
        (tmp_path / "gates" / f"m{number}.yaml").write_text(PIPELINE.format(uri=uri))
    address = RegistryAddress.near(tmp_path)

    assert address.text == written
    assert address.uri == named or named is None
