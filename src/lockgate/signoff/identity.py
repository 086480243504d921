"""Who acts or votes: a GitHub account, an OIDC subject, an SSH key, or a name that nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Identity:
    """Who acted. kind: github | oidc | ssh | unverified; `id` is the stable one (number, key fingerprint, email)."""

    kind: Literal["github", "oidc", "ssh", "unverified"]
    id: str
    name: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Identity:
        return cls(kind=value["kind"], id=str(value["id"]), name=str(value.get("name", "")))

    def __str__(self) -> str:
        name = self.name or self.id
        return f"{name} (unverified)" if self.kind == "unverified" else name
