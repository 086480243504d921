"""The pipelines of the story, as they are written into its checkout."""

from __future__ import annotations

from typing import Any

REGISTRY = {"kind": "mlflow", "uri": "sqlite:///mlflow.db"}
LATER, LONG_AGO = "2099-12-31", "2020-01-31"
AUTHOR = "dana@example.org"
FRAUD_DATA = {"path": "data/payments.csv", "label": "y", "id": "id", "slices": ["country"]}
METRICS = {
    "gate": "metrics",
    "data": "holdout",
    "require": ["auc >= 0.7", "auc >= champion - 0.08 on each slice", "recall >= 0.5"],
}


def pipelines(keys: dict[str, str]) -> dict[str, dict[str, Any]]:
    """name of the file → what it holds. keys: person → public key."""
    return {
        "fraud": fraud(keys),
        "sliced": sliced(keys),
        "merged": _scored(
            "sliced", small_slices={"min_rows": 100, "below": "merge"}, require=["auc >= 0.6 on each slice"]
        ),
        "blocked": _scored(
            "sliced",
            small_slices={"min_rows": 100, "below": "block"},
            require=["auc >= champion - 0.05 on each shop", "auc >= 0.5"],
        ),
        "observed": _scored("sliced", require=["auc >= 0.99"]) | {"mode": "observe"},
        "empty": _scored("sliced", path="data/nothing.csv", require=["auc >= 0.5"]),
        "missing": _scored("sliced", path="data/absent.csv", require=["auc >= 0.5"]),
        "unanswered": _unanswered(),
        "logged": _logged(),
        "tickets": _tickets(),
        "prices": _prices(),
        "search": _search(),
    }


def fraud(keys: dict[str, str]) -> dict[str, Any]:
    """Models are asked; olga and otto own it; promoted, overridden and rolled back."""
    return {
        "model": "fraud",
        "task": "binary",
        "threshold": 0.5,
        "registry": REGISTRY,
        "candidate": {"version": 2},
        "champion": {"alias": "production", "else": "none"},
        "data": {"holdout": FRAUD_DATA, "traffic": {"path": "data/traffic.jsonl", "slices": ["country"]}},
        "gates": [
            {"gate": "signature", "severity": "warn"},
            {
                "gate": "metadata",
                "waive": [{"finding": "metadata", "owner": "olga", "reason": "made by hand", "until": LATER}],
            },
            METRICS,
            {
                "gate": "latency",
                "severity": "warn",
                "load": {"closed": {"concurrency": 1}, "requests": 40, "warmup": 2},
                "require": [
                    # points: whether a busy machine held still is not asked
                    {"metric": "p50_ms", "at_most": 60000, "claim": "point"},
                    {"metric": "p90_ms", "at_most": "champion * 1000", "claim": "point"},
                    "error_rate <= 50%",
                    "errors <= 0",
                    "max_ms <= 600000",
                    "rss_mb <= 100000",
                    "gpus >= 0",
                ],
            },
            {
                "gate": "shadow",
                "data": "traffic",
                "needs": ["metrics"],
                "require": ["flip_rate <= 30%", "errors <= 0", "new_errors <= 0"],
            },
        ],
        "signoff": {
            "groups": {
                "owners": [{"key": keys["olga"]}, {"key": keys["otto"]}],
                "authors": [{"email": AUTHOR}],
            },
            "require": {"owners": 1},
            "override": {"owners": 1},
            "rollback": "owner",
        },
        "promotion": {"when": "approved", "soak": "1s", "retain": "30d"},
        "notify": [{"webhook": "${HOOK}", "on": ["waiting", "promoted", "rolled_back"]}],
    }


