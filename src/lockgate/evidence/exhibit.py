"""The points of a picture, stored beside the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lockgate.evidence import stored_json
from lockgate.hashing import canonical, number


@dataclass(frozen=True)
class Exhibit:
    """The points of one picture: a JSON document of its own, bound to the evidence by hash.

    points: at most 2,000 rows of numbers or texts under `columns`.
    """

    name: str
    kind: Literal["curve", "bars", "ecdf", "timeline", "table"]
    columns: tuple[str, ...]
    points: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        if len(self.points) > 2000:
            raise ValueError(f"exhibit {self.name} has {len(self.points)} points; at most 2,000 can be shown")

    def to_bytes(self) -> bytes:
        """The exhibit as canonical JSON."""

        def cell(value: Any) -> Any:
            return number(value) if isinstance(value, float) else value

        return canonical(
            {
                "schema": "lockgate/exhibit/v1",
                "name": self.name,
                "kind": self.kind,
                "columns": list(self.columns),
                "points": [[cell(value) for value in point] for point in self.points],
            }
        )

    @classmethod
    def read(cls, data: bytes) -> Exhibit:
        """An exhibit from its canonical JSON, in which measured numbers stay the strings that they are there. Raises ValueError."""
        document = stored_json.read_object(data)
        points = stored_json.listed(document, "points")
        if not all(isinstance(point, list) for point in points):
            raise ValueError("its points are no lists")
        kind: Any = stored_json.text(document, "kind")
        columns = stored_json.texts(document, "columns")
        return cls(stored_json.text(document, "name"), kind, columns, tuple(map(tuple, points)))


def exhibit_file(name: str) -> str:
    """Where an exhibit lies in its run folder, and where it is published."""
    return f"exhibits/{name.replace('/', '-')}.json"
