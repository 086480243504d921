"""Circumstances of a run: git, CI and machine, and whether what it evaluates stays on record."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockgate import git

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
