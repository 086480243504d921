"""From the name in a pipeline to the class behind it."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from lockgate import gates, plugins
from lockgate.errors import UsageError
from lockgate.gates.gate import Gate, gate_class
from lockgate.gates.metrics import Metrics
from lockgate.hashing import sha256

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = {path.stem for path in Path(gates.__file__).parent.glob("*.py")} - {"__init__", "gate"}
MINE = "from lockgate.gates.gate import Gate\nclass Mine(Gate):\n    limit: int = 3\nclass Other: pass\n"


def test_shipped_gates_are_installed_under_their_own_names() -> None:
    """File name = entry point = `gate:` value = docs page."""
    found = plugins.installed(plugins.GATES)

    assert set(found) >= SHIPPED
    assert {name: found[name].value for name in SHIPPED} == {
        name: f"lockgate.gates.{name}:{name.title().replace('_', '')}" for name in SHIPPED
    }
    assert len(SHIPPED) >= 7
    assert {path.stem for path in (ROOT / "docs" / "gates").glob("*.md")} == SHIPPED
    assert gate_class("metrics", root=Path()) is Metrics


def test_a_gate_may_lie_in_a_file_of_the_project(tmp_path: Path) -> None:
    """Read once; another file of a similar name is another gate."""
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "mine.py").write_text(MINE)
    (tmp_path / "gates_mine.py").write_text(MINE)
    mine = gate_class("./gates/mine.py:Mine", root=tmp_path)

    assert issubclass(mine, Gate)
    assert gate_class("./gates/mine.py:Mine", root=tmp_path) is mine
    assert gate_class("./gates_mine.py:Mine", root=tmp_path) is not mine
    assert mine(gate="./gates/mine.py:Mine").title == "Mine"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("metrix", "no gate is called 'metrix'; known: .*latency, .*; did you mean 'metrics'"),
        ("./mine.py:Other", "'./mine.py:Other' is not a gate: it must be a class derived from"),
        ("./mine.py:Nobody", "mine.py has no 'Nobody'"),
        ("./none.py:Mine", "there is no file ./none.py below the project's root"),
        ("../mine.py:Mine", "there is no file ../mine.py below the project's root"),
        ("./broken.py:Mine", "could not be loaded: ZeroDivisionError"),
        ("./syntax.py:Mine", "could not be loaded: SyntaxError"),
    ],
)
def test_what_is_no_gate_is_refused(tmp_path: Path, kind: str, said: str) -> None:
    """With what is known, or what is wrong with the file; nothing outside the project is read."""
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "mine.py").write_text(MINE)
    (root / "mine.py").write_text(MINE)
    (root / "broken.py").write_text("1 / 0")
    (root / "syntax.py").write_text("class")
    with pytest.raises(UsageError, match=said):
        gate_class(kind, root=root)


def test_a_gate_that_is_newer_than_its_installation_is_not_called_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `git pull` in an editable installation, whose entry points pip wrote once."""
    older = {name: entry for name, entry in plugins.installed(plugins.GATES).items() if name != "behaviour"}
    monkeypatch.setattr(plugins, "installed", lambda group: older)

    with pytest.raises(UsageError, match=r"the gate 'behaviour' is newer than .* -m pip install -e \.`"):
        gate_class("behaviour", root=Path())
    for kind in ("gate", "behaviours"):
        with pytest.raises(UsageError, match=f"no gate is called '{kind}'; known: artifact"):
            gate_class(kind, root=Path())


def test_an_installed_gate_that_does_not_load_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken third party is an error of usage, with the remedy."""
    broken = {"theirs": EntryPoint("theirs", "not_there.gates:Theirs", plugins.GATES)}
    monkeypatch.setattr(plugins, "installed", lambda group: broken)
    with pytest.raises(UsageError, match=r"could not be loaded: ModuleNotFoundError.*reinstall the package"):
        gate_class("theirs", root=Path())


def test_an_unknown_registry_is_called_one() -> None:
    """The word fits the group."""
    with pytest.raises(UsageError, match=r"no registry is called 'mlflov'; known: .*; did you mean 'mlflow'"):
        plugins.load(plugins.REGISTRIES, "mlflov")


def test_a_file_that_changed_is_run_anew(tmp_path: Path) -> None:
    """What was hashed is what runs, also where its size and time are those of before; one that did not change runs once."""
    path = tmp_path / "mine.py"
    path.write_text("value = 1\n")
    before = path.stat()
    file = plugins.ProjectFile("mine.py:value", tmp_path, "function")
    first = file.load()
    path.write_text("value = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert first == (1, sha256(b"value = 1\n"))
    assert file.load() == (2, sha256(b"value = 2\n"))
    assert file.digest == sha256(b"value = 2\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_package_is_named_with_its_version(acme: None) -> None:
    """As it is installed."""
    assert plugins.distribution(plugins.METRICS, "acme_profit") == "acme-metrics 1.2"
    assert plugins.refusal(plugins.METRICS, "acme_profit") is None
    with pytest.raises(UsageError, match=r"no metric is called 'acme_profits'; known: acme_profit, .*did you mean"):
        plugins.distribution(plugins.METRICS, "acme_profits")
    with pytest.raises(UsageError, match=r"no metric is called 'none'; known: acme_profit, acme_state"):
        plugins.load(plugins.METRICS, "none")
