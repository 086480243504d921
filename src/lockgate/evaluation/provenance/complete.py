"""All twelve facts of a version, what people search versions by, and how many points a metric's history has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lockgate.evaluation.provenance import code_facts, data_facts, hyperparameters, model_facts
from lockgate.evaluation.provenance.fact import Fact
from lockgate.evaluation.provenance.sources import Records
from lockgate.evaluation.provenance.subjects import QUERYABLE
from lockgate.references.reference import LookUp, unasked
from lockgate.registries.ports import VersionFacts


@dataclass(frozen=True)
class Provenance:
    """What is known of where a version comes from.

    names: the pipeline's own names, by subject. required: its own hyperparameters. dated: whether a dated path is a pin.
    look_up: asks whether what a reference names exists; by default nobody is asked.
    """

    facts: VersionFacts
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    dated: bool = False
    look_up: LookUp = unasked

    def collect(self, subjects: Iterable[str], *, needed: Collection[str]) -> dict[str, Fact]:
        """Facts by subject. needed: those for which the logged model is read too, which is a call, where they lack without."""
        records = Records(self.facts, self.names, look_up=self.look_up)
        facts = {subject: self._fact(subject, records) for subject in subjects}
        if any(not facts[subject].count for subject in needed):
            deep = Records(self.facts, self.names, deep=True, look_up=self.look_up)
            facts |= {subject: self._fact(subject, deep) for subject, fact in facts.items() if not fact.count}
        return facts

    def steps(self, metric: str) -> int:
        """How many values the run has of a metric."""
        return self.facts.history(metric) if metric in self.facts.metrics else 0

    def _fact(self, subject: str, records: Records) -> Fact:
        if subject in QUERYABLE:
            kept = records.first(subject)
            return Fact(subject) if kept is None else Fact(subject, (kept.public,), value=kept.public)
        if subject == "training_data":
            return data_facts.training_data(records, dated=self.dated)
        if subject == "hyperparameters":
            return hyperparameters.hyperparameters(records, self.required)
        if subject == "promotion_record":
            return model_facts.promotion_record()
        plain = {
            "data_origin": data_facts.data_origin,
            "feature_schema": model_facts.feature_schema,
            "logged_metrics": model_facts.logged_metrics,
            "slice_metrics": model_facts.slice_metrics,
            "serving_requirements": model_facts.serving_requirements,
            "code_commit": code_facts.code_commit,
            "source_run": code_facts.source_run,
            "requirements": code_facts.requirements,
            "seeds": hyperparameters.seeds,
        }
        return plain[subject](records)
