"""Tables of BigQuery: `bq://project.dataset.table$20240115`, `…@1700000000000`, and snapshot tables."""

from __future__ import annotations

import re

from lockgate.references.reference import Reference, moving, pinned

_PREFIX = re.compile(r"(?:bq|bigquery):(?://)?", re.IGNORECASE)
_TABLE = re.compile(
    r"`?(?P<project>[A-Za-z0-9][A-Za-z0-9.:-]*)[.:/](?P<dataset>\w+)[./](?P<table>[\w-]+)"
    r"(?:\$(?P<partition>[0-9A-Za-z_]+)|@(?P<moment>-?\d+))?`?"
)
_PARTITION = re.compile(r"\d{4}(?:\d\d){0,3}")
_MILLISECONDS = re.compile(r"\d{13}")


def parse(text: str) -> Reference | None:
    """A table of BigQuery, by its prefix or its decorator; None of any other text."""
    bare = _PREFIX.sub("", text, count=1)
    match = _TABLE.fullmatch(bare)
    if match is None or (bare == text and not match["partition"]):
        return None if bare == text else _unreadable(text)
    name = f"{match['project']}.{match['dataset']}.{match['table']}"
    parts = {"project": match["project"], "dataset": match["dataset"], "table": match["table"]}
    partition, moment = match["partition"], match["moment"]
    if partition and _PARTITION.fullmatch(partition):
        return pinned("bigquery", text, f"it is the partition {partition} of {name}", partition=partition, **parts)
    if moment and _MILLISECONDS.fullmatch(moment):
        reason = f"it is {name} as it was {moment} ms after 1970, which BigQuery keeps for seven days at most"
        return pinned("bigquery", text, reason, moment=moment, **parts)
    snapshot = f"CREATE SNAPSHOT TABLE `{name}_YYYYMMDD` CLONE `{name}`"
    remedy = f"name a partition, bq://{name}$YYYYMMDD, or a snapshot: {snapshot}"
    if partition:
        return moving("bigquery", text, f"{partition} is no partition by time", remedy, **parts)
    if moment:
        reason = "its moment counts back from now" if moment.startswith("-") else f"{moment} is no time in milliseconds"
        return moving("bigquery", text, reason, remedy, **parts)
    return moving("bigquery", text, "it is a table, whose rows may change", remedy, **parts)


def _unreadable(text: str) -> Reference:
    remedy = "write bq://project.dataset.table$YYYYMMDD"
    return moving("bigquery", text, "it names no table of BigQuery, project.dataset.table", remedy)
