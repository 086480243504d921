"""Who acts or votes: a GitHub account, an OIDC subject, an SSH key, or a name that nobody vouches for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from lockgate.evidence import stored_json
from lockgate.text import cut

# The address that GitHub gives an account for its commits, in lower case.
NOREPLY = re.compile(r"(?:(?P<id>\d+)\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com")
_KIND = re.compile(r"[a-z_]{1,20}")


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
        """From a stored object. Raises ValueError."""
        kind = stored_json.text(value, "kind")
        if not _KIND.fullmatch(kind):
            raise ValueError(f"its identity is of the kind {stored_json.excerpt(kind)}")
        number = stored_json.field(value, "id")
        name = stored_json.text(value, "name") if "name" in value else ""
        return cls(cast(Any, kind), str(number) if type(number) is int else stored_json.text(value, "id"), name)

    def __str__(self) -> str:
        """For people, on one line."""
        name = cut(self.name or self.id, 200)
        return f"{name} (unverified)" if self.kind == "unverified" else name
