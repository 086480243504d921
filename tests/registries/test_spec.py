"""A registry is one folder and one entry point: nothing else knows what its versions look like."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helpers import memory_registry
from helpers.memory_registry import MemoryRegistry
from helpers.promoting import ssh_key
from lockgate import plugins
from lockgate.cli.commands import adopt, history, promote, rollback, run, schema, status, verify
from lockgate.cli.commands.vote import approve
from lockgate.errors import PipelineError, UsageError
from lockgate.evidence.run_folder import latest
from lockgate.pipeline.loader import load
from lockgate.registries.mlflow.spec import MlflowSpec
from lockgate.registries.ports import version_order
from lockgate.registries.spec import RegistrySpec, UriSpec
from lockgate.signoff import ssh

PIPELINE = """\
model: fraud
task: binary
registry: {{kind: shelf, shelf: "{folder}"}}
candidate: {{file: models/fraud.version}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
    require: [code_commit >= 1]
signoff:
  groups: {{owners: [{{key: "{key}"}}]}}
  require: {{owners: 1}}
  separation_of_duties: false
promotion: {{way_back: "waived: models of a shelf answer nothing, until {until}"}}
"""


def gate(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside MLflow a registry with fields of its own, and one without."""
    before = plugins.installed

    def installed(group: str) -> dict[str, EntryPoint]:
        named = {
            "shelf": "helpers.memory_registry:MemoryRegistry",
            "plain": "registries.test_spec:PlainRegistry",
            "broken": "helpers.no_such_module:Registry",
        }
        more = {name: EntryPoint(name, value, group) for name, value in named.items()}
        return before(group) | (more if group == plugins.REGISTRIES else {})

    monkeypatch.setattr(plugins, "installed", installed)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryRegistry]:
    """A project whose models lie on a shelf: v9 in production, v10 and v12 after it."""
    registry = memory_registry.SHELVES[str(tmp_path)] = MemoryRegistry(tmp_path / "shelf")
    for version in ("v9", "v10", "v12"):
        registry.register("fraud", version, commit="c" * 40)
    for folder in ("gates", "models"):
        (tmp_path / folder).mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "models" / "fraud.version").write_text("v12\n")
    text = PIPELINE.format(folder=tmp_path, key=ssh.public_key(ssh_key(tmp_path, "olga")), until="2099-12-31")
    (tmp_path / "gates" / "fraud.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    yield registry
    del memory_registry.SHELVES[str(tmp_path)]


def test_versions_that_are_words_go_from_the_run_to_production(shelf: MemoryRegistry, tmp_path: Path) -> None:
    """Evidence, ledger, aliases, status and history hold them as they are."""
    adopted = gate(adopt.command, "fraud", "--version", "v9", "--reason", "it runs")
    evaluated = gate(run.command, "--stage", "--json")
    assert (adopted.exit_code, evaluated.exit_code) == (0, 0), (adopted.exception, evaluated.exception)
    document = json.loads(evaluated.stdout)["evidence"]
    assert (document["model"]["candidate"]["version"], document["model"]["champion"]["version"]) == ("v12", "v9")

    newest = latest(tmp_path)
    assert newest is not None
    approved = gate(approve, newest.evidence().digest, "--key", tmp_path / "olga")
    promoted = gate(promote.command)
    assert (approved.exit_code, promoted.exit_code) == (0, 0), (approved.exception, promoted.exception)
    assert shelf.pointers == {"production": "v12", "previous": "v9"}

    gate(rollback.command, "fraud", "--reason", "it is slow", "--key", tmp_path / "olga")
    assert shelf.pointers["production"] == "v9"
    verified = gate(verify.command, "fraud")
    assert verified.exit_code == 0, verified.output
    assert json.loads(gate(status.command, "fraud", "--json").stdout)["production"]["version"] == "v9"
    assert "v12" in gate(history.command, "fraud").stdout


def test_words_that_no_version_is_called_are_refused_as_the_registry_says_it(
    shelf: MemoryRegistry, tmp_path: Path
) -> None:
    """On the command line, in the candidate's file and in the pipeline, before the registry is asked."""
    adopting = gate(adopt.command, "fraud", "--version", "12", "--reason", "it runs").exception
    running = gate(run.command, "--candidate", "version=x12").exception
    (tmp_path / "models" / "fraud.version").write_text("12")
    reading = gate(run.command).exception
    path = tmp_path / "gates" / "fraud.yaml"
    path.write_text(path.read_text().replace("{file: models/fraud.version}", "{version: vv}"))
    with pytest.raises(PipelineError, match=r"version must be a version like v12, and is the text 'vv'"):
        load(path, environ={})

    for refused in (adopting, running, reading):
        assert isinstance(refused, UsageError)
        assert "a version like v12" in str(refused)


@pytest.mark.parametrize(
    ("registry", "spec"),
    [
        ("{kind: shelf, shelf: here}", memory_registry.Spec),
        ("{kind: plain, uri: here, lifecycle: stages}", UriSpec),
        ("{kind: broken, uri: here}", UriSpec),
        ("{uri: 'sqlite:///m.db'}", MlflowSpec),
    ],
)
def test_each_kind_brings_its_own_fields(registry: str, spec: type[RegistrySpec], tmp_path: Path) -> None:
    """Found beside its entry point; those of an address where there are none."""
    (tmp_path / "p.yaml").write_text(f"model: m\ntask: binary\nregistry: {registry}\ngates: [{{gate: metadata}}]\n")

    assert type(load(tmp_path / "p.yaml", environ={}, root=tmp_path).registry) is spec


def test_the_fields_of_another_kind_are_unknown(tmp_path: Path) -> None:
    """With those of this kind listed, at the line where the wrong one stands."""
    (tmp_path / "p.yaml").write_text(
        "model: m\ntask: binary\nregistry:\n  kind: shelf\n  shelf: here\n  lifecycle: stages\ngates: [{gate: metadata}]\n"
    )

    with pytest.raises(PipelineError) as caught:
        load(tmp_path / "p.yaml", environ={}, root=tmp_path)

    assert caught.value.complaints == ("p.yaml:6:3: there is no key 'lifecycle' here; known: kind, shelf",)


class PlainRegistry:
    """A registry that others wrote before registries had fields of their own."""

    def __init__(self, uri: str, *, lifecycle: str) -> None:
        self.opened = (uri, lifecycle)


def test_a_registry_without_fields_of_its_own_is_opened_with_its_address(tmp_path: Path) -> None:
    """And the lifecycle."""
    opened = UriSpec(kind="plain", uri="here", lifecycle="stages").open(tmp_path)

    assert opened.opened == ("here", "stages")  # type: ignore[attr-defined]


def test_the_schema_tells_registries_apart_by_their_kind() -> None:
    """Each with its own fields, and versions may be words where one of them has such."""
    document = json.loads(gate(schema.command).stdout)

    options = {option["properties"]["kind"]["const"]: option for option in document["$defs"]["RegistrySpec"]["anyOf"]}
    assert options["shelf"]["required"] == ["kind", "shelf"]
    assert options["mlflow"]["required"] == ["uri"]
    version = document["$defs"]["CandidateSelector"]["properties"]["version"]
    assert {"type": "string"} in version["anyOf"]


def test_versions_are_sorted_by_the_numbers_in_them() -> None:
    """So that v2 is before v10, and 2 before 10."""
    assert sorted(["v10", "v2", "10", "2", "v2a"], key=version_order) == ["2", "10", "v2", "v2a", "v10"]
