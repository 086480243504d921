"""What the metrics gates measured stands on the version as tags once its evidence is published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.memory_registry import MemoryRegistry
from helpers.promoting import NOW, PROMOTION, Bench, Clock, Models, evidence, run_folder
from lockgate.errors import Denied
from lockgate.evidence.evidence import Evidence
from lockgate.gates.metadata import Metadata
from lockgate.gates.metrics import Metrics
from lockgate.promotion.audit.verify import verify
from lockgate.promotion.publish import ORIGIN_TAG, SLICES_TAG, publish, version_tags

METRICS = Metrics.model_validate({"gate": "metrics", "data": "holdout", "require": ["auc >= 0.8 on each slice"]})
LATER = NOW + timedelta(minutes=1)


def finding(subject: str, observed: str | None, *, on: str = "value", rows: int = 10, **where: str) -> dict[str, Any]:
    decided = {
        "on": on, "claim": "at_limit", "estimate": observed, "low": None, "high": None, "required": [">=", "0.5"],
        "confidence": None, "se": None, "n_eff": None, "method": "test",
    }  # fmt: skip
    return {
        "id": f"metrics/r1/{where or 'overall'}", "requirement": "r1", "subject": subject, "slice": where,
        "observed": observed, "interval": None, "champion": None, "limit": {"op": ">=", "value": "0.5", "text": "0.5"},
        "decided": decided, "rows": rows, "positives": None, "rows_needed": None, "verdict": "pass", "code": "met",
        "reason": "", "remedy": None, "detail": {},
    }  # fmt: skip


FINDINGS = [
    finding("auc", "0.91"),
    finding("auc", "0.876543219", country="US", rows=600),
    finding("auc", "0.7", country="BR", amount_band="[50,200)", rows=400),
    finding("recall(threshold=0.7)", None),
    finding("missing", "3", on="count"),
]


def measured(version: Any, findings: list[dict[str, Any]], model: str = "fraud", **more: Any) -> Evidence:
    return evidence(model, version, findings=findings, gates=(METRICS,), **more)


def shelf(folder: Path) -> MemoryRegistry:
    registry = MemoryRegistry(folder / "shelf")
    registry.register("fraud", "v2")
    return registry


def published(registry: Any, about: Evidence, folder: Path) -> Mapping[str, str]:
    assert publish(registry, about, run_folder(about, folder / about.run_id), now=LATER) == []
    tags: Mapping[str, str] = registry.version(about.model, str(about.candidate["version"])).tags
    return {key: value for key, value in tags.items() if "metric" in key}


def test_values_overall_and_by_slice_are_tags_of_the_version(tmp_path: Path) -> None:
    """One tag a metric, and one of JSON for all slices, which names the evidence; counts are no values."""
    registry, about = shelf(tmp_path), measured("v2", FINDINGS)
    tags = dict(published(registry, about, tmp_path))

    assert json.loads(tags.pop(SLICES_TAG)) == {
        "evidence": about.digest,
        "slices": {"auc": {"country=US": 0.876543, "amount_band=[50,200) & country=BR": 0.7}},
    }
    assert tags == {"lockgate.metric.auc": "0.91"}


def test_what_other_gates_measure_is_no_value_of_a_metric(tmp_path: Path) -> None:
    """Nor is there any tag where no metrics gate ran."""
    assert published(shelf(tmp_path), evidence("fraud", "v2", findings=FINDINGS), tmp_path) == {}


def test_the_latest_publication_overwrites_and_an_earlier_one_again_does_not(tmp_path: Path) -> None:
    """A run is published once; what it was about then is not written over what came later."""
    registry, first = shelf(tmp_path), measured("v2", FINDINGS)
    second = measured("v2", [finding("auc", "0.5")])
    published(registry, first, tmp_path)
    tags = published(registry, second, tmp_path)

    assert publish(registry, first, tmp_path / first.run_id, now=LATER) == []
    assert registry.version("fraud", "v2").tags == tags
    assert tags["lockgate.metric.auc"] == "0.5"
    assert json.loads(tags[SLICES_TAG]) == {"evidence": second.digest, "slices": {}}


def test_a_version_that_takes_no_tags_is_published_with_a_warning(tmp_path: Path) -> None:
    """The evidence is stored, and the publication goes on."""

    class ReadOnly(MemoryRegistry):
        def set_tags(self, name: str, version: str, tags: Mapping[str, str]) -> None:
            raise Denied("EDIT is needed", remedy="ask for it")

    registry, about = ReadOnly(tmp_path / "shelf"), measured("v2", FINDINGS)
    registry.register("fraud", "v2")
    warnings = publish(registry, about, run_folder(about, tmp_path / "run"), now=LATER)

    assert registry.evidence("fraud").published(about.digest)
    assert warnings == [
        "the tag lockgate.metric.auc of version v2 was not set: EDIT is needed; the evidence has the values; "
        "the next one that is published sets them again",
        "1 more tags were not tried",
    ]


@pytest.mark.parametrize("longest", [160, 400, 100_000])
def test_of_more_slices_than_the_registry_holds_the_largest_stay(longest: int) -> None:
    """What is written is whole JSON all the same, and says how many it leaves out."""
    findings = [finding("auc", "0.9", country=f"C{number:03d}", rows=1000 - number) for number in range(100)]

    def storable(tags: Mapping[str, str]) -> Mapping[str, str]:
        return {key: value[:longest] for key, value in tags.items()}

    text = version_tags(measured("v2", findings), storable, counts=False)[SLICES_TAG]
    document = json.loads(text)
    names = list(document["slices"].get("auc", {}))

    assert len(text) <= longest
    assert names == [f"country=C{number:03d}" for number in range(len(names))]
    assert document.get("left_out", 0) == 100 - len(names)
    assert longest - len(text) < len('"country=C000":0.9,') or len(names) == 100


def test_on_a_real_registry_they_are_read_back_whole_and_verify_takes_them_for_ours(tmp_path: Path) -> None:
    """Names of columns and values of cells may hold anything; a promotion sets the same tags, and none is called forged."""
    (tmp_path / "mlflow").mkdir()
    bench = Bench(Models.fresh(tmp_path / "mlflow"), Clock(LATER), tmp_path)
    hostile = {"land ☃\0": "😀'\"</script>" + "x" * 200}
    slices = [finding("auc", "0.8", **{"city": str(number), **hostile}) for number in range(60)]
    about = measured(bench.second, [FINDINGS[0], *slices], model=bench.model, champion=bench.first)
    tags = published(bench.models.registry, about, tmp_path)
    bench.promote(about)
    after = bench.models.registry.version(bench.model, "2").tags
    checked = verify(
        bench.models.registry, bench.model, promotion=PROMOTION, now=bench.clock(), scratch=tmp_path / "verify"
    )

    document = json.loads(tags[SLICES_TAG])
    assert 0 < len(document["slices"]["auc"]) < 60
    assert len(document["slices"]["auc"]) + document["left_out"] == 60
    assert {key: value for key, value in after.items() if "metric" in key} == tags
    assert checked.discrepancies == ()


ORIGIN = {
    "held": 2, "of": 12, "lacking": ["seeds"], "facts": {"requirements": ["numpy==2.4.6", "pandas==3.1.1"], "source_run": ["r1"]},
    "tags": {"model_type": "classifier", "experiment_owner": "fraud-team"},
}  # fmt: skip


def with_origin(version: str) -> Evidence:
    """Evidence of a gate `metadata` that found this."""
    document = json.loads(evidence("fraud", version, gates=(Metadata(gate="metadata"),)).stored)
    document["gates"][0]["context"] = {"provenance": ORIGIN}
    return Evidence.from_document(document)


def test_where_a_version_comes_from_is_one_tag_and_what_it_is_searched_by_one_each(tmp_path: Path) -> None:
    """A tag of its owner's is not written over; a promotion writes the same."""
    registry, about = shelf(tmp_path), with_origin("v2")
    registry.set_tags("fraud", "v2", {"model_type": "regressor"})
    assert publish(registry, about, run_folder(about, tmp_path / "run"), now=LATER) == []
    tags = registry.version("fraud", "v2").tags

    whole = {"evidence": about.digest, **{key: value for key, value in ORIGIN.items() if key != "tags"}}
    assert json.loads(tags[ORIGIN_TAG]) == whole
    assert (tags["model_type"], tags["experiment_owner"]) == ("regressor", "fraud-team")
    assert version_tags(about, dict, counts=True)[ORIGIN_TAG] == tags[ORIGIN_TAG]


def test_of_a_long_origin_the_first_entries_of_each_fact_stay() -> None:
    """The tag is whole JSON all the same, and counts all twelve."""
    about = with_origin("v2")
    longest = len(version_tags(about, dict, counts=False)[ORIGIN_TAG]) - 1

    def storable(tags: Mapping[str, str]) -> Mapping[str, str]:
        return {key: value[:longest] for key, value in tags.items()}

    document = json.loads(version_tags(about, storable, counts=False)[ORIGIN_TAG])

    assert document["held"] == 2
    assert document["facts"] == {"requirements": ["numpy==2.4.6"], "source_run": ["r1"]}
