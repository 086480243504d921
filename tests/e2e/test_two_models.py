"""Two models in one pull request, as one story: an objection, an updated branch, a merge queue, and two promotions.

The emulated GitHub holds each request to GitHub's own description; the registry is a real MLflow, and the jobs have the
inputs of the workflows that `gate init --github` wrote. What the gates found is laid down: other tests ask them. Comments
are kept whole in `snapshots/comment-two-*.md` (see `test_pull_request.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from helpers.comment_snapshots import shown
from helpers.hub.contract import github
from helpers.hub.emulator import BOT, NAME, NUMBER, World, user
from helpers.hub.served import TOKEN, Served
from helpers.promoting import Models, measured
from lockgate.cli.commands import github as github_command
from lockgate.cli.commands import init
from lockgate.evidence.evidence import Evidence
from lockgate.pipeline.loader import load

ACTION = "acme/lockgate@" + "0123456789" * 4
PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///m.db"}}
candidate: {{file: models/{model}.version}}
champion: {{alias: production, else: none}}
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{owners}]}}
  require: {{owners: 1}}
promotion: {{when: {when}}}
"""


class Repository:
    """The default branch with pipelines and written workflows of two models, and one pull request of dev."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models = folder, Models.fresh(folder)
        (folder / ".git").mkdir()
        (folder / "gates").mkdir()
        (folder / "requirements.txt").write_text("mlflow\n")
        owners = ", ".join(f"{{github: {name}, id: {user(name)['id']}}}" for name in ("ana", "bo"))
        self.policies = {}
        for model, when in (("fraud", "approved"), ("churn", "merged")):
            path = folder / "gates" / f"{model}.yaml"
            path.write_text(PIPELINE.format(model=model, owners=owners, when=when))
            self.policies[model] = load(path, environ=None).policy_digest
            self.models.mlflow.create_registered_model(model)
            written = CliRunner().invoke(init.command, ["--github", "--model", model, "--action", ACTION])
            assert written.exit_code == 0, written.output
        self.versions = {model: self.models.register_documented(model) for model in self.policies}
        self.world = World(github(), now=datetime.now(UTC).replace(microsecond=0))
        self.world.files = [{"filename": f"models/{model}.version"} for model in self.policies]
        self.served = Served(self.world)

    def path(self, model: str, file: str) -> str:
        """Of the workflow that is written for a model."""
        return f".github/workflows/{file if model == 'fraud' else f'{file}-{model}'}.yml"

    def written(self, model: str, file: str) -> dict[str, Any]:
        workflow: dict[str, Any] = yaml.safe_load((self.folder / self.path(model, file)).read_text())
        return workflow

    def job(self, model: str, file: str, name: str, event: dict[str, Any], **environ: str) -> dict[str, str]:
        """A job of a written workflow; the outputs of its step of ours."""
        workflow = self.written(model, file)
        steps = workflow["jobs"][name]["steps"]
        (inputs,) = (step["with"] for step in steps if step.get("uses") == ACTION)
        output = self.folder / "output"
        output.unlink(missing_ok=True)
        (self.folder / "event.json").write_text(json.dumps(event))
        by = event.get("sender", user("dev"))
        given = {
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_API_URL": self.served.api,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_WORKFLOW_REF": f"{NAME}/{self.path(model, file)}@refs/heads/main",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_RUN_ID": "77",
            "GITHUB_ACTOR": by["login"],
            "GITHUB_ACTOR_ID": str(by["id"]),
            "GITHUB_TRIGGERING_ACTOR": by["login"],
            "GATE_TOKEN": TOKEN,
            "GATE_PIPELINE": inputs["pipeline"],
            "GATE_WORKFLOW": inputs.get("workflow", ""),
            "GATE_RECORD": str(self.folder / "record"),
            "GATE_PROOF": str(self.folder / "gate-proof"),
            **environ,
        }
        done = CliRunner(env=given).invoke(github_command.command, [inputs["command"]], standalone_mode=False)
        assert done.return_value == 0, done.stderr
        return dict(line.split("=", 1) for line in output.read_text().splitlines())

    def changed(self, event: dict[str, Any], on: str) -> dict[str, str]:
        """model → what the first job of its gate says."""
        return {
            model: self.job(model, "gate", "changes", event, GITHUB_EVENT_NAME=on)["changed"] for model in self.policies
        }

    def ask(self, by: str = "dev") -> dict[str, Evidence]:
        """Both gates on the newest commit, set off by somebody; model → the evidence that its run left."""
        found = {}
        for model, policy in self.policies.items():
            workflow = self.written(model, "gate")
            version, path = self.versions[model], self.path(model, "gate")
            found[model] = self.world.run_gate(
                by, path=path, model=model, version=version, policy=policy, findings=measured()
            )
            upload = workflow["jobs"]["gate"]["steps"][-1]["with"]["name"]
            assert re.sub(r"\$\{\{.*?\}\}", str(NUMBER), upload) == self.world.artifacts[-1]["name"]
            self.job(model, "gate", "comment", {"pull_request": {"number": NUMBER}})
        return found

    def decide(self, event: dict[str, Any]) -> dict[str, str]:
        """Both workflows that a comment starts; model → what its first job decides."""
        states = {}
        for model in self.policies:
            states[model] = self.job(model, "gate-approve", "decide", event)["reason-code"]
            record = self.folder / "record" / "record.jsonl"
            if record.exists():
                self.world.keep(record.read_bytes(), path=self.path(model, "gate-approve"))
                record.unlink()
        return states

    def promote(self, model: str, event: dict[str, Any], digest: str) -> None:
        for name, state in (("prove", "proven"), ("promote", "promoted")):
            assert self.job(model, "gate-approve", name, event, GATE_DIGEST=digest)["state"] == state

    def comment(self, model: str) -> str:
        """The one comment about a model."""
        ours = [one["body"] for one in self.world.comments.values() if one["user"] == BOT]
        assert len(ours) == len(self.policies)
        return next(str(body) for body in ours if f"/{model} -->" in body)

    def production(self, model: str) -> str | None:
        return dict(self.models.registry.aliases(model)).get("production")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.chdir(tmp_path)
    here = Repository(tmp_path)
    yield here
    here.served.close()
    assert here.served.violations == []


def test_two_models_an_objection_an_updated_branch_and_a_merge_queue(repository: Repository) -> None:
    """Each model is approved by its own digest and promoted on its own; what closes holds both; the queue opens nothing."""
    here, world = repository, repository.world
    pull = {"pull_request": {"number": NUMBER}}
    assert here.changed(pull, "pull_request") == {"fraud": "yes", "churn": "yes"}
    first = here.ask()
    shown("two-opened-fraud", here.comment("fraud"))
    shown("two-opened-churn", here.comment("churn"))

    # an objection in an owner's own words holds both, and its author alone takes it back
    assert here.decide(world.comment("ana", "/Gate **reject**: Brazil looks wrong")) == {
        "fraud": "rejected",
        "churn": "rejected",
    }
    shown("two-rejected", here.comment("churn"))
    assert set(here.decide(world.comment("bo", f"/gate approve {first['fraud'].digest}")).values()) == {"rejected"}
    assert here.decide(world.comment("ana", "/gate revoke")) == {"fraud": "approved", "churn": "not_merged"}

    # an owner presses "Update branch": new evidence, approvals begin anew, and theirs still counts
    world.update_branch("bo")
    second = here.ask("bo")
    shown("two-updated", here.comment("fraud"))
    assert here.decide(world.comment("ana", "/gate status")) == {"fraud": "votes_missing", "churn": "not_merged"}
    approval = world.comment("bo", f"/gate approve {second['fraud'].digest}")
    assert here.decide(approval) == {"fraud": "approved", "churn": "not_merged"}
    here.promote("fraud", approval, second["fraud"].digest)
    assert (here.production("fraud"), here.production("churn")) == ("1", None)
    shown("two-promoted", here.comment("fraud"))

    # the other is approved, and waits for the queue, whose commit is asked about and can approve nothing
    vote = world.comment("bo", f"/gate approve {second['churn'].digest}")
    assert here.decide(vote) == {"fraud": "approved", "churn": "not_merged"}
    queue = {"action": "checks_requested", "merge_group": {"base_sha": "b" * 40, "head_sha": "a" * 40}}
    assert here.changed(queue, "merge_group") == {"fraud": "yes", "churn": "yes"}
    world.files, files = [{"filename": "README.md"}], world.files
    assert here.changed(queue, "merge_group") == {"fraud": "no", "churn": "no"}
    world.files = files
    world.runs.append({**world.runs[-1], "id": world.number(), "event": "merge_group", "head_sha": "a" * 40})
    assert here.decide(world.comment("ana", "/gate status"))["churn"] == "not_merged"
    shown("two-queued", here.comment("churn"))
    assert here.production("churn") is None

    world.merge()
    merged = world.comment("ana", "/gate status")
    assert here.decide(merged)["churn"] == "approved"
    here.promote("churn", merged, second["churn"].digest)
    assert (here.production("fraud"), here.production("churn")) == ("1", "1")
    shown("two-merged", here.comment("churn"))
