"""Circumstances of a run: git, CI and machine, what it rests on, and whether what it evaluates stays on record."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate import git
from lockgate.errors import LockgateError, UsageError

if TYPE_CHECKING:
    from lockgate.evaluation.case import Case
    from lockgate.pipeline.pipeline import Pipeline
    from lockgate.runs.scoring_inputs import ScoringInputs

_CI_VARIABLES = (
    *("GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_SHA", "GITHUB_EVENT_NAME"),
    "CI",
)
# Jobs of these have a checkout that is gone afterwards, or is another one the next time.
_JOBS = ("CI", "GITHUB_ACTIONS", "GITHUB_EVENT_NAME", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "BUILDKITE")


def read_circumstances(root: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Git, CI and machine, for the evidence. Raises LockgateError where git refuses the checkout."""
    return {
        "git": git.checkout_state(root),
        "ci": {name: environ[name] for name in _CI_VARIABLES if environ.get(name)},
        "machine": {
            "cpus": os.cpu_count() or 0,
            "processor": platform.machine(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
    }


def leaves_no_record(environ: Mapping[str, str]) -> bool:
    """Whether a run that does not publish is forgotten: `.gate` of a job goes with it, and a pull request's may write nothing else."""
    return any(environ.get(name, "").lower() not in ("", "0", "false") for name in _JOBS)


def input_digests(pipeline: Pipeline, case: Case, inputs: ScoringInputs) -> dict[str, Any]:
    """What a resumed run must find as it was: policy, models, the data that gates name, and functions of one's own."""
    data, training = dict[str, str](), dict[str, list[str]]()
    for name in pipeline.data_of_gates:
        try:
            data[name] = case.dataset(name).digest
            if (seen_rows := case.dataset(name).seen_rows) is not None:
                training[name] = seen_rows.digests
        except LockgateError as error:
            data[name] = f"unreadable: {error.message}"
    champion = None if case.champion is None else case.champion.version
    return {
        "policy": pipeline.policy_digest,
        "candidate": [case.candidate.version.version, case.candidate.version.digest],
        "champion": None if champion is None else [champion.version, champion.digest],
        "data": data,
        **({"training": training} if training else {}),
        "functions": {
            "gates": {
                gate.title: code for gate in pipeline.gates if (code := _readable(partial(gate.origins, pipeline.root)))
            },
            "per_row": _readable(lambda: inputs.row_function_digests),
        },
    }


def _readable(origins: Callable[[], Mapping[str, str]]) -> dict[str, str]:
    try:
        return dict(origins())
    except UsageError as error:
        return {"unreadable": error.message}
