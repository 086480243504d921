"""What was replayed, as evidence has it and in words: how many requests, from when, who answered them, and what was left out.

Light at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lockgate.data.time_window import moment_text, recorded_between
from lockgate.errors import DataError
from lockgate.evaluation.parity.recording import known_by, recorded_in
from lockgate.hashing import number
from lockgate.text import enumerated

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.scoring.scored_table import Scored

_ROLES = ("candidate", "champion")
# what is not used → what it is called in a list of counts; the rest of the reasons is counted as dropped
_NAMED = {"late": "late", "repeated": "duplicate", "unanswered": "without an answer"}


def replayed(dataset: Dataset, scored: Scored, threshold: Mapping[str, float | None]) -> dict[str, Any]:
    """The entry of a gate's context: data, requests, how many of them each model answered, at which threshold each decides, where
    it answers with scores, and between which times the requests came."""
    import numpy as np

    from lockgate.models.class_scores import predicted_class

    answers = {role: each for role in _ROLES if (each := getattr(scored, role)) is not None}
    answered = {role: int(np.count_nonzero(~np.isnan(predicted_class(each)))) for role, each in answers.items()}
    cuts = {} if scored.classes else {role: scored.cut(role, threshold.get(role)) for role in answers}
    thresholds = {role: number(float(cut)) for role, cut in cuts.items() if cut is not None}
    entry = {"data": dataset.name, "requests": scored.rows, "answered": answered, "thresholds": thresholds}
    time = dataset.spec.time
    try:
        ends = None if time is None else recorded_between(batch.column(0) for batch in dataset.batches([time]))
    except (DataError, ValueError):  # whoever needs times says what is wrong with them
        ends = None
    return entry if ends is None else {**entry, "first": moment_text(ends[0]), "last": moment_text(ends[1])}


def unanswered_sentence(entry: Mapping[str, Any]) -> str | None:
    """How many requests lack an answer, by the entry of `replayed`; None where none does."""
    requests = int(entry["requests"])
    missing = {role: requests - count for role, count in entry["answered"].items()}
    lacking = [
        f"{count:,} {'has' if count == 1 else 'have'} no answer of the {role}"
        for role, count in missing.items()
        if count
    ]
    return f"of {requests:,} requests {enumerated(lacking)}" if lacking else None


def replay_facts(document: Mapping[str, Any], context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, words) of what a gate replayed, by its context and the evidence of its run; nothing where it replayed nothing, and
    where evidence of others has another shape."""
    try:
        return [*_facts(document, context["replayed"])] if "replayed" in context else []
    except (AttributeError, LookupError, TypeError, ValueError):
        return []


def _facts(document: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name, requests = str(entry["data"]), int(entry["requests"])
    recorded = recorded_in(document).get(name, {})
    answered = {str(role): int(count) for role, count in entry["answered"].items()}
    for role in answered:
        how = known_by(recorded[role]) if role in recorded else "asked in this run"
        yield role, f"version {document['model'][role]['version']}, {how}"
    lacking = [
        f"{requests - count:,} not answered by the {role}" for role, count in answered.items() if count < requests
    ]
    yield "requests", ", ".join([f"{requests:,}", *lacking])
    window = f"{_minute(entry['first'])} to {_minute(entry['last'])} UTC" if "first" in entry else ""
    yield "window", window or f"not known: data.{name}.time names no column of times"
    recording = next((each.get("recording") for each in document.get("data") or () if each["name"] == name), None)
    yield from _left_out(recording)


def _left_out(recording: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """What is known of records; nothing of data that are rows already."""
    if recording is None:
        return
    shares = [f"{100 * float(share):.4g}" for share in recording.get("sampled") or ()]
    yield "sampled", f"{' to '.join(dict.fromkeys(shares))} % of the traffic" if shares else "no record says it"
    unused = {reason: int(count) for reason, count in recording["unused"].items()}
    dropped = {reason: count for reason, count in unused.items() if reason not in _NAMED}
    each = f" ({', '.join(f'{reason} {count:,}' for reason, count in dropped.items())})" if dropped else ""
    counts = [
        f"dropped {sum(dropped.values()):,}{each}",
        *(f"{word} {unused.get(key, 0):,}" for key, word in _NAMED.items()),
    ]
    yield "records", f"{int(recording['records']):,}, of which {', '.join(counts)}"


def _minute(moment: Any) -> str:
    """`2026-11-21 03:42` of `2026-11-21T03:42:18Z`."""
    return str(moment)[:16].replace("T", " ")
