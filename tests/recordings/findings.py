"""`run_gate` on fixed rows: every metric of every task, by slice and against the champion."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from recordings import shelf

PROSE = ("reason", "remedy")  # left out; texts for people inside `detail` are masked
TEXTS = ("outlook", "reason", "remedy", "too_few", "watched")
BINARY = [
    "auc >= champion - 0.05", "auc >= 0.7 on each country", "average_precision >= champion * 0.9", "average_precision >= 0.5",
    "accuracy >= 0.6", "accuracy >= champion - 0.02 on each country", "precision >= 0.5", "recall >= champion - 0.1",
    "recall(threshold=0.7) >= 0.6", "f1 >= 0.7", "f1 >= champion - 0.05", "positive_rate <= 60%", "false_positive_rate <= 0.3",
    "recall_at_precision(0.8) >= 0.1", "recall_at_precision(precision=0.7) >= champion - 0.2", "log_loss <= 0.7",
    "log_loss <= champion * 1.05", "brier <= champion + 0.02", "calibration_error <= 0.2", "brier <= 0.3",
    "positive_rate gap over country <= 10%", "auc gap over country <= 0.1", "recall gap over country <= 0.02",
]  # fmt: skip
CLAIMS: list[Any] = [
    {"metric": "auc", "at_least": "champion", "claim": "superior"},
    {"metric": "auc", "at_least": "champion + 0.2", "claim": "superior", "confidence": 0.9},
    {"metric": "auc", "at_least": "champion - 0.01", "claim": "no_harm"},
    {"metric": "auc", "at_least": "champion - 0.001"},
    {"metric": "brier", "at_most": "champion", "claim": "no_harm"},
    {"metric": "recall", "at_least": 0.6, "claim": "point"},
    {"metric": "f1", "gap_over": "country", "at_most": "10%", "claim": "point"},
    {"metric": "auc", "at_least": 0.5, "min_rows": 5000},
    {"metric": "accuracy", "at_least": 0.99},
]
MULTICLASS = [
    "accuracy >= champion - 0.05 on each country", "recall(average=macro) >= 0.5", "recall(class=fraud) >= champion - 0.1",
    "precision(macro) >= champion * 0.9", "f1(average=micro) >= 0.5", "f1(average=macro) >= 0.99", "auc(average=macro) >= 0.7",
    "auc(class=fraud) >= champion - 0.05", "average_precision(class=other) >= 0.3", "log_loss <= champion + 0.05",
    "brier <= champion * 1.1", "brier(class=fraud) <= 0.2", "calibration_error(class=fraud) <= 0.2",
    "top_k_accuracy(k=2) >= 0.8", "recall(class=billing) gap over country <= 0.1",
]  # fmt: skip
REGRESSION = [
    "rmse <= champion * 1.02", "rmse <= 12", "mae <= champion + 0.5 on each region", "mae <= 5", "r2 >= champion - 0.01",
    "r2 >= 0.5", "quantile_loss(q=0.9) <= champion * 1.02", "quantile_loss(0.1) <= 3 on each region",
    "mae gap over region <= 1",
]  # fmt: skip
RANKING = [
    "ndcg(5) >= champion - 0.02", "ndcg(k=5, gain=exponential) >= 0.5 on each market", "dcg(3) >= champion * 0.9", "mrr >= 0.5",
    "mrr(relevant=2) >= champion - 0.1", "map(8) >= 0.5", "recall_at(3) >= 0.5", "precision_at(k=2, relevant=2) >= 0.1",
    "hit_rate(1) >= champion - 0.05", "hit_rate(3) gap over market <= 0.1",
]  # fmt: skip
SHADOW = [
    "flip_rate <= 2%",
    "flip_rate <= 30% on each country",
    "flip_rate gap over country <= 0.2",
    "errors <= 0",
    "new_errors <= 5",
]
BEHAVIOUR = [
    "changed_rate(swap=country) <= 5%", "changed_rate(noise=1%) <= champion + 0.05", "changed_rate(drop=amount) <= 1%",
    "fall_rate(raise=amount) <= 1% on each country", "rise_rate(raise=amount, tolerance=0.005) <= 10%", "errors(drop=amount) <= 0",
    "changed_rate(swap=country) gap over country <= 10%",
]  # fmt: skip
SCORES = {"candidate": "p_new", "champion": "p_old"}


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(title, gate, arguments of `run_gate`)."""
    rows = shelf.payments()
    payments: dict[str, Any] = {"table": rows, "label": "y", "scores": SCORES, "slices": ["country"]}
    yield "binary", "metrics", {**payments, "require": BINARY}
    yield "binary, users and weights", "metrics", {
        **payments, "cluster": "user", "weight": "importance", "require": BINARY[:8] + BINARY[15:19],
    }  # fmt: skip
    yield "claims", "metrics", {**payments, "require": CLAIMS}
    small = {**payments, "slices": ["shop", {"column": "region", "values": ["near", "far", "lost"]}]}
    for below in ("watch", "merge", "block"):
        yield f"small slices: {below}", "metrics", {
            **small,
            "small_slices": {"min_rows": 100, "min_positives": 20, "below": below},
            "require": ["auc >= champion - 0.1 on each slice", "accuracy >= 0.5 on each region"],
        }  # fmt: skip
    yield "no rows", "metrics", {**payments, "table": rows.head(0), "require": ["auc >= 0.5", "recall >= 0.5"]}
    yield (
        "one class",
        "metrics",
        {**payments, "table": rows[rows["y"] == 1], "require": ["auc >= 0.5", "recall >= 0.3"]},
    )
    yield (
        "few rows",
        "metrics",
        {**payments, "table": rows.head(6), "require": ["auc >= 0.5", "accuracy >= champion - 0.5"]},
    )
    yield (
        "no champion",
        "metrics",
        {**payments, "scores": {"candidate": "p_new"}, "require": ["auc >= 0.5", "auc >= champion - 0.1"]},
    )
    yield "bins, crosses and conditions", "metrics", {
        **payments,
        "slices": [
            "country",
            "region",
            {"name": "band", "column": "amount", "bins": [0, 10, 50]},
            {"column": "amount", "quantiles": 3},
            {"name": "risky", "where": {"amount": {"lt": 30}, "country": "BR"}},
            {"cross": ["country", "region"]},
        ],
        "require": ["auc >= 0.5 on each slice", "recall >= 0.4 on country=BR & band=[0,10)"],
    }  # fmt: skip
    scores = {
        role: {name: f"{model}_{name}" for name in ("billing", "fraud", "other")}
        for role, model in (("candidate", "new"), ("champion", "old"))
    }
    tickets = {"table": shelf.tickets(), "label": "team", "scores": scores, "slices": ["country"]}
    yield "multiclass", "metrics", {**tickets, "task": "multiclass", "require": MULTICLASS}
    both = {"candidate": "new", "champion": "old"}
    prices = {"table": shelf.prices(), "label": "price", "scores": both, "slices": ["region"], "task": "regression"}
    yield "regression", "metrics", {**prices, "require": REGRESSION}
    yield "regression, weighted", "metrics", {**prices, "weight": "w", "require": REGRESSION[:6]}
    searches = {"table": shelf.searches(), "label": "relevance", "query": "query", "scores": both, "slices": ["market"]}
    yield "ranking", "metrics", {**searches, "cluster": "user", "require": RANKING}
    lost = rows.assign(
        p_new=rows["p_new"].where(rows["id"] % 100 != 3), p_old=rows["p_old"].where(rows["id"] % 200 != 3)
    )
    yield "shadow", "shadow", {**payments, "require": SHADOW}
    yield "shadow, unanswered", "shadow", {**payments, "table": lost, "require": SHADOW}
    yield "behaviour", "behaviour", _altered(payments)
    yield "behaviour and seen rows", "behaviour", {
        **_altered(payments), "not_in": rows[["country", "amount", "user"]].head(5), "max_seen": 0.5,
    }  # fmt: skip
    yield "seen rows", "metrics", {**payments, "require": BINARY[:2], "not_in": rows[["id"]].head(300)}
    yield "latency of a table", "latency", {**payments, "require": ["p50_ms <= 20"]}
    beside = ["recall gap over country <= champion + 0.05", "auc gap over country <= champion * 2"]
    yield "gaps beside the champion", "metrics", {**payments, "require": beside}


