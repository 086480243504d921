"""One piece of evidence that says everything a report can show, and one whose every text is hostile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lockgate.evidence.evidence import Evidence, GateResult, RequirementLine
from lockgate.evidence.finding import Decided, Finding, FindingLimit, Verdict

HOSTILE = "<script>x</script>|`b` @team\n]]> https://x.y \x1b[31m\u202e\x00 [l](u) **b** #1"


def finding(**more: Any) -> Finding:
    given: dict[str, Any] = {
        "id": "metrics/r1/geo=BR", "requirement": "r1", "subject": "auc", "slice": {"geo": "BR"}, "observed": 0.8712,
        "interval": (0.8521, 0.8895), "champion": 0.9223, "limit": FindingLimit(">=", 0.8923, "champion - 0.03"),
        "decided": Decided(
            "difference", "not_worse", -0.0511, -0.0642, -0.038, (">=", -0.03), 0.95, 0.0067, 2911.4, "delong paired, t"
        ),
        "rows": 4210, "positives": 388, "rows_needed": None, "verdict": Verdict.FAIL, "code": "worse_than_margin",
        "reason": "auc on geo=BR is 0.8712, 0.0511 below the champion's 0.9223", "remedy": "look at these rows",
        "detail": {},
    }  # fmt: skip
    return Finding(**(given | more))


PASSED = finding(
    id="metrics/r1/overall", slice={}, verdict=Verdict.PASS, code="met", reason="auc is 0.93", remedy=None, observed=0.93,
    interval=None, rows=50000,
)  # fmt: skip
WATCHED = finding(
    id="metrics/r1/geo=LU", slice={"geo": "LU"}, verdict=Verdict.PASS, code="watched", reason="auc on geo=LU: watched",
    remedy=None, rows=90, decided=replace(PASSED.decided or finding().decided, claim="no_harm"),  # type: ignore[type-var]
)  # fmt: skip
EMPTY = finding(
    id="metrics/r1/geo=XX", slice={"geo": "XX"}, verdict=Verdict.INCONCLUSIVE, code="no_rows", observed=None,
    interval=None, champion=None, decided=None, rows=0, reason="auc on geo=XX: there are no rows", remedy=None,
)  # fmt: skip


def evidence(*gates: GateResult, **more: Any) -> Evidence:
    return Evidence.from_document(
        {
            "schema": "lockgate/evidence/v1",
            "run": {"id": "20261121-041530-9f3c21ab"},
            "policy": {"sha256": "sha256:p"},
            "model": {
                "name": "fraud",
                "candidate": {"version": "7", "digest": "sha256:c"},
                "champion": {"version": "6", "digest": "sha256:h"},
            },
            "data": [{"name": "holdout", "path": "d", "digest": "sha256:d", "rows": 50000}],
            "waivers": [{"finding": "latency", "owner": "ann", "reason": "moving house", "until": "2026-12-01", "expired": False}],
            "asks": [],
            "gates": [gate.to_json() for gate in gates],
            "verdict": str(Verdict.worst(gate.verdict for gate in gates if gate.counts)),
            "opens": "no",
            **more,
        }
    )  # fmt: skip


METRICS = GateResult(
    "metrics", "metrics", True, Verdict.FAIL, "auc on geo=BR is 0.8712; and 1 more", (RequirementLine("r1", "auc >= champion - 0.03"),),
    (PASSED, finding(), WATCHED, EMPTY),
)  # fmt: skip
BROKEN = GateResult(
    "shadow", "shadow", True, Verdict.ERROR, "the model was killed", context={"broken": {"remedy": "more memory", "stderr": "line 1\nKilled\n"}}
)  # fmt: skip
WARNED = GateResult("metadata", "metadata", False, Verdict.INCONCLUSIVE, "nothing was measured")
WHOLE = evidence(METRICS, BROKEN, WARNED)

_EVIL = finding(
    id=f"metrics/r1/{HOSTILE}", subject=HOSTILE, slice={"geo": HOSTILE}, reason=HOSTILE, remedy=HOSTILE, code=HOSTILE,
    limit=FindingLimit(">=", None, HOSTILE),
)  # fmt: skip
EVIL = evidence(
    GateResult(HOSTILE, HOSTILE, True, Verdict.ERROR, HOSTILE, findings=(_EVIL,), context={"broken": {"remedy": HOSTILE, "stderr": HOSTILE}}),
    run={"id": HOSTILE},
    policy={"sha256": HOSTILE},
    model={"name": HOSTILE, "candidate": {"version": HOSTILE, "digest": HOSTILE}, "champion": {"version": HOSTILE, "digest": HOSTILE}},
    data=[{"name": HOSTILE, "path": HOSTILE, "digest": HOSTILE, "rows": 1}],
    waivers=[{"finding": f"{HOSTILE}/{HOSTILE}", "owner": HOSTILE, "reason": HOSTILE, "until": HOSTILE}],
)  # fmt: skip
