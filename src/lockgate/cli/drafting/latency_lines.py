"""The gate `latency` of a first pipeline: a limit with room above what a version took here, for its owners to set."""

from __future__ import annotations

from lockgate.evaluation.judging.number_format import rounded_up, short

_UNKNOWN = """\
  # - gate: latency
  #   require: [errors <= 0, p95_ms <= 100]"""
_GATE = """\
  - gate: latency
    require:
      - errors <= 0
{lines}
      # - p95_ms <= champion * 2  # for answers in a few milliseconds, noise of the machine is more than versions differ by"""
_SLACK = 10  # times as slow as here a request may be: other machines are slower, and a limit is for people to set
_LEAST_MS = 100.0


def latency_gate(p95_ms: float | None, *, version: str | None, signed: bool) -> str:
    """The text of the gate; a comment where no request was timed. p95_ms: of a quiet moment. signed: whether somebody approves."""
    if p95_ms is None:
        return _UNKNOWN
    limit = f"{rounded_up(max(_SLACK * p95_ms, _LEAST_MS), figures=1):g}"
    took = f"95 of 100 rows took version {version} at most {short(p95_ms)} ms here; write what your users can wait for"
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
            f"# {asking}  # once somebody approves, what a busy machine leaves undecided too",
        ]
    return _GATE.format(lines="\n".join(f"      {line}" for line in lines))
