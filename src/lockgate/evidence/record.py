"""Records that are stored as canonical JSON, whose hash covers the bytes that they were read from."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from lockgate import hashing
from lockgate.evidence import stored_json
from lockgate.units import duration_text, utc_text


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record under a schema. `renamed`: field → its key in JSON, where the two differ; `most`: bytes that are read.

    stored: the bytes that it was read from; the hash covers those, never a re-dump.
    """

    schema: ClassVar[str]
    most: ClassVar[int] = 2**20  # bytes
    renamed: ClassVar[Mapping[str, str]] = {}

    stored: builtins.bytes | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The schema and the fields in their order, moments and durations as text."""
        fields = {self.renamed.get(name, name): value for name, value in asdict(self).items() if name != "stored"}
        return {"schema": self.schema} | {key: _plain(value) for key, value in fields.items()}

    @property
    def bytes(self) -> builtins.bytes:
        return self.stored if self.stored is not None else hashing.canonical(self.to_json())

    @property
    def sha256(self) -> str:
        return hashing.sha256(self.bytes)

    @classmethod
    def parse(cls, data: str | builtins.bytes) -> Mapping[str, Any]:
        """The JSON document in stored text. Raises ValueError for what is none, or has another schema."""
        document = stored_json.read_object(data, most=cls.most)
        if (schema := stored_json.field(document, "schema")) != cls.schema:
            raise ValueError(f"its schema is {stored_json.excerpt(schema)}; this lockgate reads {cls.schema}")
        return document


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, timedelta):
        return duration_text(value)
    return list(value) if isinstance(value, tuple) else value
