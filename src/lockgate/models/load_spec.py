"""`load:` of a pipeline: how many requests are sent, how large, and when. Imports no numpy, for static checks."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from lockgate import units
from lockgate.config import Config, Duration

BLOCKS = 20  # pairs of blocks at least: the interval of a ratio of two models is estimated from how blocks differ
BLOCK = 50_000  # requests of a block at most, so that one fits in memory and a long run takes turns more often
SLOT_S = 60.0  # of a block that ends by time, at most
MOST = 100_000_000
BYTES = 24  # of a request in the request log, for the plan
CONNECTIONS = 8
REQUESTS = 600  # where a pipeline names no number: twice as many as p99 needs
RATE = 100.0  # where an open loop has no rate


def _rate(value: Any) -> Any:
    return units.rate(value) if isinstance(value, str) else value


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(each)}" for name, each in value.items()) + "}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


Rate = Annotated[
    float,
    BeforeValidator(
        _rate, json_schema_input_type=Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*/\s*(s|m|min|h)\s*$")]
    ),
]


class Closed(Config):
    """So many workers, each of which sends when its last request was answered: what is measured is service time."""

    concurrency: int = Field(default=1, ge=1, le=1000, description="How many requests are under way at a time.")


class Load(Config):
    """How requests arrive: an open loop at a rate (response time, from the intended send time), or a closed loop."""

    rate: Rate | None = Field(
        default=None,
        description="Open loop: requests that are sent in a time whatever became of those before, such as `100/s`. Without "
        "`rate` and `closed` servers get 100/s, or half of what they bear, and a process is sent one request at a time.",
    )
    arrivals: Literal["poisson", "constant"] = Field(
        default="poisson", description="Of an open loop: as users come (`poisson`), or evenly spaced (`constant`)."
    )
    closed: Closed | None = Field(
        default=None, description="Closed loop instead of `rate`: each worker sends when its last request was answered."
    )
    requests: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Requests for each model and batch size. By default twice as many as the lines need at least, 600 or "
        "more; before slow models as many as fit in six seconds, but twice as many as the lines need.",
    )
    warmup: int = Field(
        default=20, ge=0, le=100_000, description="Requests before the first block that are not counted."
    )
    batch_size: int | tuple[int, ...] = Field(
        default=1,
        description="Rows in a request: a number, or several such as `[1, 32]`, which lines name as `p99_ms(batch=32)`.",
    )
    duration: Duration | None = Field(
        default=None,
        description="Instead of `requests`, how long each model is sent requests, for each batch size; 1s to 24h.",
    )
    stall: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="How many requests in a row may be slow, or fail, together; percentiles and error rates count them as "
        "one.",
    )

    @model_validator(mode="after")
    def _one_loop(self) -> Load:
        if self.rate is not None and self.closed is not None:
            raise ValueError("give rate (an open loop) or closed, not both")
        if self.duration is not None and self.requests is not None:
            raise ValueError("give requests or duration, not both")
        if self.duration is not None and not 1 <= self.duration.total_seconds() <= 86400:
            raise ValueError("duration is that of all blocks of one model together, from 1s to 24h")
        if self.planned is not None and self.planned > MOST:
            raise ValueError(f"rate and duration make {self.planned:,} requests; {MOST:,} are the most")
        if any(not 1 <= size <= 100_000 for size in self.sizes) or len(set(self.sizes)) != len(self.sizes):
            raise ValueError("batch_size is a number of rows, or several different ones, each from 1 to 100,000")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.batch_size,) if isinstance(self.batch_size, int) else self.batch_size

    @property
    def arrival_rate(self) -> float | None:
        """Requests a second of an open loop; None for a closed one."""
        return None if self.closed is not None else self.rate or RATE

    @property
    def names_loop(self) -> bool:
        """Whether the pipeline says how requests arrive."""
        return self.rate is not None or self.closed is not None or "arrivals" in self.model_fields_set

    @property
    def names_number(self) -> bool:
        """Whether the pipeline says how many requests are sent, or how long."""
        return self.requests is not None or self.duration is not None

    def with_rate(self, rate: str) -> str:
        """The load as a pipeline writes it, with another rate: of what it says, all but the default values."""
        fields = self._written
        fields.pop("closed", None)
        return _flow({"rate": rate, **{name: value for name, value in fields.items() if name != "rate"}})

    def with_fields(self, **fields: int) -> str:
        """The load as a pipeline writes it, with other fields; a number of requests goes in the place of a duration."""
        written = {
            name: value for name, value in self._written.items() if "requests" not in fields or name != "duration"
        }
        return _flow({**written, **fields})

    @property
    def _written(self) -> dict[str, Any]:
        fields = {name: value for name, value in self.model_dump(exclude_unset=True).items() if value is not None}
        if self.rate is not None:
            fields["rate"] = f"{self.rate:g}/s"
        if self.duration is not None:
            fields["duration"] = units.duration_text(self.duration)
        return fields

    def completed(self, *, at_once: bool, least: int) -> Load:
        """Return the same with a loop and a number of requests, where the pipeline leaves them open.

        at_once: whether the models answer several requests at a time, as servers do. least: requests without which a line
        is not decided.
        """
        loop: dict[str, Any] = {}
        if not self.names_loop:
            loop = {"rate": RATE} if at_once else {"closed": Closed()}
        number = {} if self.names_number else {"requests": min(max(REQUESTS, 2 * least), MOST)}
        return self.model_copy(update=loop | number)

    @property
    def planned(self) -> int | None:
        """Number of requests that a model gets; None where a closed loop goes on for a duration."""
        if self.duration is None:
            return self.requests or REQUESTS
        rate = self.arrival_rate
        return None if rate is None else max(1, math.floor(rate * self.duration.total_seconds()))

    @property
    def blocks(self) -> int:
        """Number of blocks that the requests of a model are divided into; the least number where time ends the load."""
        if self.planned is not None:
            return min(self.planned, max(BLOCKS, math.ceil(self.planned / BLOCK)))
        seconds = 0.0 if self.duration is None else self.duration.total_seconds()
        return max(BLOCKS, math.ceil(seconds / SLOT_S))

    @property
    def spoken(self) -> str:
        if self.closed is not None:
            concurrency = self.closed.concurrency
            return f"closed loop, {'one request' if concurrency == 1 else f'{concurrency} requests'} at a time: service time"
        return f"open loop, {self.arrival_rate:g} requests a second, {self.arrivals} arrivals: response time"
