"""`not_in` of an entry of `data:`: rows that the candidate must not have been trained on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from lockgate.config import Config
from lockgate.hashing import need_digest

Text = Annotated[str, StringConstraints(min_length=1)]


class NotIn(Config):
    """Data whose rows are looked for: a file of the project, or what the candidate's run logged as its training data."""

    path: Text | None = Field(
        default=None,
        description="The training data, as `path` of an entry of `data:`: a file, a folder, a glob or an address.",
    )
    digest: str | None = Field(
        default=None, description="SHA-256 that it must have, `sha256:…`; else any bytes are taken."
    )
    training: bool = Field(
        default=False,
        description="Whether the training data that the candidate's run logged is meant, instead of a `path`.",
    )
    columns: tuple[Text, ...] = Field(
        default=(),
        description="Columns by which a row is recognised, such as an id that both have; by default what the candidate is "
        "given, but for label, id, weight, cluster, query and time.",
    )

    @model_validator(mode="after")
    def _names_one_reference(self) -> NotIn:
        if (self.path is None) is not self.training:
            raise ValueError(
                "`not_in` names a path, or training: write not_in: {path: data/train.parquet} or not_in: training"
            )
        if self.digest is not None and self.path is None:
            raise ValueError("`digest` is that of a `path`")
        if self.digest is not None:
            need_digest(self.digest)
        return self


def _entry(value: Any) -> Any:
    return {"training": True} if value == "training" else value


NotInEntry = Annotated[NotIn, BeforeValidator(_entry, json_schema_input_type=Literal["training"] | NotIn)]
NotInEntries = Annotated[
    tuple[NotInEntry, ...],
    BeforeValidator(
        lambda value: value if isinstance(value, list | tuple) else (value,),
        json_schema_input_type=NotInEntry | list[NotInEntry],
    ),
]
