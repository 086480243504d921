"""List what a person does beside the files that are written: once for a repository, and for each pipeline of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lockgate.cli.github.existing_workflows import PLACEHOLDER, gate_steps
from lockgate.cli.github.workflow_files import Workflows
from lockgate.signoff.outlook import SAME_NUMBER

# The words before the first colon of an item are the heading of the same item in docs/github.md.
_ONCE = """\
 once for this repository:
  [ ] Accounts of MLflow: one that may only read, and one that may write; without accounts whoever reads can write, too
  [ ] Settings, Actions, General: read-only token by default; approval for outside contributors; only actions that you allow:
      {action}{private}
  [ ] Settings, Environments, model-promotion: deployment branches: only the default branch; no bypass for administrators;
      its secret MLFLOW_PROMOTE_PASSWORD and variable MLFLOW_PROMOTE_USERNAME: the account that may write
  [ ] Settings, Secrets and variables, Actions: variables MLFLOW_TRACKING_URI and MLFLOW_READ_USERNAME,
      secret MLFLOW_READ_PASSWORD: the account that may only read
  [ ] .github/CODEOWNERS: a line `/.github/ {owners}` and a line `/gates/ {owners}`
  [ ] Settings, Rules, Rulesets: for the default branch: changes by pull request only; review from code owners"""
LISTED_BEFORE = 'what there is to do at GitHub stays as it was (docs/github.md, "Everything to do at GitHub")'
_PRIVATE = "; where that repository is private, in its own settings: Actions, General, Access"
_DONE = " done once, for {others}: accounts, Actions, environment, secrets and variables, rules of the default branch"
_NO_SERVER = """\
  [ ] A registry on a server: GitHub's runners cannot reach {local}, on this machine, which {pipeline} names;
      {remedy}"""
_EACH = """\
  [ ] Data that runners find: committed, also with Git LFS, or at an address; what DVC keeps takes a step `dvc pull`
  [ ] Rights in MLflow: the account that may write needs EDIT on the registered model {model}, the one that reads READ
  [ ] Who approves: {pipeline} says it below signoff; gate check names nothing more that is missing in the repository
  [ ] Who trains: by an email of no account on GitHub in their commits, below signoff: authors: [{{email: dana@example.org}}] in
      the groups, or nobody can approve; an email of an account, which its owner added there, is enough without a line
  [ ] Who reviews the pipeline: the last line of .github/CODEOWNERS that fits it, such as `/{pipeline} {owners}`
  [ ] The first pull request: it brings what is written here into the default branch, promotes nothing, and says so
  [ ] The required check: "{check}", if any, once that is merged; it passes where a pull request changes nothing of the model
  [ ] The first promotion: a pull request that changes {changed}; an owner comments the line that it shows"""


def checklist(workflows: Workflows, root: Path, *, logins: Iterable[str]) -> list[str]:
    """What is to be done, in this order; what was done for the workflows of another pipeline is not listed again.

    logins: of the owners.
    """
    others = sorted({Path(step.pipeline).stem for step in gate_steps(root)} - {workflows.stem, ""})
    owners = " ".join(f"@{login}" for login in logins) or "@LOGIN"
    lines = ['to do, in this order (docs/github.md, "Everything to do at GitHub"):']
    if others:
        lines.append(_DONE.format(others=", ".join(others)))
    else:
        action = workflows.action.partition("@")[0]
        name = "lockgate's" if action == PLACEHOLDER else action
        lines += _ONCE.format(action=name, private=_PRIVATE, owners=owners).splitlines()
    lines.append(f" for {workflows.model}:")
    if workflows.local is not None:
        local, remedy = workflows.local
        lines += _NO_SERVER.format(pipeline=workflows.pipeline, local=local, remedy=remedy).splitlines()
    file = workflows.version_file
    each = _EACH.format(
        model=workflows.model,
        pipeline=workflows.pipeline,
        owners=owners,
        check=workflows.check,
        changed="what the gates read" if file is None else f"{file} ({SAME_NUMBER})",
    )
    return [*lines, *each.splitlines()]
