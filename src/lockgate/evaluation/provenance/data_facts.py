"""The data a version was trained on: whether they are pinned, when they were made, and by which code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lockgate.evaluation.provenance.fact import Fact, not_pinned
from lockgate.evaluation.provenance.sources import Kept, Records, mapping_of
from lockgate.references import Reference, parse_dataset
from lockgate.units import utc as moment_of
from lockgate.units import utc_text

_CONTEXTS = re.compile(r"(?i)\s*(|.*train.*|fit|fitting)\s*")
_HEX_32 = re.compile(r"[0-9a-fA-F]{32}(?:\.dir)?")
_DIGEST = re.compile(
    r"(?i)(?!(?:sha256:|md5:)?0+$)(?:(?:sha256:)?[0-9a-f]{64}|(?:md5:)?[0-9a-f]{32})"
)  # 40 digits: a commit
_CREATED = ("created_at", "created", "timestamp", "data_created_at", "as_of", "snapshot_at")
_CODE = ("code", "code_hash", "code_commit", "processing_code", "commit", "git_commit")
_FROM_MEMORY = "code"  # MLflow's source type of a frame whose source nobody named


def training_data(records: Records, *, dated: bool) -> Fact:
    """Every training dataset that was logged must be pinned; where none is, what names say of it must be."""
    subject = "training_data"
    named = [
        (kept, _reference(records, kept, dated=dated)) for kept in records.under(subject) if isinstance(kept.value, str)
    ]
    by_name = [f"{reference.text} ({kept})" for kept, reference in named if reference.holds]
    logged = [(dataset, records.look_up(parse_dataset(dataset, dated=dated))) for dataset in training_datasets(records)]
    pinned = [_words(dataset, reference) for dataset, reference in logged if reference.holds]
    loose = [
        (dataset, reference)
        for dataset, reference in logged
        if not reference.holds and not (pinned and dataset.get("source_type") == _FROM_MEMORY)
    ]
    if len(loose) > 1 or (loose and not by_name):
        faults = tuple(not_pinned(_words(dataset, reference), reference) for dataset, reference in loose)
        return Fact(subject, (*pinned, *by_name), faults, loose[0][1].remedy, lack="not_pinned")
    if logged or by_name:
        named_data = [f"{dataset.get('name')}" for dataset, _ in loose]
        return Fact(
            subject, (*pinned, *(f"{name} = {by_name[0]}" for name in named_data), *([] if named_data else by_name))
        )
    faults = tuple(not_pinned(f"{kept} is {reference.text}", reference) for kept, reference in named[:1])
    return Fact(subject, (), faults, named[0][1].remedy if named else "", lack="not_pinned")


def data_origin(records: Records) -> Fact:
    """When the training data were made, and the hash of the code that made them."""
    created = _first(records, "data_created", _CREATED)
    code = _first(records, "data_code", _CODE) or _script_commit(records)
    entries, faults = list[str](), list[str]()
    if created is None:
        faults.append("it is not said when the training data were made")
    else:
        moment = _moment(created)
        if moment is None:
            faults.append(
                f"{created} is {created.public!r:.40}, which is no moment with a time zone, 2026-11-30T09:00:00Z"
            )
        else:
            entries.append(f"made {moment}")
    if code is None:
        faults.append("it is not said which code made them")
    else:
        commit = records.reference(code.text, kind="code")
        if commit.holds or _DIGEST.fullmatch(code.text.strip()):
            entries.append(f"by {code.public}")
        else:
            faults.append(not_pinned(f"the code that made them is {code.public!r:.60}", commit))
    nothing = created is None and code is None
    return Fact("data_origin", tuple(entries), () if nothing else tuple(faults))


def training_datasets(records: Records) -> list[Mapping[str, str]]:
    """The datasets that a run logged to be trained on: those whose context does not say otherwise."""
    return [dataset for dataset in records.facts.datasets if _CONTEXTS.fullmatch(dataset.get("context", ""))]


def _reference(records: Records, kept: Kept, *, dated: bool) -> Reference:
    text = kept.text.strip()
    return records.reference(
        f"md5:{text}" if "md5" in kept.name.lower() and _HEX_32.fullmatch(text) else text, dated=dated
    )


def _words(dataset: Mapping[str, str], reference: Reference) -> str:
    name = dataset.get("name") or "unnamed"
    return f"{name} ({reference.text})" if reference.text else name


def _first(records: Records, subject: str, names: tuple[str, ...]) -> Kept | None:
    """From the tags of the training datasets, where MLflow keeps what belongs to one, else by name."""
    for dataset in training_datasets(records):
        tags: Mapping[str, str] = mapping_of(dataset.get("tags")) or {}
        for name in names:
            if tags.get(name, "").strip():
                return Kept("dataset", name, tags[name])
    return records.first(subject)


def _script_commit(records: Records) -> Kept | None:
    """The commit that MLflow itself kept of a script that made the rows in memory."""
    for source in _sources(records):
        commit = (mapping_of(source.get("tags")) or {}).get("mlflow.source.git.commit")
        if commit:
            return Kept("dataset", "source", commit)
    return None


def _sources(records: Records) -> Iterator[Mapping[str, object]]:
    for dataset in training_datasets(records):
        source = mapping_of(dataset.get("source"))
        if source is not None:
            yield source


def _moment(kept: Kept) -> str | None:
    text = kept.text.strip()
    try:
        return utc_text(moment_of(text))
    except ValueError:
        return None
