"""A repository that the real DVC made, and a bucket that keeps versions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BUNDLE = Path(__file__).parent / "files" / "dvc.bundle"
FIRST, SECOND = "66b43e14fb7e946eb599a8fef7fc7d32a4ded846", "c4503816200a62375372779890b98c1abddb6913"


def git(folder: Path, *arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return answer.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The folder of a project that lies in `sub` of a repository of two commits, without the data that DVC keeps."""
    subprocess.run(["git", "clone", "-q", "--branch", "main", str(BUNDLE), str(tmp_path / "repository")], check=True)
    return tmp_path / "repository" / "sub"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of S3, which everything else in the test reaches by the environment too."""
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.client("s3")
