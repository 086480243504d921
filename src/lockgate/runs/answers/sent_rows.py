"""Where the rows of a gate go before a run sends any: to which servers, how many, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lockgate.gates.gate import Gate
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.model_factory import server_address
from lockgate.text import enumerated


@dataclass(frozen=True)
class SentRows:
    """What one server is sent.

    to: its address, without user and password. sample: whether a sample of the rows alone, whose answers are recorded.
    rows: of the data, None where they are not counted, or requests of a load. rate: rows a second at most.
    """

    role: str
    to: str
    sample: bool
    rows: int | None
    rate: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def sent_rows(pipeline: Pipeline, gate: Gate, *, roles: Sequence[str], rows: int | None) -> list[SentRows]:
    """By role; none where no row leaves this machine's own processes. rows: of the gate's data, where they were counted."""
    target = gate.own_target or pipeline.target
    if not gate.uses_models or not isinstance(target, Server):
        return []
    data = pipeline.data.get(pipeline.data_of(gate) or "")
    sent = []
    for role in roles:
        recorded = data is not None and gate.own_load is None and not data.asks(role)
        if data is None or not (recorded and data.trusts_recorded):
            counted = rows if gate.by_group and not recorded else None
            sent.append(SentRows(role, server_address(pipeline, target, role), recorded, counted, target.rate))
    return sent


def asked_again(pipeline: Pipeline, gate: Gate, *, roles: Sequence[str]) -> list[str]:
    """What is asked of versions whose answers are recorded, and what that costs, a sentence; none where nothing is."""
    data = pipeline.data.get(pipeline.data_of(gate) or "")
    recorded = [role for role in roles if data is not None and role in (data.scores or {})]
    if data is None or not recorded or data.trusts_recorded or not gate.uses_models or gate.own_load is not None:
        return []
    from lockgate.evaluation.parity.spot_check import LEAST, MOST

    versions = enumerated([f"the {role}" for role in recorded])
    return [
        f"the answers of {versions} are recorded, and asked again of a sample: {LEAST:,} to {MOST:,} rows by chance, and up to "
        f"{LEAST:,} of each rare class or decision"
    ]


def least_seconds(sent: Sequence[SentRows]) -> float | None:
    """How long it takes at least at the rates of the servers, which are asked at the same time; None without any."""
    paced = [each.rows / each.rate for each in sent if each.rows is not None and each.rate is not None]
    return max(paced, default=None)
