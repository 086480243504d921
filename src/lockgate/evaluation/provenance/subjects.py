"""The subjects of a version's origin, by name. Light: a pipeline is checked with them."""

from __future__ import annotations

from typing import Literal

BARE = ("training_data", "code_commit", "logged_metrics", "source_run", "requirements")
# Seven that every version must carry, and five without which nobody can train it again. A commit and pinned data are in
# both lists; the dataset of the first takes two findings here, its reference and its origin, and so do its metrics.
COMPLETE = (
    "training_data", "data_origin", "feature_schema", "logged_metrics", "slice_metrics", "code_commit", "source_run",
    "promotion_record", "serving_requirements", "requirements", "hyperparameters", "seeds",
)  # fmt: skip
QUERYABLE = ("model_type", "dataset_version", "feature_set_version", "experiment_owner")
LEAST_STEPS = 5  # a history of fewer values shows no course

# What may be kept under other names than those that are known.
Source = Literal[
    "training_data", "data_created", "data_code", "features", "slice_metrics", "code_commit", "code_dirty",
    "serving_requirements", "image", "hyperparameters", "hyperparameter_search", "estimator", "seeds", "model_type",
    "dataset_version", "feature_set_version", "experiment_owner",
]  # fmt: skip
PREFIXES = ("param", "tag", "version", "metadata", "model")  # where a name is looked for alone
