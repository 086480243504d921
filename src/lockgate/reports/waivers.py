"""Name waivers that do nothing: those that meet no finding of the run, and those that have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from lockgate.evidence.evidence import Evidence, GateResult
from lockgate.evidence.finding import Verdict


@dataclass(frozen=True)
class IdleWaiver:
    """A waiver without effect. code: waiver_ended | waiver_meets_nothing."""

    finding: str
    code: str
    message: str
    remedy: str | None = None

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def idle_waivers(evidence: Evidence) -> list[IdleWaiver]:
    """The waivers of a run that did nothing. Of gates that did not run to their end nothing is concluded."""
    gates = {gate.name: gate for gate in evidence.gates}
    return [idle for waiver in evidence.document.get("waivers") or () for idle in _idle(waiver, gates)]


def _idle(waiver: Mapping[str, Any], gates: Mapping[str, GateResult]) -> Iterator[IdleWaiver]:
    finding = str(waiver["finding"])
    gate = gates.get(finding.partition("/")[0])
    if gate is None:  # it was not chosen: that it exists was checked when the pipeline was read
        return
    if waiver.get("expired"):
        message = f"the waiver of {finding} ended on {waiver['until']} and is ignored"
        yield IdleWaiver(finding, "waiver_ended", message, "delete it, or let its owner give it another day")
        return
    ids = [result.id for result in gate.findings]
    line = "/".join(finding.split("/")[:2])
    measured = any(name.startswith(f"{line}/") for name in ids)  # a line that needs a champion may not have been
    if finding == gate.name or finding in ids or not ids or gate.verdict is Verdict.ERROR:
        return
    if not measured and line.rpartition("/")[2] in {requirement.id for requirement in gate.requirements}:
        return
    meant = _nearest(finding, ids)
    yield IdleWaiver(
        finding,
        "waiver_meets_nothing",
        f"the waiver of {finding} meets no finding, and waives nothing",
        f"did you mean {meant!r}?" if meant else f"the findings of {gate.name} stand in the report",
    )


def _nearest(finding: str, ids: list[str]) -> str | None:
    """The id that was probably meant: one that reads alike, else the nearest; of a requirement alone its first."""
    alike = {unquote(name).casefold(): name for name in reversed(ids)}
    near = alike.get(unquote(finding).casefold())
    below = next((name for name in ids if name.startswith(f"{finding}/")), None)
    return near or below or next(iter(get_close_matches(finding, ids, n=1)), None)
