"""`output:` of a pipeline: which part of a model's answer is the score. Imports no numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from lockgate.config import Config
from lockgate.data.slices.spec import Name, Scalar
from lockgate.models.model import Model, Output

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.arrow_arrays import Array
    from lockgate.models.answers.answer_reader import AnswerReader


def _numbered(value: Any) -> Any:
    """The column of a matrix, which is called by its number, as text."""
    return str(value) if type(value) is int else value


class OutputPart(Config):
    """Which part of an answer is the score, and of which method."""

    column: Annotated[Name | None, BeforeValidator(_numbered)] = Field(
        default=None, description="The column of the answer that is the score; of a matrix its number, from 0."
    )
    label: Scalar = Field(default=None, alias="class", description="The class whose column or label is the score.")
    method: Name | None = Field(
        default=None, description="The method that is called, such as `predict_proba`; `predict` by default."
    )

    @model_validator(mode="after")
    def _column_or_class(self) -> OutputPart:
        if self.column is not None and self.label is not None:
            raise ValueError("the score is named by its column or by its class, not by both")
        return self

    @property
    def output(self) -> Output:
        return Output(column=self.column, label=self.label, method=self.method)


class OutputSpec(OutputPart):
    """`output:` of a pipeline, for both models, or for each by its role."""

    candidate: OutputPart | None = Field(default=None, description="The same for the candidate alone.")
    champion: OutputPart | None = Field(default=None, description="The same for the champion alone.")

    @model_validator(mode="after")
    def _both_or_each(self) -> OutputSpec:
        if self.parts and (self.column, self.label, self.method) != (None, None, None):
            raise ValueError(
                "column, class and method are written once for both models, or below candidate and champion"
            )
        return self

    @property
    def parts(self) -> dict[str, OutputPart]:
        """Role → what is written for it alone."""
        roles = {"candidate": self.candidate, "champion": self.champion}
        return {role: part for role, part in roles.items() if part is not None}

    def of(self, role: str) -> Output:
        """What is the score in the answers of that role."""
        if self.parts:
            return self.parts[role].output if role in self.parts else Output()
        return self.output


def scorer(model: Model, reader: AnswerReader) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Array]]:
    """Return what `build_scored` calls: batches in, the values of each out, in order, as `reader` reads them."""

    def values(batches: Iterator[pa.RecordBatch]) -> Iterator[Array]:
        row = 0
        for answer in model.predict(batches, method=reader.reading.output.method):
            yield reader.read(answer, rows_before=row)
            row += answer.num_rows

    return values
