"""One entry of `data:` in a pipeline."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from lockgate.config import Config, Duration, Share
from lockgate.data import remote
from lockgate.data.origin.version import problem_of, read_version, required_digest
from lockgate.data.overlap.not_in import NotInEntries
from lockgate.data.recordings import FORMATS, OWN_COLUMNS
from lockgate.data.recordings.path import need_path
from lockgate.data.slices.spec import Name, SliceEntries, SmallSlices
from lockgate.hashing import need_digest
from lockgate.references import parse
from lockgate.units import utc, utc_text

Role = Literal["candidate", "champion"]
Version = Annotated[
    str, BeforeValidator(read_version), WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
]
ClassColumns = Annotated[dict[Name, Name], Field(min_length=2)]


class VersionColumn(Config):
    """The version that gave each recorded answer, where a column holds it."""

    column: Name = Field(description="Column that holds the version which answered each row.")


class Recording(Config):
    """How recorded answers are held to those that the versions give now."""

    tolerance: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="How far a recorded answer may be from that of the version, such as `0.00005` where four decimals were "
        "kept.",
    )


def _until(value: Any) -> datetime:
    """The moment that a text names; a day is its end, 24:00 in UTC. Raises ValueError."""
    remedy = "write a day, 2026-11-21, or a moment with its time zone, 2026-11-21T10:00:00Z"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no moment; {remedy}")
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip(), re.ASCII):
            return utc(f"{value.strip()}T23:59:59.999999+00:00")
        return utc(value.strip())
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is no moment with a time zone; {remedy}") from None


Until = Annotated[
    datetime,
    BeforeValidator(_until),
    PlainSerializer(utc_text),
    WithJsonSchema(
        {"type": "string", "pattern": r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,]+\s*(Z|[+-][0-9:]+))?\s*$"}
    ),
]


class Join(Config):
    """Where the answers to recorded requests are, in records of their own."""

    path: Name = Field(description="The files of the answers, as `path` of the requests; it may be the same.")
    id: Name | None = Field(default=None, description="Column that names the request there; called as `id` by default.")
    columns: dict[Name, Annotated[str, AfterValidator(need_path)]] = Field(
        default={},
        description="Columns that are read out of its records, by their paths; those of the files by default.",
    )
    time: Name | None = Field(default=None, description="Column that says when it was answered; for `within`.")
    within: Duration | None = Field(
        default=None, description="How long after its request an answer still counts, such as `10m`; any by default."
    )


class DatasetSpec(Config):
    """One entry of `data:`. The columns are named here; that the files have them is checked when they are read."""

    path: Name = Field(
        description="A file, a folder, a glob or an address: `data/holdout.parquet`, `logs/*.jsonl.gz`, "
        "`s3://bucket/holdout/`."
    )
    digest: Annotated[str, AfterValidator(need_digest)] | None = Field(
        default=None, description="SHA-256 that the data must have, `sha256:…`; else any bytes are taken."
    )
    version: Version | None = Field(
        default=None,
        description="Version that is read: of a Delta table its number, of an object of S3 its version id, of what DVC or Git "
        "keeps here the whole hash of a commit, which the files must agree with; else the newest.",
    )
    pinned: bool = Field(
        default=False,
        description="Whether `version`, `digest` or the address must pin the data; else `gate check` refuses.",
    )
    format: Literal[*FORMATS] | None = Field(  # type: ignore[valid-type]  # of a mapping
        default=None, description="Whose logs of requests these are; their columns are named on the page of recordings."
    )
    columns: dict[Name, Annotated[str, AfterValidator(need_path)]] = Field(
        default={},
        description="Columns that are read out of nested records, by their paths: `{amount: request.body.amount}`; the keys "
        "below name these. The columns of the files by default.",
    )
    join: Join | None = Field(
        default=None, description="Recorded answers in other files, or other records, joined by `id` of the request."
    )
    label: Name | None = Field(default=None, description="Column that holds the truth.")
    id: Name | None = Field(default=None, description="Column that names each row, once.")
    cluster: Name | None = Field(
        default=None,
        description="Column of what rows belong together by, such as a user; their errors are taken to be dependent.",
    )
    weight: Name | None = Field(default=None, description="Column that says how much each row counts.")
    slices: SliceEntries = Field(
        default=(),
        description="Parts of the rows that lines such as `on each slice` speak of: columns, or declared slices.",
    )
    small_slices: SmallSlices = Field(
        default=SmallSlices(),
        description="From how many rows on a slice is judged like a large one, and what becomes of the others.",
    )
    last: Duration | None = Field(
        default=None,
        description="Keeps the rows of this long before the run, such as `7d`; needs `time`. All rows by default.",
    )
    until: Until | None = Field(
        default=None, description="Counts `last` back from this day or moment instead of the run, such as `2026-03-31`."
    )
    time: Name | None = Field(default=None, description="Column that says when a row was recorded.")
    keep_ids: bool = Field(
        default=False, description="Whether ids stand in the run's scored table as they are, instead of hashed."
    )
    hash: tuple[Name, ...] = Field(
        default=(),
        description="Columns whose values are written as hashes, as ids are, wherever a run writes one; models get the values.",
    )
    drop: tuple[Name, ...] = Field(
        default=(), description="Columns that are not read: neither models nor programs, slices or reports have them."
    )
    scores: dict[Role, Name | ClassColumns] | None = Field(
        default=None,
        min_length=1,
        description="Columns of recorded scores by role, such as `{candidate: new_score, champion: score}`; the models are "
        "asked for a sample of them. With `{champion: score}` the candidate is asked about all rows.",
    )
    ignore: tuple[Name, ...] = Field(
        default=(),
        description="Parts of recorded answers that are structures which are not compared, such as `[request_id, meta.time]`.",
    )
    answered_by: dict[Role, Version | VersionColumn] | None = Field(
        default=None,
        min_length=1,
        description="Which version gave the recorded scores, by role: `{candidate: 7, champion: 6}`, or `{champion: {column: "
        "version}}`. Others than those that are judged are refused.",
    )
    recorded: Literal["trusted"] | Recording | None = Field(
        default=None,
        description="`trusted`: recorded scores are taken for the versions' own, and no model is asked; else those that a "
        "sample does not confirm are for an owner to accept. `{tolerance: 0.001}`: how far they may be off.",
    )
    query: Name | None = Field(default=None, description="Column that says which rows are of one query; of a ranking.")
    max_unused: Share = Field(
        default=0.05,
        description="Share of recorded requests that may be damaged, cut, contradictory, late or, with `scores`, without an "
        "answer; nothing is decided above it.",
    )
    max_repeated: Share | None = Field(
        default=None, description="Share of rows that may repeat an earlier one, such as `1%`; no limit by default."
    )
    not_in: NotInEntries = Field(
        default=(),
        description="Training data, of which no row may count here: `{path: data/train.parquet}`, `training` for what the "
        "candidate's run logged, or a list of these.",
    )
    max_seen: Share = Field(
        default=0.01,
        description="Share of rows that may be in the data of `not_in`; the rest is judged up to it, and nothing passes "
        "above.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetSpec:
        if self.last is not None and self.time is None:
            raise ValueError("`last` needs `time`, the column that says when a row was recorded")
        if self.last is not None and not self.last:
            raise ValueError("`last` is no time at all; write a span like 7d")
        if self.until is not None and self.last is None:
            raise ValueError("`until` needs `last`, the span that is counted back from it; write one like last: 7d")
        if self.keep_ids and self.id is None:
            raise ValueError("`keep_ids` needs `id`, the column that holds them")
        if remote.is_url(self.path) and not remote.names_something(self.path):
            raise ValueError("`path` is an address that names nothing; write one like s3://bucket/holdout.parquet")
        if self.join is not None:
            self._refuse_join(self.join)
        self._refuse_needed()
        if "${" not in self.path:  # else a variable is not set here, and a run that has it looks again
            self._refuse_unpinned()
        if "max_unused" in self.model_fields_set and not self.is_recording:
            raise ValueError("`max_unused` is for recordings: it needs `columns`, `format` or `join`")
        if "max_seen" in self.model_fields_set and not self.not_in:
            raise ValueError("`max_seen` needs `not_in`, the training data whose rows are looked for")
        for key in ("ignore", "answered_by", "recorded"):
            if self.scores is None and getattr(self, key):
                raise ValueError(f"`{key}` needs `scores`, the columns of the recorded answers that it speaks of")
        unrecorded = next((role for role in self.answered_by or () if role not in (self.scores or ())), None)
        if unrecorded is not None:
            raise ValueError(f"`answered_by` names the {unrecorded}, of which `scores` names no column")
        return self

    def _refuse_needed(self) -> None:
        """Raise ValueError where `hash` or `drop` names a column whose values are needed."""
        needed = dict.fromkeys((name for entry in self.slices for name in entry.columns), "column of a slice")
        needed |= self.roles
        for column in self.drop:
            if column in needed:
                raise ValueError(
                    f"`drop` leaves out {column!r}, the {needed[column]}; name another column, or `hash` it"
                )
            if column in self.hash:
                raise ValueError(f"{column!r} stands in `hash` and in `drop`; a column that is not read needs no hash")
        by_value = {name for entry in self.slices if not entry.each_value for name in entry.columns}
        hashed_anyway = ("id", "cluster", "query") if not self.keep_ids else ("cluster", "query")
        for column in self.hash:
            if column in by_value:
                raise ValueError(
                    f"`hash` hides the values of {column!r}, and a slice names them; write it as {column} alone"
                )
            if self.roles.get(column, "id") not in hashed_anyway:
                raise ValueError(f"`hash` hides {column!r}, the {self.roles[column]}, which a run has to show")

    def _refuse_join(self, join: Join) -> None:
        """Raise ValueError where nothing says by what, or from when on, answers are joined."""
        if self.format is not None:
            raise ValueError("`join` is for columns by path; what `format` writes is put together by itself")
        if self.id is None:
            raise ValueError("`join` needs `id`, the column that names each request")
        if join.within is not None and (self.time is None or join.time is None):
            raise ValueError("`join.within` needs `time` of the requests, and `join.time` of the answers")

    @property
    def is_recording(self) -> bool:
        """Whether rows are lifted out of records, or put together, before they are read."""
        return bool(self.columns) or self.format is not None or self.join is not None

    def _refuse_unpinned(self) -> None:
        """Raise ValueError where the version is none of what lies at the path, or nothing pins what is to be pinned."""
        elsewhere = remote.is_url(remote.local(self.path))
        problem = None if self.version is None else problem_of(self.version, self.path, remote=elsewhere)
        if problem is not None:
            raise ValueError(problem)
        if self.pinned and not (self.version or self.required_digest or (elsewhere and parse(self.path).pinned)):
            raise ValueError(
                "`pinned` needs `version` or `digest`, or an address that pins one object; nothing says which data are meant"
            )

    @property
    def roles(self) -> dict[str, str]:
        """Column → what it is, of those that are named here and are no feature."""
        roles = {
            column: f"recorded score of the {role}"
            for role, source in (self.scores or {}).items()
            for column in ([source] if isinstance(source, str) else source.values())
        }
        roles |= {column: f"version of the {role}" for role, column in self.version_columns.items()}
        roles |= OWN_COLUMNS if self.format is not None else {}
        if self.join is not None and self.join.time is not None:
            roles[self.join.time] = "time of an answer"
        named = {"label": self.label, "weight": self.weight, "id": self.id, "cluster": self.cluster,
                 "query": self.query, "time": self.time}  # fmt: skip
        return roles | {column: role for role, column in named.items() if column is not None}

    def asks(self, role: str) -> bool:
        """Whether the model of a role is asked about these rows: neither its own answers nor the candidate's are recorded."""
        return not {role, "candidate"} & set(self.scores or ())

    @property
    def version_columns(self) -> dict[Role, str]:
        """Role → the column that says which version gave its recorded answers."""
        return {
            role: source.column
            for role, source in (self.answered_by or {}).items()
            if isinstance(source, VersionColumn)
        }

    @property
    def trusts_recorded(self) -> bool:
        """Whether recorded answers are taken for the versions' own."""
        return self.recorded == "trusted"

    @property
    def asks_models(self) -> bool:
        """Whether a model is asked about the rows: about all of them, or a sample of those whose answers are recorded."""
        return self.asks("candidate") or not self.trusts_recorded

    @property
    def required_digest(self) -> str | None:
        """What the bytes must have, by `digest` or by the address: `…#sha256=…`."""
        return self.digest or required_digest(self.path)
