"""The champion's answers are held to those on record where both are of the same rows, and to nothing elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers.promoting import evidence
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import GateBroken, Unavailable
from lockgate.evaluation.scoring.scored_table import Scored
from lockgate.evidence.evidence import SCORE_FACT, Evidence, EvidenceError
from lockgate.promotion.publish import published_facts
from lockgate.registries.ports import ModelVersion
from lockgate.runs.parity.recorded_answers import as_recorded, score_entry

ROWS = "sha256:" + "a" * 64
WHOLE: Any = SimpleNamespace(count_all=lambda: 400)  # data of which every row was scored
NOW = np.random.default_rng(0).random(400)


def table(champion: Any = NOW) -> Scored:
    columns = pa.table({"label": np.arange(400) % 2, "candidate": NOW[::-1].copy(), "champion": champion})
    return Scored.from_table(columns, DatasetSpec(path="t.parquet", label="label"), task="binary", positive=1)


def facts(scores: Any, version: str = "6", **entry: Any) -> Mapping[str, str]:
    """What is published of an evaluation of this version, whose scores on the holdout were these."""
    about = evidence()
    document = {
        **about.document,
        "model": {**about.document["model"], "candidate": {**about.candidate, "version": version}},
        "data": [{"name": "holdout", "digest": ROWS, "rows": 400, **entry}],
        "scored": [{"data": "holdout", "rows": 400, "sha256": "s", **score_entry(table_of(scores), WHOLE)}],
    }
    return published_facts(Evidence.from_document(document))


def table_of(candidate: Any) -> Scored:
    columns = pa.table({"label": np.arange(400) % 2, "candidate": candidate})
    return Scored.from_table(columns, DatasetSpec(path="t.parquet", label="label"), task="binary", positive=1)


def builder(published: Callable[[], Sequence[Mapping[str, str]]] | None, **dataset: Any) -> Any:
    data = {"spec": SimpleNamespace(scores=None), "window": None, "digest": ROWS, "count_all": lambda: 400, **dataset}
    champion = SimpleNamespace(version=ModelVersion("fraud", "6"))
    case = SimpleNamespace(champion=champion, dataset=lambda name: SimpleNamespace(**data))
    return SimpleNamespace(case=case, published=published)


def test_answers_unlike_those_on_record_are_no_baseline() -> None:
    """Of the same version and the same bytes of data; the scores that pass come back as they are."""
    same, other = [facts(NOW)], [facts(np.clip(NOW + 0.1, 0, 1))]
    scored = table()

    assert as_recorded(builder(lambda: same), "holdout", scored) is scored
    with pytest.raises(GateBroken, match="answers the rows of holdout otherwise"):
        as_recorded(builder(lambda: other), "holdout", scored)
    with pytest.raises(GateBroken, match="their mean was"):
        as_recorded(builder(lambda: [facts(NOW[::-1].copy())]), "holdout", scored)


def test_what_may_differ_is_compared_with_nothing() -> None:
    """Rows of a moving window, recorded answers, a model that answers by chance, rows that were left out, a store that cannot be read."""
    other = [facts(1 - NOW)]

    def unread() -> Sequence[Mapping[str, str]]:
        raise Unavailable("no answer")

    by_chance = table()
    by_chance.unrepeatable = {"champion": {"differs": "again"}}
    for made, scored in (
        (builder(lambda: other, window=object()), table()),
        (builder(lambda: other, spec=SimpleNamespace(scores={"candidate": "p"})), table()),
        (builder(lambda: other, digest="sha256:" + "b" * 64), table()),
        (builder(lambda: other, count_all=lambda: 401), table()),
        (builder(lambda: other), by_chance),
        (builder(lambda: [facts(1 - NOW, version="5")]), table()),
        (builder(unread), table()),
        (builder(None), table()),
    ):
        assert as_recorded(made, "holdout", scored) is scored
    assert SCORE_FACT not in facts(NOW, window={"last": "7d"})
    assert score_entry(table(), SimpleNamespace(count_all=lambda: 401)) == {}  # type: ignore[arg-type]


def test_a_fact_fits_a_registry_and_evidence_of_another_shape_is_refused() -> None:
    """Data sets beyond 4,000 characters are left out; scores that are no object are no evidence."""
    about = evidence()
    names = [f"d{number}" for number in range(40)]
    document = {
        **about.document,
        "data": [{"name": name, "digest": ROWS, "rows": 400} for name in names],
        "scored": [{"data": name, "rows": 400, "sha256": "s", **score_entry(table(), WHOLE)} for name in names],
    }
    published = published_facts(Evidence.from_document(document))

    assert len(published[SCORE_FACT]) <= 4_000
    assert len(json.loads(published[SCORE_FACT])) > 5
    broken = {**about.document, "scored": [{"data": "holdout", "scores": "many"}]}
    with pytest.raises(EvidenceError):
        Evidence.read(Evidence.from_document(broken).stored)
