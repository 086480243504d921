"""Whoever rolls back is told what breaks for callers, from two small files, and is never held up by that."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.promoting import Models
from lockgate.promotion import compatibility as callers
from lockgate.promotion.compatibility import ClientCompatibility
from lockgate.registries.ports import ModelVersion
from promotion.test_rollback import Bench

Column = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models.fresh(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module")
def shared(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Versions 1, 2 and 3 of a model, of which tests write the signatures."""
    return Bench(models, tmp_path_factory.mktemp("bench"))


def column(name: str, kind: str, *, required: bool = True) -> Column:
    return {"name": name, "type": kind, "required": required}


def sign(bench: Bench, version: int, inputs: list[Column], outputs: list[Column] | None = None, **more: Any) -> None:
    """Write what a version takes and gives into its MLmodel."""
    signature = {"inputs": inputs, "outputs": outputs or [column("score", "double")], **more}
    document = {"flavors": {}, "signature": {side: json.dumps(columns) for side, columns in signature.items()}}
    model_file(bench, version).write_text(json.dumps(document))


def model_file(bench: Bench, version: int) -> Path:
    return bench.models.files(bench.versions[version - 1]) / "MLmodel"


def compare(bench: Bench) -> ClientCompatibility:
    return callers.compare_signatures(bench.registry, bench.model, leaves="3", returns="2")


def test_a_rollback_that_breaks_callers_says_how(models: Models, tmp_path: Path) -> None:
    """Each column by name, as whoever calls meets it; the same in the document. It has gone back all the same."""
    bench = Bench(models, tmp_path)
    amount, region = column("amount", "double"), column("region", "string")
    sign(
        bench,
        3,
        [amount, column("age", "long", required=False), region],
        [column("score", "double"), column("why", "string")],
    )
    sign(
        bench, 2, [column("amount", "long"), column("age", "long"), column("country", "string")],
        [column("score", "float")], params=[{"name": "top", "type": "long"}],
    )  # fmt: skip

    outcome = bench.rollback()

    assert bench.aliases["production"] == "2"
    assert (
        "clients of version 3 may break, because version 2 has another signature: it takes the input amount as long, not "
        "double; the input age may not be left out; it does not know the input region; it needs the input country "
        "(string) too; its output has score as float, not double; its output lacks why; it needs the parameter top "
        "(long) too"
    ) in outcome.lines
    assert outcome.to_json()["breaks"][0] == {
        "side": "inputs", "name": "amount", "what": "retyped", "old": "double", "new": "long",
    }  # fmt: skip
    assert len(outcome.to_json()["breaks"]) == 7


def test_where_callers_get_along_nothing_is_said(shared: Bench) -> None:
    """The version that returns takes all that is sent today, and gives all that is read."""
    sign(shared, 3, [column("amount", "integer")])
    sign(shared, 2, [column("amount", "long"), column("age", "long", required=False)])

    assert compare(shared) == ClientCompatibility(())


def test_a_hundred_columns_are_not_all_told(shared: Bench) -> None:
    """And a name that somebody made up reaches no terminal as it is."""
    sign(shared, 3, [column("amount", "double")])
    sign(
        shared,
        2,
        [column("amount", "double"), *(column(f"\x1b[31m{number}" + "x" * 99, "long") for number in range(100))],
    )

    found = compare(shared)

    assert found.breaks is not None
    assert len(found.breaks) == 100
    assert found.note is not None
    assert found.note.endswith("; and 90 more (--json)")
    assert "\x1b" not in found.note
    assert len(found.note) < 1200


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.write_text("flavors: {}\n"), "version 2 has no signature"),
        (lambda file: file.write_text("- no map\n"), "the version's MLmodel file is not a map"),
        (lambda file: file.write_text("signature: {inputs: '{'}\n"), "the signature in MLmodel cannot be read: "),
        (lambda file: file.write_text("signature: {inputs: '[1]'}\n"), "its inputs are no list of columns"),
        (
            lambda file: file.write_text(f"signature: {{inputs: '{'[' * 100_000}'}}\n"),
            "the signature in MLmodel cannot be read: ",
        ),
        (lambda file: file.unlink(), "has no such thing while reading the signature of "),
    ],
    ids=["none", "no map", "no json", "no columns", "deep", "no file"],
)
def test_what_cannot_be_read_is_said_in_one_note(shared: Bench, spoil: Callable[[Path], object], said: str) -> None:
    """Whatever the file holds."""
    sign(shared, 3, [column("amount", "double")])
    sign(shared, 2, [column("amount", "double")])
    spoil(model_file(shared, 2))

    found = compare(shared)

    assert found.breaks is None
    assert found.note is not None
    assert found.note.startswith("whether version 2 is compatible with clients of version 3 is not known: ")
    assert said in found.note


class Stuck:
    """A registry whose files never come."""

    def __init__(self, registry: Any) -> None:
        self._registry, self.never = registry, threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def signature(self, version: ModelVersion) -> None:
        self.never.wait()


def test_files_that_never_come_hold_up_no_rollback(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serving and aliases have followed by then; what is still waited for is left behind."""
    bench = Bench(models, tmp_path)
    stuck = Stuck(bench.registry)
    monkeypatch.setattr(bench, "registry", stuck)
    monkeypatch.setattr(callers, "PATIENCE_S", 0.05)
    seen: list[str] = []

    outcome = bench.rollback(switch_traffic=lambda entry: seen.append(bench.aliases["production"]) or "serving answers")
    stuck.never.set()

    assert seen == ["2"]
    assert outcome.notes == (
        "whether version 2 is compatible with clients of version 3 is not known: their files did not come within 0.05 s",
        "serving answers",
    )
    assert outcome.breaks is None


def test_a_version_that_left_because_it_is_gone(models: Models, tmp_path: Path) -> None:
    """Its files cannot be asked any more."""
    bench = Bench(models, tmp_path)
    models.mlflow.delete_model_version(bench.model, "3")

    outcome = bench.rollback()

    assert bench.aliases["production"] == "2"
    assert any(note.startswith("whether version 2 is compatible with clients of version 3") for note in outcome.notes)
