"""The words of a finding on a feature: where the two data sets are farthest apart, and what to do. Imports no numpy."""

from __future__ import annotations

from typing import Any

from lockgate.evaluation.judging.number_format import short
from lockgate.evidence.finding import Finding, Verdict

_REMEDIES = {
    "distance": "draw {data} anew, from rows like those of {traffic}, or weigh it so; or allow more",
    "null_rate_shift": "find out why values are missing in one of the two, or draw {data} anew; or allow more",
    "contract_violations": "mend what writes these values to {traffic}, or the contract, features:",
    "new_value_rate": "add rows with such values to {data}, or allow more",
}
_MEND = {
    "no_contract": "write features: into the pipeline",
    "too_many_values": "name the columns that are to be compared: columns: [...]",
    "not_compared": "name the columns that are to be compared: columns: [...]",
    "no_column": "name the columns that are to be compared: columns: [...]",
    "uncovered": "add rows of this slice to {data}, or cut slices by what both data have",
}


def explained(finding: Finding, data: str, traffic: str) -> dict[str, Any]:
    """The reason and remedy of a finding. data, traffic: names of the two data sets."""
    remedy = finding.remedy
    if finding.code in _MEND:
        remedy = _MEND[finding.code].format(data=data)
    elif finding.verdict is Verdict.FAIL:
        remedy = _REMEDIES.get(finding.subject, remedy or "").format(data=data, traffic=traffic) or remedy
    if "effective_rows" in finding.detail:
        return {"reason": f"{finding.reason}{_weighted(finding, data, traffic)}", "remedy": remedy}
    words = "" if finding.verdict is Verdict.PASS else _where(finding, data, traffic)
    return {"reason": f"{finding.reason}{words}", "remedy": remedy}


def _weighted(finding: Finding, data: str, traffic: str) -> str:
    """`; holdout weighted by country as traffic is mixed, 6,213 effective of 8,000; unweighted it is 0.912`."""
    detail = finding.detail
    strata = " and ".join(map(str, detail["strata"]))
    rows = f"{float(detail['effective_rows']):,.0f} effective of {finding.rows:,}"
    text = f"; {data} weighted by {strata} as {traffic} is mixed, {rows}"
    if "unweighted" not in detail:
        return text
    compared = "the difference" if finding.decided is not None and finding.decided.on == "difference" else "it"
    return f"{text}; unweighted {compared} is {short(float(detail['unweighted']))}"


def _where(finding: Finding, data: str, traffic: str) -> str:
    """`; 31.2 % of traffic are up to 38, 11.4 % of holdout`."""
    detail = finding.detail
    if detail.get("found"):
        return f": {'; '.join(map(str, detail['found']))}"
    if finding.observed is None or not detail.get("where"):
        return ""
    if "traffic_share" not in detail:
        return f"; in {traffic} are {detail['where']}"
    ours, theirs = (100 * float(detail[name]) for name in ("reference_share", "traffic_share"))
    return f"; {theirs:.3g} % of {traffic} are {detail['where']}, and {ours:.3g} % of {data}"
