"""Findings as JSON: a list of what was checked, each a value with its limit, or a verdict."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from lockgate.config import Config
from lockgate.evaluation.command.reported import MOST, Measured, NoFindings, Outcome, Reported
from lockgate.evaluation.requirements.requirement import NUMBER, Op

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_LIMIT = rf"^\s*(<=|>=)\s*({NUMBER})\s*$"
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class JsonFinding(Config):
    """One thing that was checked: `value` and `limit`, or a `verdict` where it is no number."""

    model_config = ConfigDict(strict=True)

    subject: Text = Field(description="What was checked, such as `drift_share`.")
    value: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="What came out; null where nothing did, which is inconclusive."
    )
    limit: Annotated[str, StringConstraints(pattern=_LIMIT, max_length=60)] | None = Field(
        default=None, description="What the value is held to, such as `<= 0.3`."
    )
    verdict: Literal["pass", "fail", "inconclusive", "error"] | None = Field(
        default=None, description="Instead of a value and its limit: what came out where it is no number."
    )
    slice: dict[Text, Text] = Field(
        default_factory=dict, max_length=8, description="Of which part it is, such as `{column: amount}`."
    )
    rows: int | None = Field(default=None, ge=0, le=2**53 - 1, description="Of how many rows; none are inconclusive.")
    counted: bool = Field(
        default=False,
        description="Whether the value is a fact of this run, such as a number of errors; else it is said to be compared "
        "without an error rate.",
    )
    reason: str = Field(
        default="", description="What stands behind the finding, in a sentence. No rows: reports show it."
    )
    remedy: str | None = Field(default=None, description="What to do where it is no pass.")

    @model_validator(mode="after")
    def _one_way(self) -> JsonFinding:
        if (self.limit is None) == (self.verdict is None):
            raise ValueError("it needs a limit (for its value), or a verdict instead")
        if self.limit is not None and not math.isfinite(float(self.limit.strip()[2:])):
            raise ValueError("its limit is no finite number")
        if "finding" in self.slice:
            raise ValueError("a slice called `finding` is the subject itself; call it otherwise")
        if self.verdict is not None and self.value is not None:
            raise ValueError("a value is held to a limit, and a verdict stands instead of both")
        return self

    @property
    def reported(self) -> Reported:
        outcome: Outcome | Measured
        if self.limit is None:
            assert self.verdict is not None  # noqa: S101  # one of both is there
            outcome = self.verdict
        else:
            limit = self.limit.strip()
            op: Op = "<=" if limit.startswith("<=") else ">="
            outcome = Measured(self.value, op, float(limit[2:]), self.counted)
        return Reported(
            "finding", self.subject, outcome, self.reason, tuple(self.slice.items()), self.rows, self.remedy
        )


@cache
def _adapter() -> TypeAdapter[list[JsonFinding]]:
    return TypeAdapter(list[JsonFinding])


def schema() -> dict[str, Any]:
    """The JSON Schema of a file of findings."""
    document = _adapter().json_schema()
    text, nothing = {"type": "string"}, {"type": "null"}
    measured = {"required": ["limit"], "properties": {"limit": text, "verdict": nothing}}
    decided = {"required": ["verdict"], "properties": {"verdict": text, "limit": nothing, "value": nothing}}
    one_way = {"oneOf": [measured, decided]}
    return {"$schema": DRAFT, "title": "findings of a command", **document, "maxItems": MOST} | {
        "$defs": {"JsonFinding": document["$defs"]["JsonFinding"] | one_way}
    }


def read_json(data: bytes) -> list[Reported]:
    """The findings of a document. Raises NoFindings for what is none, or holds too many of them."""
    try:
        document = json.loads(data, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, NoFindings) else f"is no JSON ({type(error).__name__})"
        raise NoFindings(message) from None
    if not isinstance(document, list):
        raise NoFindings('is no list of findings; write [{"subject": …, "value": …, "limit": "<= …"}]')
    if len(document) > MOST:
        raise NoFindings(f"holds {len(document):,} findings; {MOST:,} at most are taken")
    try:
        checked = _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        number, *keys = first["loc"] or (0,)
        entry = " ".join(["entry", str(int(number) + 1), ".".join(map(str, keys))]).strip()
        raise NoFindings(f"is not in form: {entry}: {first['msg'].removeprefix('Value error, ')}") from None
    return [finding.reported for finding in checked]


def _refuse_constant(name: str) -> None:
    raise NoFindings(f"holds {name}, which is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raise NoFindings where a key stands twice, since readers differ in which of the two they take."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise NoFindings("has a key twice in one object")
    return dict(pairs)
