"""What `quality_host.py` answers, read within bounds: a project's own code ran in its process, and may have written anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from lockgate.config import Config
from lockgate.errors import GateBroken
from lockgate.foreign.files import read_regular

_MOST_BYTES = 2**24
_Text = Annotated[str, StringConstraints(max_length=2000)]
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class CheckResult(Config):
    """One expectation and what it came to, as the host describes it."""

    type: _Text
    column: _Text | None
    words: _Text
    rows: _Count
    offenders: _Count | None
    first: Annotated[tuple[_Count, ...], Field(max_length=100)]
    observed: _Finite | None
    mostly: _Finite | None
    success: bool | None
    raised: tuple[_Text, _Text] | None
    problem: _Text | None
    warns: bool


class _Error(Config):
    type: _Text
    text: _Text


class QualityResults(Config):
    """All expectations in their order, and what they were checked with: package → version."""

    versions: Annotated[Mapping[str, _Text], Field(max_length=20)] = Field(default_factory=dict)
    checks: Annotated[tuple[CheckResult, ...], Field(max_length=10_000)] = ()
    error: _Error | None = None


def read_results(path: Path) -> QualityResults:
    """Raises GateBroken for what is no answer of our host, and where there is none."""
    try:
        return QualityResults.model_validate_json(read_regular(path, most=_MOST_BYTES), strict=True)
    except OSError as error:
        raise GateBroken(f"the checks left no results ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise GateBroken(
            f"the checks left results of another form ({place}: {first['msg']})",
            remedy="code of the schema must leave its working folder alone",
        ) from error
