"""Send the notifications of a pipeline's `notify`; a failure is a line on stderr, and no more."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lockgate.cli.output import show
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.webhooks import Notice, send
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.outcome import Outcome
from lockgate.runs.run import now
from lockgate.text import one_line


def notify_moved(
    pipeline: Pipeline, outcome: Outcome, *, evidence: Evidence | None = None, pull: str | None = None
) -> None:
    """A version became Production, or Production again. pull: the address of a pull request."""
    notice = Notice.moved(outcome, evidence, _links(pull)) if pipeline.notify else None
    if notice is not None:
        _send(pipeline, notice)


def notify_waiting(pipeline: Pipeline, evidence: Evidence, *, pull: str | None = None) -> None:
    """Evidence waits for sign-off."""
    if pipeline.notify and pipeline.signed and evidence.opens != "no":
        _send(pipeline, Notice.waiting(evidence, now(), _links(pull)))


def run_url(environ: Mapping[str, str]) -> str | None:
    """The address of this CI run, None where none is known: GitHub, GitLab, Jenkins."""
    server, repository, number = (environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    github = f"{server}/{repository}/actions/runs/{number}" if server and repository and number else None
    url = github or environ.get("CI_JOB_URL") or environ.get("BUILD_URL") or ""
    return url if url.startswith(("https://", "http://")) and url.isprintable() and " " not in url else None


def _links(pull: str | None) -> dict[str, str]:
    urls = {"pull_request": pull, "run": run_url(os.environ)}
    return {name: url for name, url in urls.items() if url is not None}


def _send(pipeline: Pipeline, notice: Notice) -> None:
    for line in send(pipeline.notify, notice, environ=os.environ):
        show(f"gate: {one_line(line)}", err=True)