def sliced(keys: dict[str, str]) -> dict[str, Any]:
    """Scores lie in the data; all that a line, a slice and a waiver can say."""
    rows = {
        **_columns("data/payments.csv", "y"),
        "id": "id",
        "cluster": "user",
        "weight": "importance",
        "slices": [
            "country",
            "shop",
            {"column": "region", "values": ["near", "far", "lost"]},
            {"name": "band", "column": "amount", "bins": [0, 10, 50]},
            {"name": "risky", "where": {"amount": {"lt": 30}, "country": "BR"}},
            {"name": "spent", "column": "amount", "quantiles": 3},
        ],
        "small_slices": {"min_rows": 100, "min_positives": 20, "below": "watch"},
    }
    strict = {**_columns("data/payments.csv", "y"), "slices": ["region"]}
    waivers = [
        {"finding": "watched/r1/region=lost", "owner": "olga", "reason": "nobody is there", "until": LATER},
        {"finding": "watched/r2/overall", "owner": "olga", "reason": "it was so", "until": LONG_AGO},
    ]
    return {
        **_pipeline("sliced", "binary", {"rows": rows, "strict": strict}),
        "threshold": 0.5,
        "reuse": {"budget": 2},
        "gates": [
            {
                "gate": "metrics",
                "name": "watched",
                "data": "rows",
                "severity": "warn",
                "require": ["auc >= champion - 0.1 on each slice", "auc >= 0.7"],
            },
            {
                "gate": "metrics",
                "name": "asking",
                "data": "strict",
                "require": [
                    "recall >= 0.5",
                    {"metric": "auc", "at_least": 0.8, "on": "region=far", "if_inconclusive": "ask"},
                ],
            },
            {
                "gate": "metrics",
                "name": "gaps",
                "data": "rows",
                "severity": "warn",
                "require": [
                    "positive_rate gap over country <= 10%",
                    "recall gap over band <= 0.05",
                    {"metric": "auc", "gap_over": "risky", "at_most": 0.1, "confidence": 0.9, "min_rows": 100},
                    {"metric": "f1", "gap_over": "country", "at_most": "10%", "claim": "point"},
                ],
            },
            {
                "gate": "metrics",
                "name": "claims",
                "data": "rows",
                "severity": "warn",
                "require": [
                    {"metric": "auc", "at_least": "champion", "claim": "superior"},
                    {"metric": "auc", "at_least": "champion - 0.01", "on": "each country", "claim": "no_harm"},
                    {"metric": "accuracy", "at_least": "champion", "claim": "point"},
                    "log_loss <= champion * 1.1",
                    "brier <= champion + 0.05 on country=BR & band=[0,10)",
                    "recall(threshold=0.7) >= 60%",
                ],
            },
            {"gate": "metrics", "name": "behind", "data": "rows", "needs": ["gaps"], "require": ["auc >= 0.5"]},
            {"gate": "signature", "name": "skipped"},
        ],
        "waive": [*waivers, {"finding": "skipped", "owner": "otto", "reason": "old callers", "until": LATER},
                  {"finding": "behind", "owner": "otto", "reason": "for now", "until": LATER}],
        "signoff": {
            "groups": {"owners": [{"key": keys["olga"]}]},
            "require": {"owners": 1},
            "separation_of_duties": False,
        },
    }  # fmt: skip


def _pipeline(model: str, task: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": model,
        "task": task,
        "registry": REGISTRY,
        "candidate": {"version": 2},
        "champion": {"version": 1},
        "data": data,
    }


def _columns(path: str, label: str) -> dict[str, Any]:
    return {"path": path, "label": label, "scores": {"candidate": "p_new", "champion": "p_old"}, "recorded": "trusted"}


def _scored(model: str, *, require: list[Any], path: str = "data/payments.csv", **more: Any) -> dict[str, Any]:
    rows = {**_columns(path, "y"), "slices": ["shop", {"column": "region", "values": ["near", "far"]}], **more}
    gates = [{"gate": "metrics", "data": "rows", "require": require}]
    return {**_pipeline(model, "binary", {"rows": rows}), "threshold": 0.5, "gates": gates}


def _unanswered() -> dict[str, Any]:
    """A model that breaks, for want of which nothing else is lost."""
    return {
        **_pipeline("fraud", "binary", {"holdout": FRAUD_DATA}),
        "candidate": {"version": 4},
        "champion": "none",
        "threshold": 0.5,
        "gates": [{**METRICS, "require": ["auc >= 0.7"]}, {"gate": "metadata", "severity": "warn"}],
    }


def _logged() -> dict[str, Any]:
    """A version with all that a training job logs, whose inputs changed."""
    gates = [{"gate": "signature"}, {"gate": "metadata"}, {"gate": "latency", "severity": "warn"}]
    pipeline = _pipeline("fraud", "binary", {"holdout": FRAUD_DATA})
    return {**pipeline, "candidate": {"newest": True}, "champion": {"version": 2}, "gates": gates}


def _tickets() -> dict[str, Any]:
    classes = ["billing", "fraud", "other"]
    scores = {
        role: {name: f"{model}_{name}" for name in classes}
        for role, model in (("candidate", "new"), ("champion", "old"))
    }
    rows = {"path": "data/tickets.csv", "label": "team", "slices": ["country"], "scores": scores, "recorded": "trusted"}
    require = ["accuracy >= champion - 0.05", "recall(average=macro) >= 0.5 on each slice", "auc(class=fraud) >= 0.99"]
    gates = [{"gate": "metrics", "data": "rows", "require": require}]
    return {**_pipeline("tickets", "multiclass", {"rows": rows}), "classes": classes, "gates": gates}


def _prices() -> dict[str, Any]:
    scores = {"candidate": "new", "champion": "old"}
    rows = {
        "path": "data/prices.csv",
        "label": "price",
        "weight": "w",
        "slices": ["region"],
        "scores": scores,
        "recorded": "trusted",
    }
    require = [
        "rmse <= champion * 1.1",
        "mae <= champion + 0.5 on each slice",
        "quantile_loss(q=0.9) <= champion * 1.2",
    ]
    return {
        **_pipeline("prices", "regression", {"rows": rows}),
        "gates": [{"gate": "metrics", "data": "rows", "require": require}],
    }


def _search() -> dict[str, Any]:
    rows = {
        "path": "data/searches.csv",
        "label": "relevance",
        "query": "query",
        "cluster": "user",
        "slices": ["market"],
        "scores": {"candidate": "new", "champion": "old"},
        "recorded": "trusted",
    }
    require = ["ndcg(5) >= champion - 0.05 on each slice", "mrr >= 0.2", "hit_rate(3) gap over market <= 0.3"]
    return {
        **_pipeline("search", "ranking", {"rows": rows}),
        "gates": [{"gate": "metrics", "data": "rows", "require": require}],
    }
