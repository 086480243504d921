"""Until when a version was trained: the newest time in its training data, as whoever logged it says."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.data.time_window import recorded_times
from lockgate.evaluation.provenance.data_facts import training_datasets
from lockgate.evaluation.provenance.sources import NAMES, Kept, Records, mapping_of
from lockgate.registries.ports import VersionFacts


@dataclass(frozen=True)
class TrainingEnd:
    """moment: the newest time, microseconds since 1970; a day ends at 24:00. zoned: whether it was written with a time zone,
    None where that is not known: of a day, of a number. origin: where it stands, for people. days: whether it is a day."""

    moment: int
    zoned: bool | None
    origin: str
    days: bool


def logged_training_end(facts: VersionFacts) -> TrainingEnd | None:
    """By the tags of the training datasets, else by parameters, tags and metadata; None where nothing says it.

    Raises ValueError for what is no time.
    """
    records = Records(facts)
    kept = _of_datasets(records) or records.first("trained_until")
    if kept is None:
        return None
    try:
        return training_end(kept.text.strip(), str(kept))
    except ValueError:
        raise ValueError(f"{kept} is {kept.public!r:.40}, which is no time") from None


def training_end(text: str, origin: str) -> TrainingEnd:
    """The end of training as a text says it: a day, a moment with or without a time zone, or a number of seconds since 1970.

    Raises ValueError.
    """
    from lockgate.data.arrow_arrays import from_texts

    times = recorded_times([from_texts([text])])
    if times.newest is None:
        raise ValueError(f"{text!r} is no time")
    return TrainingEnd(times.newest, times.zoned, origin, times.days)


def _of_datasets(records: Records) -> Kept | None:
    for dataset in training_datasets(records):
        tags = mapping_of(dataset.get("tags")) or {}
        for name in NAMES["trained_until"]:
            if str(tags.get(name, "")).strip():
                return Kept("dataset", name, str(tags[name]))
    return None
