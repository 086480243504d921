"""The process of a project's row functions: it gets rows, labels and the model's answers, and holds no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockgate.models.process.answer_batch import read_batch
from lockgate.models.process.host_process import HostProcess, to_stream
from lockgate.models.safe_text import RowText
from lockgate.text import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.models.row_functions import RowFunctionPlan


@dataclass(eq=False, repr=False, kw_only=True)
class RowFunctionProcess(HostProcess):
    """Starts when it is first needed. folder: that it works in. signature: the model's input columns, as the registry has them."""

    signature: Sequence[Mapping[str, Any]] | None = None

    def measure(
        self, plan: RowFunctionPlan, batch: pa.RecordBatch, answer: pa.RecordBatch, *, rows_before: int
    ) -> pa.RecordBatch:
        """What the functions, and the answer where the plan needs it, are for a batch that `plan.extend` made.

        answer: of the model, as `model_host.packed` makes it; it is only passed on. Raises ModelFault.
        """
        self.start()
        rows, count = to_stream(batch), batch.num_rows
        signature = None if self.signature is None else [*map(dict, self.signature)]
        header = {"verb": "measure", "signature": signature, "before": rows_before, "rows_bytes": rows.size}
        pending = self._send(
            {**header, **plan.header}, rows, to_stream(answer), rows=RowText(batch),
            doing=f"measuring {counted(count, 'row')}",
        )  # fmt: skip
        frame = self._receive(pending)
        with self._understanding(pending):
            return read_batch(frame.payload, rows=range(count, count + 1))


def is_packed(answer: pa.RecordBatch) -> bool:
    """Whether a batch is as `model_host.packed` makes it: bytes and nothing else, of any type or metadata."""
    import pyarrow as pa

    schema = pa.schema([pa.field("answer", pa.large_binary())])
    return bool(answer.replace_schema_metadata().schema.equals(schema, check_metadata=True))
