"""Whether a Delta table has the version that is meant, by its log."""

from __future__ import annotations

import re
from pathlib import Path

from lockgate.references.existence.answer import absent, resolved, there, unclear
from lockgate.references.reference import Reference

_CATALOG = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*){1,2}")


def look_up(reference: Reference, root: Path) -> Reference:
    """Reads the log of a table at a path or an address; a catalog's table has none that can be read by its name."""
    table, version = reference.parts.get("table", ""), reference.parts.get("version")
    if not table or (_CATALOG.fullmatch(table) and not (root / table).exists()):
        return unclear(reference, "the name of a table in a catalog says no path")
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError:
        return unclear(reference, "deltalake is not installed; install lockgate[delta]")
    path = table if "://" in table else str((root / table).absolute())
    try:
        newest = DeltaTable(path).version()
        if version is not None:
            DeltaTable(path, version=int(version))
    except TableNotFoundError:
        return absent(reference, "there is no Delta table", "write the path of one, whose folder holds _delta_log")
    except DeltaError:
        return absent(
            reference, f"the table has no version {version}", f"name one that its log has; the newest is {newest}"
        )
    except Exception as error:  # delta-rs raises what its stores do
        return unclear(reference, f"the table could not be read ({type(error).__name__})")
    if version is None:
        return resolved(reference, f"{reference.text.partition('@')[0]}@v{newest}", "which is its newest version")
    return there(reference)
