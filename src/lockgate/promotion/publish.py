"""Publish evidence beside its version: the run's files, short facts to search by, and the votes."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lockgate import hashing
from lockgate.errors import Edited, LockgateError, Refused
from lockgate.evaluation.judging.number_format import slice_words
from lockgate.evidence.evaluations import LONGEST_FACT, Evaluation, evaluations_of, written
from lockgate.evidence.evidence import SCORE_FACT, Evidence
from lockgate.evidence.finding import Finding
from lockgate.evidence.run_folder import RunFolder
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.operator import stored_chain
from lockgate.promotion.registry_writes import REFUSALS, refusal_text, show_tags
from lockgate.registries.ports import Registry
from lockgate.signoff.decision import refuse_future
from lockgate.units import utc, utc_text

METRIC_TAG = "lockgate.metric."
SLICES_TAG = "lockgate.metrics_by_slice"
ORIGIN_TAG = "lockgate.provenance"
_NEXT = "the evidence has the values; the next one that is published sets them again"


def publish(
    registry: Registry,
    evidence: Evidence,
    folder: Path | None,
    *,
    now: datetime,
    votes: Sequence[tuple[bytes, bytes]] = (),
    evaluations: Sequence[Evaluation] = (),
) -> list[str]:
    """Store the evidence and the votes on it beside the version; what is stored already stays as it is.

    The values of its metrics go onto the version as tags then, as well as can be: returns a warning for what was not set.
    folder: its run folder; scored tables and raw latencies stay there. None where it came from the registry. evaluations:
    those before it that are on record nowhere else. Raises Refused for evidence from the future.
    """
    store, warnings = registry.evidence(evidence.model), list[str]()
    if folder is not None:
        if (early := refuse_future(evidence, now)) is not None:
            raise Refused(early.reason, code=early.code, remedy=early.remedy)
        stored = folder / "evidence.json"
        if not stored.is_file() or hashing.sha256_file(stored) != evidence.digest:
            raise LockgateError(
                f"{stored} is not the evidence {evidence.digest}", remedy="evaluate again with gate run"
            )
        stored_now = store.publish(
            evidence.digest, folder, files=RunFolder(folder).publishable, facts=published_facts(evidence, evaluations)
        )
        if stored_now:
            tags = version_tags(evidence, registry.storable_tags, counts=False)
            warnings = show_values(
                registry, evidence.model, str(evidence.candidate["version"]), tags, absent=search_tags(evidence)
            )
    for vote, signature in votes:
        store.add_vote(evidence.digest, vote, signature)
    return warnings


def published_facts(evidence: Evidence, evaluations: Sequence[Evaluation] = ()) -> dict[str, str]:
    """The short values under which published evidence is found."""
    return {
        "version": str(evidence.candidate["version"]),
        "verdict": evidence.verdict.value,
        "opens": evidence.opens,
        "run_id": evidence.run_id,
        "data": data_fact(evidence),
        **evaluations_facts(evidence, evaluations),
        **score_facts(evidence),
        "at": utc_text(finished_at(evidence)),
    }


def data_fact(evidence: Evidence) -> str:
    """The fact `data`: a JSON list of the names whose rows were judged by."""
    names = evidence.document["run"].get("looks")
    if names is None:  # evidence from before evaluations were counted
        names = [entry["name"] for entry in evidence.document.get("data") or ()]
    return json.dumps(sorted(names), separators=(",", ":"))


def evaluations_facts(evidence: Evidence, earlier: Sequence[Evaluation]) -> dict[str, str]:
    """The facts `evaluations` and `earlier_evaluations`, by which later runs count; none in evidence from before there were any."""
    own = evaluations_of(evidence)
    others = [evaluation for evaluation in earlier if evaluation not in own]
    facts = {"evaluations": written(own)} if "evaluations" in evidence.document["run"] else {}
    return facts | ({"earlier_evaluations": written(others)} if others else {})


def score_facts(evidence: Evidence) -> dict[str, str]:
    """What the candidate's scores of each data set were, by the digest of its rows, as far as evidence says so and it fits.

    Rows of a moving window are other rows under the same digest, and are left out.
    """
    whole = [entry for entry in evidence.document.get("data") or () if "digest" in entry and "window" not in entry]
    digests = {entry["name"]: entry["digest"] for entry in whole}
    records = [
        {"rows": digests[entry["data"]], **entry["scores"]["candidate"]}
        for entry in evidence.document.get("scored") or ()
        if entry.get("data") in digests and entry.get("scores")
    ]
    while records and len(text := json.dumps(records, separators=(",", ":"))) > LONGEST_FACT:
        records.pop()
    return {SCORE_FACT: text} if records else {}


def registry_moment(registry: Registry, model: str, *, production_model: str) -> dict[str, int] | None:
    """How far the record of a model has come, for `run.registry` of evidence; None where that cannot be read.

    published, epoch: numbers of its last publication and of the last entry in the ledger. No clock has a part in them.
    production_model: whose ledger that is.
    """
    try:
        numbers = [int(facts.get("published", "0")) for facts in registry.evidence(model).all()]
        last = stored_chain(registry, production_model).last
    except LockgateError:
        return None
    return {"published": max(numbers, default=0), "epoch": 0 if last is None else last.epoch}


def finished_after_entry(evidence: Evidence, entry: Entry) -> bool:
    """Whether the entry was on record when the run ended; by their clocks where the evidence does not say."""
    recorded = evidence.document["run"].get("registry")
    return bool(recorded["epoch"] >= entry.epoch if recorded else finished_at(evidence) > entry.at)


def finished_after_publication(evidence: Evidence, facts: Mapping[str, str]) -> bool:
    """Whether the other was published when the run ended; by their clocks where one of them does not say."""
    recorded, number = evidence.document["run"].get("registry"), int(facts.get("published", "0"))
    if recorded and number:
        return bool(recorded["published"] >= number)
    return finished_at(evidence) >= published_at(facts)


def finished_at(evidence: Evidence) -> datetime:
    if evidence.finished_at is None:
        raise LockgateError("the evidence does not say when it was finished", remedy="evaluate again with gate run")
    return evidence.finished_at


def published_at(facts: Mapping[str, str]) -> datetime:
    """When published evidence was finished, by its facts. Raises Edited where the fact is no moment."""
    try:
        return utc(facts["at"])
    except (KeyError, ValueError) as error:
        raise Edited(
            f"the fact at of the evidence {facts.get('digest')} was edited: it is no moment",
            remedy="gate verify says what the evidence says; set the tag lockgate.at of its run back",
        ) from error


def version_tags(
    evidence: Evidence, storable: Callable[[Mapping[str, str]], Mapping[str, str]], *, counts: bool
) -> dict[str, str]:
    """What was measured of the candidate: a tag for each value overall, one for those of all slices, one for its origin.

    The first gate that measured a value speaks for it. counts: also what other gates than `metrics` measured and counted,
    as a promotion writes it. storable: of the registry. What was not measured has no tag.
    """
    tags, slices = dict[str, str](), dict[tuple[str, str], Finding]()
    for gate in evidence.gates:
        for finding in gate.findings:
            observed = hashing.number(finding.observed)
            is_value = gate.kind == "metrics" and (finding.decided is None or finding.decided.on != "count")
            if observed is None or not (is_value or counts):
                continue
            if not finding.slice:
                tags.setdefault(f"{METRIC_TAG}{finding.subject}", observed)
            elif is_value:
                slices.setdefault((finding.subject, slice_words(tuple(sorted(finding.slice.items())))), finding)
    measured = any(gate.kind == "metrics" and gate.findings for gate in evidence.gates) and (tags or slices)
    tags |= _slices_tag(evidence.digest, slices, storable) if measured else {}
    return tags | _origin_tag(evidence, storable)


def _slices_tag(
    digest: str,
    findings: Mapping[tuple[str, str], Finding],
    storable: Callable[[Mapping[str, str]], Mapping[str, str]],
) -> dict[str, str]:
    """{"evidence": digest, "slices": {metric: {slice: value}}} as JSON, values of six figures.

    Of the largest slices where the registry holds no longer text; `left_out` is then the number of the other values.
    """
    largest = sorted(findings.items(), key=lambda entry: -entry[1].rows)

    def document(count: int) -> dict[str, Any]:
        slices: dict[str, dict[str, float]] = {}
        for (subject, name), finding in largest[:count]:
            slices.setdefault(subject, {})[name] = float(f"{finding.observed:.6g}")
        left_out = {"left_out": len(largest) - count} if count < len(largest) else {}
        return {"evidence": digest, "slices": slices, **left_out}

    return _longest_tag(SLICES_TAG, document, len(largest), storable)


def _origin_tag(evidence: Evidence, storable: Callable[[Mapping[str, str]], Mapping[str, str]]) -> dict[str, str]:
    """{"evidence": digest, "held": 7, "of": 12, "lacking": […], "facts": {subject: [what was found]}} as JSON.

    Of each fact the first entries where the registry holds no longer text. Nothing where no gate asked for the origin.
    """
    origin = _origin(evidence)
    if origin is None:
        return {}
    facts = {str(name): list(entries) for name, entries in origin.get("facts", {}).items()}
    counts = {name: origin[name] for name in ("held", "of", "lacking") if name in origin}

    def document(count: int) -> dict[str, object]:
        return {"evidence": evidence.digest, **counts, "facts": {name: each[:count] for name, each in facts.items()}}

    return _longest_tag(ORIGIN_TAG, document, max(map(len, facts.values()), default=0), storable)


def search_tags(evidence: Evidence) -> dict[str, str]:
    """What versions are searched by, under its plain names (`model_type`), as the run or the model's files have it."""
    tags = (_origin(evidence) or {}).get("tags", {})
    return {str(name): str(value) for name, value in tags.items()}


