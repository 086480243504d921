"""The exhibits of every kind of gate, small enough to read."""

from __future__ import annotations

from lockgate.evidence.exhibit import Exhibit

BOTH = ("candidate", "champion")
ROC = Exhibit(
    "metrics/roc", "curve", ("model", "false_positive_rate", "true_positive_rate"),
    tuple((role, x / 10, (x / 10) ** power) for role, power in zip(BOTH, (0.3, 0.5), strict=True) for x in range(11)),
)  # fmt: skip
THRESHOLDS = Exhibit(
    "metrics/thresholds", "curve",
    ("model", "threshold", "precision", "recall", "f1", "positive_rate", "false_positive_rate", "in_use"),
    (
        ("candidate", 0.1, 0.2, 0.9, 0.33, 0.5, 0.4, 0), ("candidate", 0.42, 0.6, 0.55, 0.57, 0.1, 0.05, 1),
        ("candidate", 0.8, None, 0.0, 0.0, 0.0, 0.0, 0), ("champion", 0.1, 0.2, 0.8, 0.32, 0.5, 0.4, 0),
        ("champion", 0.5, 0.7, 0.45, 0.55, 0.08, 0.02, 1),
    ),
)  # fmt: skip
RELIABILITY = Exhibit(
    "metrics/reliability", "curve", ("model", "probability", "observed", "low", "high", "rows"),
    (("candidate", 0.02, 0.01, 0.005, 0.02, 500), ("candidate", 0.3, 0.15, 0.12, 0.18, 500), ("champion", 0.1, 0.1, 0.08, 0.12, 1000)),
)  # fmt: skip
FIXES = Exhibit(
    "metrics/fixes_and_breaks", "table",
    ("slice", "rows", "both_right", "candidate_fixes", "candidate_breaks", "both_wrong", "net", "low", "high"),
    (
        ("overall", 5000, 4200, 150, 320, 330, -0.034, -0.041, -0.027),
        ("amount_band=[50,200)", 900, 600, 20, 190, 90, -0.1889, -0.215, -0.163),
        ("country=BR", 4100, 3600, 130, 130, 240, 0.0, -0.006, 0.006),
    ),
)  # fmt: skip
CONFUSIONS = Exhibit(
    "metrics/confusions", "table", ("number", "label", "answered", "rows", "candidate", "champion"),
    (
        ("recall", "9", "", 78, 0.5128, 0.9359), ("recall", "8", "", 81, 0.9259, 0.9136), ("recall", "10", "", 90, 1.0, 1.0),
        ("share", "", "9", 249, 0.161, 0.293), ("share", "", "8", 249, 0.442, 0.305), ("share", "", "10", 249, 0.378, 0.382),
        ("rows", "9", "8", 78, 35, 2), ("rows", "8", "8", 81, 75, 74), ("rows", "8", "10", 81, 6, 6), ("rows", "9", "10", 78, 3, 3),
        ("rows", "10", "10", 90, 90, 90), ("rows", "8", "9", 81, 0, 1), ("rows", "9", "9", 78, 40, 73),
    ),
)  # fmt: skip
FLIPS = Exhibit(
    "shadow/flips", "table", ("champion", "candidate", "requests"),
    (("negative", "negative", 900), ("negative", "positive", 70), ("positive", "negative", 10), ("positive", "positive", 20)),
)  # fmt: skip
RATES = Exhibit(
    "shadow/flips_by_slice", "table", ("slice", "requests", "flips", "rate", "low", "high"),
    (("overall", 1000, 80, 0.08, 0.066, 0.096), ("country=BR", 100, 40, 0.4, 0.31, 0.49)),
)  # fmt: skip
CHANGES = Exhibit(
    "signature/changes", "table", ("side", "column", "change", "champion", "candidate", "breaking"),
    (("inputs", "amount", "removed", "double", "", "yes"), ("inputs", "channel", "added optional", "", "string", "no")),
)  # fmt: skip
FOUND = Exhibit(
    "metrics/found_slices", "table", ("slice", "rows", "candidate", "champion", "difference", "at_least", "p", "q"),
    (("country=BR & channel=web", 120, 0.2, 0.1, 0.1, 0.05, 0.001, 0.01), ("country=US", 900, 0.1, 0.09, 0.01, -0.02, 0.3, 0.6)),
)  # fmt: skip
ERRORS = Exhibit(
    "metrics/errors", "curve", ("model", "error", "share"),
    tuple((role, at, (at + 10) / 20) for role in BOTH for at in range(-9, 10, 3)),
)  # fmt: skip
ECDF = Exhibit(
    "latency/ecdf-batch-1", "ecdf", ("model", "latency_ms", "share", "low", "high"),
    (
        ("candidate", 1.0, 0.5, 0.4, 0.6), ("candidate", 20.0, 1.0, 0.9, 1.0), ("champion", 2.0, 0.5, 0.4, 0.6),
        ("champion", 18.0, 1.0, 0.9, 1.0), ("p99_ms <= 19", 19.0, 0.99, None, None),
    ),
)  # fmt: skip
TIMELINE = Exhibit(
    "latency/timeline-batch-1", "timeline", ("model", "block", "second", "median_ms", "longest_ms", "failed"),
    (("candidate", 0, 0.0, 1.0, 2.0, 0), ("champion", 0, 3.0, 1.0, 5.0, 0), ("candidate", 1, 1.0, 1.0, 900.0, 1)),
)  # fmt: skip
LOST = Exhibit(
    "shadow/lost_and_gained", "table",
    ("slice", "requests", "kept", "lost", "gained", "neither", "lost_rate", "low", "high"),
    (
        ("overall", 1000, 20, 10, 70, 900, 0.333, 0.19, 0.5),
        *((f"merchant_category=second-hand goods {number}", 90, 2, 2 + number % 5, 7, 79, 0.5, 0.2, 0.9) for number in range(40)),
    ),
)  # fmt: skip
ANSWERS = Exhibit(
    "shadow/answers", "bars", ("from", "to", *BOTH),
    tuple((at / 25, (at + 1) / 25, 800 // (1 + at * at), 700 // (1 + at * at)) for at in range(25)),
)  # fmt: skip
EXAMPLES = Exhibit(
    "shadow/flip_examples", "table", ("row", "id", "slice", "champion", "candidate", "amount", "note", "more"),
    tuple((number + 1, "2718fa6c" * 8, "merchant_category=second-hand goods 1", "positive", "negative", "5120.25", "a long text that is cut", "x") for number in range(20)),
)  # fmt: skip
MOVED = Exhibit(
    "shift/moved_features", "table",
    ("feature", "rows of the traffic", "distance", "at least", "at most", "farthest apart", "share", "share of the traffic", "missing",
     "missing in the traffic", "new values"),
    tuple((f"days since the {number}th order", 900, 0.4, 0.38, 0.42, "up to 30", 0.5, 0.9, 0.0, 0.0, 0.0) for number in range(30)),
)  # fmt: skip
REPLAY = (FLIPS, RATES, LOST, ANSWERS, EXAMPLES, MOVED)
PICTURES = (ROC, THRESHOLDS, RELIABILITY, FIXES, CONFUSIONS, CHANGES, FOUND, ERRORS, ECDF, TIMELINE, *REPLAY)
