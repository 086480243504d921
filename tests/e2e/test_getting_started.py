"""docs/getting-started.md, typed as it stands: from nothing to a version in Production, and back."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from helpers.shelf import FOREIGN
from helpers.warm_python import OWN

PAGE = (Path(__file__).parents[2] / "docs" / "getting-started.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def script() -> str:
    """All that is to be typed: files are written, and a line that ends with another exit code says so.

    Installed it is before; latency, which needs a quiet machine, is taken out of the pipeline once it is written.
    """
    typed = []
    for language, text in BLOCKS:
        if text == "pip install .\n":
            continue
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", text)
            assert name, text
            typed.append(f"cat > {name[1]} <<'END'\n{text}END\n")
        else:
            typed.append(re.sub(r"^(.*?) +# exit (\d+)$", r'\1 || test "$?" = \2', text, flags=re.MULTILINE))
    quiet = r"sed -i '/^  - gate: latency/,/^$/d' gates/churn.yaml"
    return "set -euxo pipefail\n" + "".join(typed).replace("gate check\n", f"{quiet}\ngate check\n")


@pytest.fixture
def person(tmp_path: Path, warm_python: str, warm_gate: str) -> dict[str, str]:
    """The environment of somebody with a git identity, nothing else in their home, and lockgate installed."""
    home, programs = tmp_path / "home", tmp_path / "bin"
    (home / ".ssh").mkdir(parents=True)
    programs.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Ana\nemail = ana@example.org\n[init]\ndefaultBranch = main\n")
    (programs / "python").symlink_to(warm_python)
    (programs / "gate").write_text(f'#!/bin/sh\nexec {warm_gate} -m lockgate.cli "$@"\n')
    (programs / "gate").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(home), "PATH": path, "GIT_CONFIG_SYSTEM": "/dev/null", OWN: warm_python}


def test_whoever_types_the_page_has_a_model_in_production(tmp_path: Path, person: dict[str, str]) -> None:
    """Two promotions, one candidate that is stopped, one rollback; in a fresh folder, with every command of the page."""
    typed = subprocess.run(
        ["bash", "-c", script()], cwd=tmp_path, env=person, capture_output=True, text=True, timeout=300
    )
    assert typed.returncode == 0, typed.stdout + typed.stderr

    asked = subprocess.run(
        ["gate", "history", "churn", "--json"], cwd=tmp_path / "churn", env=person, capture_output=True, text=True
    )
    history = json.loads(asked.stdout)
    moves = [(entry["kind"], entry["to"]) for entry in history["entries"]]
    assert moves[::-1] == [
        ("staged", "1"), ("promoted", "1"), ("staged", "2"), ("promoted", "2"), ("rolled_back", "1"),
    ]  # fmt: skip
