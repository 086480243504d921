"""Obstacles to a promotion by comment: changed or protected files, another run, another commit. No requests here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lockgate.evidence.completeness import PolicyGates
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github.schema import ChangedFile, PullRequest, WorkflowRun
from lockgate.signoff.decision import SignoffDecision
from lockgate.signoff.policy import SignoffPolicy
from lockgate.text import listed

WORKFLOW = "gate.yml"
# What only people may change, by review: files, and folders that end in a slash.
PROTECTED = (".github/", ".gate/", "gates/", "action.yml", "action.yaml")

_AGAIN = "run the gate workflow again, and ask for sign-off on that"


@dataclass(frozen=True)
class BranchPolicy:
    """The policy of the default branch, and its pipeline. when: what a promotion waits for.

    gates: what evidence must hold to open anything, None where nobody says. workflow: file name of the one whose runs leave
    its evidence. code: files and folders that decide what gates find which `prove` does not run again.
    """

    model: str
    policy_digest: str
    signoff: SignoffPolicy
    when: Literal["approved", "merged"] = "approved"
    gates: PolicyGates | None = None
    workflow: str = WORKFLOW
    code: tuple[str, ...] = ()


def obstacles(
    pull: PullRequest, files: Sequence[ChangedFile], run: WorkflowRun, evidence: Evidence, policy: BranchPolicy
) -> Iterator[SignoffDecision]:
    """Every reason why no comment can promote this evidence now. run: the newest of the gate's workflow on the newest commit."""
    request = f"pull request {pull.number}"
    yield from _not_open(pull, request)
    if len(files) < pull.changed_files:
        yield SignoffDecision(
            "refused",
            "too_many_files",
            f"{request} changes {pull.changed_files} files, of which GitHub lists {len(files)}",
            "split it, so that all of them are listed",
        )
    named = tuple(file["path"] for file in evidence.document["policy"]["files"])
    if changed := _protected_changes(files, [*PROTECTED, *named, *policy.code, *(f"{path}/" for path in policy.code)]):
        paths = listed(changed, 5)
        yield SignoffDecision(
            "refused",
            "needs_policy_review",
            f"{request} changes {paths}: it could change its own evaluation, so no comment promotes it",
            "bring these files to the default branch by a pull request of their own, then update this one"
            + (
                f"; gate check --against origin/{pull.base.ref} says what got looser"
                if set(changed) & set(named)
                else ""
            ),
        )
    yield from _other_run(pull, run, f".github/workflows/{policy.workflow}")
    yield from _other_evidence(pull, run, evidence)
    if evidence.model != policy.model:
        yield SignoffDecision(
            "refused", "other_model", f"the evidence is about {evidence.model}, the pipeline about {policy.model}"
        )
    if evidence.document["policy"]["sha256"] != policy.policy_digest:
        yield SignoffDecision(
            "superseded",
            "policy_changed",
            "the pipeline on the default branch is not the one that was evaluated",
            f"update {request} from its base; that evaluates it again",
        )
    elif policy.gates is not None and (gaps := policy.gates.gaps(evidence)):
        yield SignoffDecision(
            "refused",
            "incomplete",
            f"the evidence is not what a run of this pipeline leaves: {'; '.join(gaps)}",
            "find out who made this evidence, and run the gate workflow again",
        )
    if policy.when == "merged" and not pull.merged:
        yield SignoffDecision(
            "pending", "not_merged", f"{request} is not merged, and the policy waits for that", "merge it"
        )


def _protected_changes(files: Sequence[ChangedFile], protected: Sequence[str]) -> tuple[str, ...]:
    """The protected paths that a pull request changes, also where a file is moved away or into another's place."""
    folders = tuple(path.lower() for path in protected if path.endswith("/"))
    names = {path.lower() for path in protected} | {folder.rstrip("/") for folder in folders}
    paths = dict.fromkeys(path for file in files for path in file.paths)
    return tuple(path for path in paths if path.lower() in names or path.lower().startswith(folders))


def _not_open(pull: PullRequest, request: str) -> Iterator[SignoffDecision]:
    if pull.is_fork:
        yield SignoffDecision(
            "refused",
            "fork_denied",
            f"{request} comes from a fork, where anybody decides what runs",
            "push the branch to this repository and open it from there",
        )
    if pull.base.ref != pull.base.repo.default_branch:
        yield SignoffDecision(
            "refused",
            "not_default_branch",
            f"{request} goes to {pull.base.ref}, and models are promoted from {pull.base.repo.default_branch}",
        )
    if pull.state != "open" and not pull.merged:
        yield SignoffDecision("refused", "closed", f"{request} is closed and was not merged", "open it again")
    if pull.draft and not pull.merged:
        yield SignoffDecision("refused", "draft", f"{request} is a draft", "mark it as ready for review")


def _other_run(pull: PullRequest, run: WorkflowRun, workflow: str) -> Iterator[SignoffDecision]:
    """The run is not of this repository's own gate workflow on this pull request's newest commit."""
    here = pull.base.repo.id
    if run.repository.id != here or run.head_repository.id != here:
        yield SignoffDecision("refused", "other_repository", f"run {run.id} is not of this repository")
    if run.event != "pull_request" or run.workflow != workflow:
        yield SignoffDecision(
            "refused",
            "other_workflow",
            f"run {run.id} is of {run.workflow} on {run.event}, and evidence comes from {workflow} on pull_request",
        )
    if run.head_sha != pull.head.sha:
        yield SignoffDecision("superseded", "new_head", f"{pull.head.sha[:12]} was pushed after run {run.id}", _AGAIN)


def _other_evidence(pull: PullRequest, run: WorkflowRun, evidence: Evidence) -> Iterator[SignoffDecision]:
    """The evidence is of another commit, or of another run or attempt than the newest."""
    evaluated = evidence.document["run"]
    commit = (evaluated.get("git") or {}).get("commit")
    if commit != pull.head.sha:
        yield SignoffDecision(
            "superseded",
            "new_head",
            f"the evidence is of commit {str(commit)[:12]}, and the pull request's head is {pull.head.sha[:12]}",
            "let the gate check out the head of the pull request, not GitHub's test merge, and run it on that",
        )
    ci = evaluated.get("ci") or {}
    made_in = (str(ci.get("GITHUB_RUN_ID")), str(ci.get("GITHUB_RUN_ATTEMPT")))
    if made_in != (str(run.id), str(run.run_attempt)):
        yield SignoffDecision(
            "superseded",
            "new_run",
            f"the evidence is of run {made_in[0]}, attempt {made_in[1]}; the newest is {run.id}, attempt {run.run_attempt}",
            "ask for sign-off on the evidence of the newest run",
        )