def _origin(evidence: Evidence) -> Mapping[str, Any] | None:
    """What the first gate `metadata` found of the candidate's origin; None in evidence without."""
    contexts = (gate.context.get("provenance") for gate in evidence.gates if gate.kind == "metadata")
    return next((context for context in contexts if isinstance(context, Mapping)), None)


def _longest_tag(
    name: str,
    document: Callable[[int], Mapping[str, object]],
    most: int,
    storable: Callable[[Mapping[str, str]], Mapping[str, str]],
) -> dict[str, str]:
    """A tag of JSON with as many entries as the registry holds whole. document(count): with so many of them."""

    def tag(count: int) -> dict[str, str]:
        return {name: json.dumps(document(count), separators=(",", ":"))}

    def too_long(index: int) -> bool:
        return storable(tag(index + 1)) != tag(index + 1)

    return tag(bisect_left(range(most), 1, key=too_long))


def show_values(
    registry: Registry, model: str, version: str, tags: Mapping[str, str], *, absent: Mapping[str, str]
) -> list[str]:
    """Set tags of a version that was measured; returns a warning for what could not be set. It never raises.

    absent: tags that are set only where the version has none of that name: they are its owner's.
    """
    if not tags and not absent:
        return []
    try:
        shown = registry.version(model, version).tags
    except REFUSALS as error:
        return [f"the values of version {version} were not set as tags: {refusal_text(error)}"]
    due = {**{name: value for name, value in absent.items() if name not in shown}, **tags}
    return show_tags(registry, model, {version: due}, shown={version: shown}, remedy=_NEXT)
