"""Whether BigQuery has a partition, and whether a table is a snapshot, by the tables that describe tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lockgate.references.existence.answer import absent, there, unclear
from lockgate.references.reference import Reference

_SECONDS = 30


def look_up(reference: Reference, root: Path, client: Any = None) -> Reference:
    """Asks BigQuery with the credentials of the environment. root: not used. client: another one than google.cloud's default."""
    parts = reference.parts
    if "table" not in parts:
        return reference
    try:
        from google.api_core.exceptions import NotFound
        from google.cloud import bigquery
    except ImportError:
        return unclear(reference, "google-cloud-bigquery is not installed; install lockgate[bigquery]")
    whole = f"{parts['project'].replace(':', '.')}.{parts['dataset']}.{parts['table']}"
    try:
        client = client or bigquery.Client(project=parts["project"])
        kind = client.get_table(whole, timeout=_SECONDS).table_type
        if kind == "SNAPSHOT":
            return there(
                replace(reference, pinned=True, why="it is a snapshot, which is never written again", remedy="")
            )
        if "partition" not in parts:
            return there(reference)
        rows = _rows(client, parts, bigquery)
    except NotFound:
        return absent(reference, f"BigQuery has no table {whole}", "write project.dataset.table as `bq ls` shows it")
    except Exception as error:  # of credentials and networks, each of another class
        return unclear(reference, f"BigQuery could not be asked ({type(error).__name__})")
    if rows is None:
        remedy = f"name one that {parts['dataset']}.INFORMATION_SCHEMA.PARTITIONS lists"
        return absent(reference, f"{whole} has no partition {parts['partition']}", remedy)
    return there(reference, f"it has {rows:,} rows")


def _rows(client: Any, parts: Any, bigquery: Any) -> int | None:
    """How many rows the partition has, those of its parts counted; None where there is no such partition."""
    query = (
        f"SELECT SUM(total_rows) AS total FROM `{parts['project']}.{parts['dataset']}.INFORMATION_SCHEMA.PARTITIONS` "  # noqa: S608  # names of the grammar
        "WHERE table_name = @table AND partition_id = @partition"
    )
    values = [
        bigquery.ScalarQueryParameter("table", "STRING", parts["table"]),
        bigquery.ScalarQueryParameter("partition", "STRING", parts["partition"]),
    ]
    job = client.query(query, job_config=bigquery.QueryJobConfig(query_parameters=values), timeout=_SECONDS)
    [row] = job.result(timeout=_SECONDS)
    return None if row["total"] is None else int(row["total"])
