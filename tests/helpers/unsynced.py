"""Nothing here is to outlive a loss of power: what tests write is not waited for until it is on the disk.

A commit of SQLite that waits takes ten times the processor time, and a hundred times the clock, of one that does not.
Whoever is killed loses nothing by it.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from sqlite3 import dbapi2
from typing import Any

if __package__:
    from helpers.settled import settle
else:  # in `warm_python.py`, beside which it lies
    from settled import settle

_connect = dbapi2.connect


def begin() -> None:
    """Let this process, and what is forked from it, wait for no disk."""
    os.fsync = os.fdatasync = _wait_for_nothing
    dbapi2.connect = connect  # type: ignore[assignment]  # where SQLAlchemy looks for it


def connect(*arguments: Any, **more: Any) -> sqlite3.Connection:
    """A connection to a database; to one that is locked at this moment, as it would be without us."""
    made = _connect(*arguments, **more)
    (patience,) = made.execute("PRAGMA busy_timeout").fetchone()
    made.execute("PRAGMA busy_timeout = 0")
    with suppress(sqlite3.Error):
        made.execute("PRAGMA synchronous = OFF")
    made.execute(f"PRAGMA busy_timeout = {patience}")
    settle(made)
    return made


def _wait_for_nothing(descriptor: Any) -> None:
    pass
