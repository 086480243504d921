"""One pull request as its comment tells it: a candidate whose average hides two ruined slices, and one that is nearly there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict
from lockgate.integrations.github.comment_report import CommentContext
from lockgate.signoff.policy import Owner, SignoffPolicy

RUN = {
    "id": "20261121-041530-9f3c21ab", "nonce": "5f0c", "started_at": "2026-11-21T04:15:30Z", "finished_at": "2026-11-21T04:19:02Z",
    "git": {"commit": "4c1d3f5a" * 5, "dirty": False},
}  # fmt: skip
POLICY = SignoffPolicy(
    groups={
        "owners": (Owner(github="octocat", id=583231), Owner(github="hubot", id=480938)),
        "risk": (Owner(github="monalisa", id=2),),
    },
    require={"owners": 1, "risk": 1},
)
CONTEXT = CommentContext(
    marker="<!-- lockgate:v1 1296269/1347/fraud -->",
    run_url="https://github.com/octo/models/actions/runs/30433642",
    commit="4c1d3f5a" * 5,
)
LINE = "average_precision >= champion - 0.03 on each slice"


def on_slice(
    name: str, value: float, champion: float, half: float, *, rows: int, verdict: Verdict, **more: Any
) -> Finding:
    """Average precision on one country beside the champion's, with an interval of that half width."""
    loss = value - champion
    slice_ = {"geography": name} if name else {}
    place = f"geography={name}" if name else "overall"
    said = f"average_precision on {place} is {value:.4g}, {abs(loss):.4g} {'below' if loss < 0 else 'above'} the champion's {champion:.4g}"
    return Finding(
        id=f"metrics/r1/{place}", requirement="r1", subject="average_precision", slice=slice_, observed=value,
        interval=(value - half, value + half), champion=champion, limit=FindingLimit(">=", champion - 0.03, "champion - 0.03"),
        decided=Decided("difference", "not_worse", loss, loss - half, loss + half, (">=", -0.03), 0.95, half / 1.645, rows / 3, "paired, t"),
        rows=rows, positives=rows // 11, verdict=verdict,
        **({"code": "met", "reason": said, "remedy": None, "detail": {}, "rows_needed": None} | more),
    )  # fmt: skip


BR = on_slice("BR", 0.771, 0.8222, 0.0131, rows=4210, verdict=Verdict.FAIL, code="worse_than_margin")
NG = on_slice("NG", 0.69, 0.795, 0.041, rows=1104, verdict=Verdict.FAIL, code="worse_than_margin")
PT = on_slice(
    "PT", 0.801, 0.82, 0.028, rows=1890, verdict=Verdict.INCONCLUSIVE, code="not_shown",
    remedy="about 2,900 more rows, or a tolerance of 0.048, would decide", rows_needed=4790,
)  # fmt: skip
US = on_slice("US", 0.861, 0.8523, 0.006, rows=31_980, verdict=Verdict.PASS)
DE = on_slice("DE", 0.855, 0.851, 0.009, rows=12_440, verdict=Verdict.PASS)
SMALL = [
    replace(
        on_slice(name, 0.8, 0.81, 0.2, rows=rows, verdict=Verdict.PASS, code="watched", reason=f"average_precision on geography={name}: watched"),
        detail={"smallest_loss_seen": loss},
    )
    for name, rows, loss in (("LU", 90, "0.31"), ("MT", 132, "0.24"), ("IS", 201, "0.19"))
]  # fmt: skip
P99 = Finding(
    id="latency/r1/overall", requirement="r1", subject="p99_ms", slice={}, observed=48.9, interval=(46.1, 52.0), champion=31.2,
    limit=FindingLimit("<=", 34.32, "champion * 1.10"),
    decided=Decided("ratio", "not_worse", 1.567, 1.44, 1.69, ("<=", 1.1), 0.95, None, None, "quantile ratio, blocks"),
    rows=3000, positives=None, rows_needed=None, verdict=Verdict.FAIL, code="worse_than_margin",
    reason="p99_ms is 48.9 ms, 1.567 times the champion's 31.2 ms (90 % interval 1.44–1.69); at most 1.1 times is allowed",
    detail={"counted_in": "requests"},
)  # fmt: skip

SIGNATURE = GateResult("signature", "signature", True, Verdict.PASS, "all 3 requirements met")
METRICS = GateResult(
    "metrics", "metrics", True, Verdict.FAIL, f"{BR.reason} (90 % interval 0.0381–0.0643); at most 0.03 below is allowed; and 1 more; 1 undecided; 3 under the no-harm check",
    (RequirementLine("r1", LINE, 0, 31),), (US, DE, BR, NG, PT, *SMALL),
)  # fmt: skip
LATENCY = GateResult(
    "latency",
    "latency",
    True,
    Verdict.FAIL,
    P99.reason,
    (RequirementLine("r1", "p99_ms <= champion * 1.10", 0, 36),),
    (P99,),
)
METADATA = GateResult("metadata", "metadata", False, Verdict.INCONCLUSIVE, "the version has no description")
NEARLY = GateResult(
    "metrics", "metrics", True, Verdict.INCONCLUSIVE, f"{PT.reason} (90 % interval 0.047 below to 0.009 above); at most 0.03 below is allowed: not shown; 3 under the no-harm check",
    (RequirementLine("r1", LINE, 0, 31),), (US, DE, PT, *SMALL),
)  # fmt: skip


def told(*gates: GateResult, **more: Any) -> Evidence:
    return Evidence.from_document(
        {
            "schema": "lockgate/evidence/v1", "run": RUN,
            "policy": {"sha256": "sha256:p", "files": [{"path": "gates/fraud.yaml", "sha256": "sha256:f"}]},
            "model": {"name": "fraud", "candidate": {"version": "7", "digest": "sha256:c"}, "champion": {"version": "6", "digest": "sha256:h"}},
            "data": [{"name": "holdout", "path": "data/holdout.parquet", "digest": "sha256:d", "rows": 52047}],
            "waivers": [], "asks": [], "gates": [gate.to_json() for gate in gates],
            "verdict": str(Verdict.worst(gate.verdict for gate in gates if gate.counts)), "opens": "no", **more,
        }
    )  # fmt: skip


STOPPED = told(SIGNATURE, METRICS, LATENCY, METADATA)
ASKING = told(SIGNATURE, NEARLY, METADATA, opens="by_owner", asks=[PT.id])
PASSING = told(SIGNATURE, replace(NEARLY, verdict=Verdict.PASS, reason="2 proven, 3 under the no-harm check; a loss under 0.31 would go unseen", findings=(US, DE, *SMALL)), opens="yes")  # fmt: skip
