"""Values that a pipeline hides stand in nothing that a run keeps, though models are given them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.test_shift import case_of as shift_case
from helpers.fakes import ask, case_of
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.slices.names import MISSING
from lockgate.data.table_dataset import TableDataset
from lockgate.evaluation.data_handover import hand_over
from lockgate.evaluation.scoring.scored_table import Scored, build_scored
from lockgate.gates.shadow import Shadow
from lockgate.gates.shift import Shift

SALT = b"of this checkout"


def hash_of(value: str) -> str:
    return hashlib.sha256(SALT + value.encode()).hexdigest()[:16]


def test_a_replay_keeps_no_hidden_value_and_models_get_it(tmp_path: Path) -> None:
    """Neither the scored rows nor findings, exhibits and reasons; slices are called after hashes, also where they cross."""
    rows = 2000
    countries = np.where(np.arange(rows) % 2, "Elbonia", "Ruritania")
    table = pa.table(
        {"country": countries, "channel": np.where(np.arange(rows) % 3, "web", "shop"), "x": np.arange(rows)}
    )
    slices = ["country", "channel", {"cross": ["country", "channel"]}]
    dataset = TableDataset(table, DatasetSpec.model_validate({"path": "t", "hash": ["country"], "slices": slices}))
    seen: set[str] = set()

    def candidate(batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
        for batch in batches:
            seen.update(batch.column("country").to_pylist())
            yield np.where(np.asarray(batch.column("x")) % 100 > 60, 0.9, 0.1)

    def champion(batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
        return (np.where(np.asarray(batch.column("x")) % 100 > 50, 0.9, 0.1) for batch in batches)

    scored = build_scored(
        dataset, scorers={"candidate": candidate, "champion": champion}, task="binary", positive=1, salt=SALT,
        path=tmp_path / "scored.parquet", may_fail=True,
    )  # fmt: skip
    case = replace(
        case_of(tmp_path / "run"), datasets=("table",), dataset=lambda name: dataset, replayed=lambda name: scored,
        threshold=lambda role: 0.5,
    )  # fmt: skip
    lines = ["flip_rate <= 2% on each slice", "lost_rate <= 1%"]
    result = ask(case, Shadow.model_validate({"gate": "shadow", "data": "table", "require": lines}))

    kept = json.dumps([finding.to_json() for finding in result.findings]) + repr(result)
    assert seen == {"Elbonia", "Ruritania"}
    for value in seen:
        assert value not in kept
        assert value.encode() not in (tmp_path / "scored.parquet").read_bytes()
        assert f"country={hash_of(value)}" in kept
        assert f"country={hash_of(value)}&channel=web" in kept


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=1, max_size=12))
def test_equal_values_have_one_name_and_others_another(values: list[str | None]) -> None:
    """Whatever signs they hold; what is missing stays so."""
    table = pa.table({"who": pa.array(values, pa.string()), "candidate": [0.5] * len(values)})
    spec = DatasetSpec.model_validate({"path": "t", "slices": ["who"]})
    plain = Scored.from_table(table, spec, task="regression", positive=1)
    hidden = Scored.from_table(
        table, spec.model_copy(update={"hash": ("who",)}), task="regression", positive=1, salt=SALT
    )

    (names, codes), (hashes, hidden_codes) = plain.codes("who"), hidden.codes("who")
    pairs = {(names[a], hashes[b]) for a, b in zip(codes, hidden_codes, strict=True)}
    assert len(pairs) == len(names) == len(hashes)
    assert all(len(text) == 16 or text == name == MISSING for name, text in pairs)


def test_a_program_is_handed_hashes(tmp_path: Path) -> None:
    """Of numbers too; what is missing stays missing. The columns of a quality check are handed over as they are."""
    table = pa.table({"who": ["Elbonia", None, "Elbonia"], "n": [1.0, 2.0, 1001.0], "free": ["a", "b", "c"]})
    dataset = TableDataset(table, DatasetSpec(path="t", hash=("who", "n")))

    hand_over(dataset, tmp_path / "out.parquet", salt=SALT)
    hand_over(dataset, tmp_path / "checked.parquet")

    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == {
        "who": [hash_of("Elbonia"), None, hash_of("Elbonia")],
        "n": [hash_of("1"), hash_of("2"), hash_of("1001")],
        "free": ["a", "b", "c"],
    }
    assert pq.read_table(tmp_path / "checked.parquet") == table


def test_a_feature_that_moved_is_named_and_not_where(tmp_path: Path) -> None:
    """By how far it moved; neither new categories nor the number where the two are farthest apart."""
    draw = np.random.default_rng(1)
    ours = {"who": draw.choice(["Elbonia", "Ruritania"], 2000), "n": draw.normal(12345, 1, 2000)}
    theirs = {"who": draw.choice(["Elbonia", "Graustark"], 2000), "n": draw.normal(12355, 1, 2000)}
    specs = {"holdout": {"slices": ["who"]}, "traffic": {"hash": ["who", "n"]}}
    case = shift_case(ours, theirs, specs=specs)
    gate = Shift.model_validate({
        "gate": "shift", "data": "holdout", "traffic": "traffic", "columns": ["who", "n"],
        "require": ["distance <= 0.1 on each feature", "new_value_rate <= 1% on each feature", "uncovered_slices <= 0"],
    })  # fmt: skip

    told = " ".join(map(repr, gate.check(case)))

    assert "FAIL" in told
    assert f"who={hashlib.sha256(b'Graustark').hexdigest()[:16]}" in told.replace("', '", "=")
    for value in ("Elbonia", "Ruritania", "Graustark", "1234", "1235", "1.23", "1.24"):
        assert value not in told, told
