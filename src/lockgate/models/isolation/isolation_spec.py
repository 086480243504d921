"""`isolation:` of a pipeline: what a model's processes may read, write and reach."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lockgate import units
from lockgate.config import Config

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


def _address(text: str) -> str:
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(f"{text!r} is no host with its port; write one like features.example.org:443")
    return text


def _size(value: Any) -> Any:
    return units.size(value) if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(_address)]
Bytes = Annotated[
    int,
    Field(ge=2**20),
    BeforeValidator(
        _size,
        json_schema_input_type=Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*[KMGT]?i?B\s*$")]
        | Annotated[int, Field(ge=2**20)],
    ),
]


class Isolation(Config):
    """How a model is kept in its box."""

    require: Literal["box", "best_effort", "off"] = Field(
        default="best_effort",
        description="`box` is an error where this machine has none, `best_effort` takes what there is and says so, `off` "
        "goes without.",
    )
    read: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Files and folders that models may read besides what every model reads."
    )
    connect: tuple[Address, ...] = Field(
        default=(), description="Hosts that models may reach, such as `[features.example.org:443]`; none by default."
    )
    devices: tuple[Literal["nvidia"], ...] = Field(
        default=(), description="Devices of the machine that models may use; none by default."
    )
    memory: Bytes | None = Field(
        default=None,
        description="Most resident memory of all its processes together, such as `8GB`; no limit by default.",
    )
    disk: Bytes = Field(
        default=2**34, description="Most that it may write into its scratch folder, such as `32GB`; 16 GiB by default."
    )

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of `connect`, each once."""
        return tuple(sorted({int(address.rpartition(":")[2]) for address in self.connect}))
