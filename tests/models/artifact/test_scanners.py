"""Scanners, signatures and formats of others, for real: in the environment that has them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import lockgate
from environments.build import environment
from lockgate.errors import GateBroken
from lockgate.models.artifact.inspection import InspectionPolicy, inspect
from lockgate.models.artifact.signing import Signer

TOOLS = Path(__file__).parents[2] / "helpers" / "artifact_tools.py"


@pytest.fixture(scope="module")
def findings() -> dict[str, list[str]]:
    """What is said there of each folder."""
    ended = subprocess.run(
        [environment("artifact") / "bin" / "python", TOOLS],
        env={**os.environ, "PYTHONPATH": str(Path(lockgate.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    answer: dict[str, list[str]] = json.loads(ended.stdout)
    return answer


EXEC = "imports builtins.exec, which can run or open anything"


def test_what_a_scanner_finds_is_added(findings: dict[str, list[str]]) -> None:
    """Beside what is found here; an owner allows both in one line."""
    assert findings["scanned"] == [EXEC, "picklescan calls builtins.exec dangerous"]
    assert (findings["clean"], findings["allowed"]) == ([], [])


def test_what_lz4_compressed_and_hdf5_stored_is_seen(findings: dict[str, list[str]]) -> None:
    """As joblib and h5py write it."""
    runs = "has a Lambda, which runs code that the file holds or names"
    assert (findings["lz4"], findings["clean lz4"]) == ([EXEC], [])
    assert (findings["hdf5"], findings["large hdf5"], findings["clean hdf5"]) == ([runs], [runs], [])


def test_a_signature_holds_for_these_files_by_this_key(findings: dict[str, list[str]]) -> None:
    """And for no other, more or fewer."""
    said = {name: "; ".join(texts) for name, texts in findings.items()}

    assert said["whole"] == ""
    assert said["unsigned"] == "is not there, and the files are to be signed"
    assert "Extra files found" in said["more"]
    assert "Hash mismatch for 'model.json'" in said["changed"]
    assert all(
        said[name].startswith("does not hold for these files") for name in ("other key", "changed", "no signature")
    )


def test_a_tool_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    """With what to install; nothing passes without it."""
    for policy in (InspectionPolicy(scanners=("picklescan",)), InspectionPolicy(signer=Signer("key", "model.sig"))):
        with pytest.raises(GateBroken) as caught:
            inspect(tmp_path, policy)

        assert "pip install 'lockgate[" in str(caught.value.remedy)
