"""What MLflow's stores find out and make anew for each database and each session, a process of tests does once.

Each database had all migrations read, to know which is the newest, and each statement compiled; each session was told
three settings that its connection keeps. None of it is the subject of a test, and it was half of what a test with a
database of its own took. Databases that are not SQLite's are left alone.
"""

from __future__ import annotations

import sqlite3
import sys
from functools import cache, partial
from typing import Any

SETTINGS = ("foreign_keys = ON", "busy_timeout = 20000", "case_sensitive_like = true")  # what MLflow tells each session


def settle(connection: sqlite3.Connection) -> None:
    """Give a connection what MLflow would give it in each session; with the first one, let MLflow do so no more."""
    databases: Any = sys.modules.get("mlflow.store.db.utils")
    if databases is None or not hasattr(databases, "_get_latest_schema_revision"):
        return
    for setting in SETTINGS:
        connection.execute(f"PRAGMA {setting}")
    original = databases._get_managed_session_maker
    if not isinstance(original, partial):
        databases._get_latest_schema_revision = cache(databases._get_latest_schema_revision)
        for module in [one for name, one in sys.modules.items() if name.startswith("mlflow.")]:
            if vars(module).get("_get_managed_session_maker") is original:
                module._get_managed_session_maker = partial(_sessions, original)  # type: ignore[attr-defined]
        _share_statements()


def let_go() -> None:
    """Close the connections that MLflow keeps to each database it ever met, and uses for none of the tests to come."""
    stores = [vars(module).get("SqlAlchemyStore") for name, module in sys.modules.items() if name.startswith("mlflow.")]
    for store in stores:
        for engine in list(getattr(store, "_engine_map", {}).values()):
            engine.dispose()


def _sessions(make: Any, maker: Any, db_type: str) -> Any:
    return make(maker, "sqlite, whose connections know it already" if db_type == "sqlite" else db_type)


def _share_statements() -> None:
    """Let all databases have one dialect, by which statements that are compiled are found again."""
    import sqlalchemy

    first: Any = sqlalchemy.create_engine("sqlite://")
    first.connect().close()
    sqlalchemy.create_engine = partial(_engine, sqlalchemy.create_engine, first)


def _engine(create: Any, first: Any, *arguments: Any, **more: Any) -> Any:
    made = create(*arguments, **more)
    if made.dialect.name == first.dialect.name:
        made.dialect = made.pool._dialect = first.dialect
        made._compiled_cache = first._compiled_cache
    return made