def _altered(payments: dict[str, Any]) -> dict[str, Any]:
    """Rows whose altered answers lie beside them; one in fifty is not answered with no amount."""
    rows = payments["table"]
    moved = (rows["p_new"] * 0.97).where(rows["id"] % 50 != 7)
    table = rows.assign(swapped=rows["p_new"] * 0.98, raised=rows["p_new"] * 1.01, dropped=moved, old=rows["p_old"])
    answers = {"swap=country": "swapped", "raise=amount": "raised", "noise=1%": "swapped", "drop=amount": "dropped"}
    altered = {way: {"candidate": column, "champion": "old"} for way, column in answers.items()}
    return {**payments, "table": table, "altered": altered, "require": BEHAVIOUR}


def measure() -> list[dict[str, Any]]:
    """Every finding of every case."""
    from lockgate.testing import run_gate

    records = []
    for title, kind, arguments in cases():
        result = run_gate(kind, **arguments)
        records.append(
            {
                "case": title,
                "verdict": str(result.verdict),
                "counts": result.counts,
                "requirements": [_exact(requirement) for requirement in result.requirements],
                "context": _exact(result.context),
                "findings": [_finding(finding) for finding in result.findings],
                "exhibits": [exhibit.name for exhibit in result.exhibits],
            }
        )
    return records


def _finding(finding: Any) -> dict[str, Any]:
    return {name: value for name, value in _exact(finding).items() if name not in PROSE}


def _exact(value: Any) -> Any:
    """As JSON, floats by their repr."""
    if dataclasses.is_dataclass(value):
        return {field.name: _exact(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {
            str(key): "<text>" if key in TEXTS and isinstance(inner, str) and inner else _exact(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return repr(value)
    return value if value is None or isinstance(value, bool | int) else str(value)
