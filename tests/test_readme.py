"""The README shows nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockgate.cli.main import COMMANDS
from lockgate.pipeline import loader

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKYHsdXnOq2+9Fd9r3H0tRr2a5p0q8fXTdxqyKQ0nG0w olga@example.org"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    return tmp_path


def test_the_pipeline_that_it_shows_is_accepted(checkout: Path) -> None:
    """With a real key in the place of the shortened one, the example passes `gate check`."""
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(blocks("yaml")[0].replace("ssh-ed25519 AAAA… olga@example.org", KEY), encoding="utf-8")

    loaded = loader.load(path, environ=None)

    assert [gate.title for gate in loaded.gates] == ["signature", "metadata", "metrics", "latency", "shadow"]
    assert loaded.signed


def test_the_gate_that_it_shows_is_a_gate(checkout: Path) -> None:
    """The example of a gate of one's own loads from its file, with its requirement."""
    (checkout / "gates" / "size.py").write_text(blocks("python")[0], encoding="utf-8")
    path = checkout / "gates" / "fraud.yaml"
    path.write_text(
        "model: fraud\ntask: binary\nregistry: {uri: 'sqlite:///mlflow.db'}\ngates:\n" + blocks("yaml")[1],
        encoding="utf-8",
    )

    loaded = loader.load(path, environ=None)

    assert [asked.text for asked in loaded.requirements_of("Size")] == ["model_mb <= 500"]


def test_every_command_that_it_names_exists() -> None:
    """`gate WORD` in the README is a command."""
    named = set(re.findall(r"`?gate ([a-z]+)", README)) - {"demo"}
    assert {word for word in named if f"gate {word}" in README and word in COMMANDS} >= {"run", "check", "approve"}
    assert not {word for word in re.findall(r"`gate ([a-z]+)", README) if word not in COMMANDS}


def test_every_page_that_it_links_is_there() -> None:
    """Links to the project's own files lead somewhere."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
