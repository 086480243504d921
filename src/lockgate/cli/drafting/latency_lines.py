"""The gate `latency` of a first pipeline: a limit with room above what a version took here, for its owners to set."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.evaluation.judging.number_format import rounded_up, short

_UNKNOWN = """\
  # - gate: latency
  #   require: [errors <= 0, p95_ms <= 100]"""
_GATE = """\
  - gate: latency
    require:
      - errors <= 0
      # a model of several threads can fail on a busy machine: OMP_NUM_THREADS=1 gate run measures it on one
{lines}
      # - p95_ms <= champion * 2  # for answers in a few milliseconds, noise of the machine is more than versions differ by"""
_LEAST_MS = 100.0
# Other machines are slower, and a limit is for people to set. Processor time is the same in a quiet moment and in a busy one.
_TIMES_CPU, _TIMES_P95 = 30, 3


@dataclass(frozen=True)
class RowTime:
    """What a row took in the quietest of a few moments: of the processor, 0 where that is not known, and 95 of 100 in all."""

    cpu_ms: float
    p95_ms: float

    @property
    def limit_ms(self) -> float:
        """A generous limit of one figure, which hardly depends on what else the machine does."""
        least = max(_TIMES_CPU * self.cpu_ms, _TIMES_P95 * self.p95_ms, _LEAST_MS)
        return rounded_up(least, figures=1)


def latency_gate(row_time: RowTime | None, *, version: str | None, signed: bool) -> str:
    """The text of the gate; a comment where no request was timed. signed: whether somebody approves."""
    if row_time is None:
        return _UNKNOWN
    limit = f"{row_time.limit_ms:g}"
    of_cpu = f", {short(row_time.cpu_ms)} of the processor" if row_time.cpu_ms else ""
    took = f"95 of 100 rows took version {version} at most {short(row_time.p95_ms)} ms here{of_cpu}; write what your users can wait for"
    asking = f"- {{metric: p95_ms, at_most: {limit}, if_inconclusive: ask}}"
    if signed:
        lines = [
            f"# {took}.",
            "# A fail blocks; where a busy machine leaves it undecided, whoever approves decides.",
            asking,
        ]
    else:
        lines = [
            f"- p95_ms <= {limit}  # {took}",
            f"# {asking}  # once somebody approves, who then decides what a busy machine leaves undecided",
        ]
    return _GATE.format(lines="\n".join(f"      {line}" for line in lines))
