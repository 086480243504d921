"""Make the demo's data and models: payments of which a few are fraud, and four models trained on them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRAIN_ROWS, HOLDOUT_ROWS, TRAFFIC_ROWS = 60_000, 50_000, 8_000
WAVE_ROWS = 160  # of the traffic, in its last two days
COUNTRIES = ("US", "EU", "BR")
PAUSE_MS, STALL_MS, STALL_EVERY = 6.0, 110.0, 20
SEED, STEPS, RIDGE = 1, 15, 1e-6  # of the training


@dataclass(frozen=True)
class Payments:
    """Payments, one a row: the columns that models see, and whether each was fraud."""

    columns: dict[str, Any]
    is_fraud: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        return int(self.is_fraud.size)


@dataclass(frozen=True)
class DemoModel:
    """A trained model: weights by name of its feature, and how long a call takes.

    pause_ms: of a call; every `stall_every`-th one takes stall_ms instead (0: none does). velocity_column: what it calls
    that column. careless: whether it was logged as nobody should.
    """

    name: str
    story: str
    weights: dict[str, float]
    pause_ms: float = PAUSE_MS
    stall_ms: float = 0.0
    stall_every: int = 0
    velocity_column: str = "velocity"
    careless: bool = False

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("name", "story", "careless")}


def payments(rows: int, *, seed: int) -> Payments:
    """Payments with about 8 % fraud. In Brazil a partner reports the trust in a device where others report its risk."""
    rng = np.random.default_rng(seed)
    country = rng.choice(COUNTRIES, rows, p=[0.45, 0.30, 0.25])
    amount = np.round(np.exp(rng.normal(4.2, 1.1, rows)).clip(1, 4999), 2)
    velocity = rng.gamma(2.0, 1.5, rows).round(3)
    account_age_days = np.round(rng.exponential(400, rows), 1)
    device_risk = rng.normal(0, 1, rows).round(4)
    turned = np.where(country == "BR", -1.0, 1.0)
    logit = (
        -5.1
        + 0.45 * (np.log(amount) - 4.2)
        + 0.55 * velocity
        - 0.5 * (np.log1p(account_age_days) - 5)
        + 0.9 * turned * device_risk
    )
    is_fraud = rng.random(rows) < 1 / (1 + np.exp(-logit))
    columns = {
        "amount": amount,
        "velocity": velocity,
        "account_age_days": account_age_days,
        "device_risk": device_risk,
        "country": country,
        "channel": rng.choice(("web", "app"), rows),
    }
    return Payments(columns, is_fraud)


def traffic() -> Payments:
    """A week of payments, and in it a wave of fraud: new accounts in Brazil that pay often, from devices without any trust.

    The champion stops it by how often these pay. Whoever takes the trust in their devices for a risk lets it through.
    """
    week = payments(TRAFFIC_ROWS, seed=3)
    rng = np.random.default_rng(4)
    wave = np.sort(rng.choice(np.arange(TRAFFIC_ROWS * 5 // 7, TRAFFIC_ROWS), WAVE_ROWS, replace=False))
    week.columns["country"][wave] = "BR"
    week.columns["velocity"][wave] = rng.normal(9, 1, WAVE_ROWS).round(3)
    week.columns["device_risk"][wave] = rng.normal(-2, 0.4, WAVE_ROWS).round(4)
    week.columns["account_age_days"][wave] = rng.exponential(60, WAVE_ROWS).round(1)
    week.is_fraud[wave] = True
    return week


def features(columns: dict[str, Any], names: tuple[str, ...]) -> Floats:
    """The (n, k) matrix of features by name, the same that the registered model computes."""
    brazil = np.asarray(columns["country"]) == "BR"
    device = np.asarray(columns["device_risk"], dtype=np.float64)
    by_name = {
        "intercept": np.ones(len(brazil)),
        "log_amount": np.log(np.asarray(columns["amount"], dtype=np.float64)) - 4.2,
        "velocity": np.asarray(columns["velocity"], dtype=np.float64),
        "log_age": np.log1p(np.asarray(columns["account_age_days"], dtype=np.float64)) - 5,
        "device_risk": device,
        "device_risk_brazil": np.where(brazil, device, 0.0),
    }
    return np.column_stack([by_name[name] for name in names])


def train(data: Payments, names: tuple[str, ...], *, where: NDArray[np.bool_] | None = None) -> dict[str, float]:
    """Weights of a logistic regression by Newton's method, on all rows or on some."""
    rows = np.ones(data.rows, dtype=bool) if where is None else where
    x, y = features(data.columns, names)[rows], data.is_fraud[rows].astype(np.float64)
    weights = np.zeros(len(names))
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ weights))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(names)), x.T @ (y - p))
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return {name: float(round(weight, 6)) for name, weight in zip(names, weights, strict=True)}


def losses(data: Payments, weights: dict[str, float]) -> dict[str, float]:
    """The log loss over all rows, and of each country, under the names of metrics."""
    scores = features(data.columns, tuple(weights)) @ np.array(list(weights.values()))
    loss = np.logaddexp(0, np.where(data.is_fraud, -scores, scores))
    country = np.asarray(data.columns["country"])
    by_country = {f"log_loss/country/{name}": float(loss[country == name].mean()) for name in COUNTRIES}
    return {"log_loss": float(loss.mean()), **by_country}


def models(data: Payments) -> tuple[DemoModel, ...]:
    """The champion, the candidate that must be stopped, the one that may pass, and the same model logged carelessly."""
    basic = ("intercept", "log_amount", "velocity", "log_age")
    abroad = np.asarray(data.columns["country"]) != "BR"
    faster = PAUSE_MS - (STALL_MS - PAUSE_MS) / (STALL_EVERY - 1)
    whole = train(data, (*basic, "device_risk", "device_risk_brazil"))
    return (
        DemoModel("champion", "amount, velocity, age of the account", train(data, basic)),
        DemoModel(
            "bad candidate",
            "knows the device too, but was trained without Brazil; one call in twenty stalls, the others make up for it",
            train(data, (*basic, "device_risk"), where=abroad),
            pause_ms=faster,
            stall_ms=STALL_MS,
            stall_every=STALL_EVERY,
        ),
        DemoModel(
            "good candidate",
            "knows the device, and that Brazil reports it the other way round",
            whole,
        ),
        DemoModel(
            "careless candidate",
            "answers as well as the good one; where it comes from nobody can say, and a file of it runs a command",
            whole,
            velocity_column="txn_velocity",
            careless=True,
        ),
    )


def write_data(folder: Path) -> None:
    """Write `holdout.parquet` and `traffic.jsonl.gz` into a folder."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    folder.mkdir(parents=True, exist_ok=True)
    holdout = payments(HOLDOUT_ROWS, seed=2)
    table = {"txn_id": np.arange(holdout.rows), **holdout.columns, "is_fraud": holdout.is_fraud.astype(np.int64)}
    parquet.write_table(pa.table(table), folder / "holdout.parquet")
    week = traffic()
    times = np.datetime64("2026-11-02T00:00:00") + np.arange(week.rows) * (7 * 86_400 // week.rows)
    with gzip.GzipFile(folder / "traffic.jsonl.gz", "wb", mtime=0) as file:
        for row in range(week.rows):
            request = {name: values[row].item() for name, values in week.columns.items()}
            file.write((json.dumps({"request_id": f"r{row}", "at": f"{times[row]}Z", **request}) + "\n").encode())
