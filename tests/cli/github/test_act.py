"""The action and the written workflows run under act, a runner that nobody here wrote, against the emulated GitHub.

What act cannot fetch here is replaced as `acting` says; `queue: max` is taken out, which act does not know.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from helpers.acting import ACTION, ROOT, Acted, Runner
from helpers.hub.contract import github
from helpers.hub.emulator import BOT, NAME, World, user
from helpers.hub.served import TOKEN, Served
from helpers.index import reachable
from helpers.promoting import Models, measured
from lockgate.cli.github.workflow_files import PINNED, Workflows
from lockgate.pipeline.loader import load

READING, WRITING = "reading-credential", "writing-credential"
SECRETS = {"GITHUB_TOKEN": TOKEN, "MLFLOW_READ_PASSWORD": READING, "MLFLOW_PROMOTE_PASSWORD": WRITING}
INSTALLED = "acme/installed@" + "9876543210" * 4
PIPELINE = """\
model: {model}
task: binary
registry: {{uri: "sqlite:///{folder}/m.db"}}
candidate: {{newest: true}}
champion: {{alias: production, else: none}}
threshold: 0.5
gates:
  - gate: metadata
signoff:
  groups: {{owners: [{{github: ana, id: {ana}}}]}}
  require: {{owners: 1}}
"""
STEPS = """\
on: {{issue_comment: {{types: [created]}}}}
permissions: {{}}
jobs:
  decide:
    runs-on: ubuntu-latest
    steps:
      - uses: {checkout}
        with: {{ref: main}}
      - id: gate
        uses: {whole}
        with: {{command: decide, pipeline: gates/fraud.yaml}}
      - env: {{STATE: "${{{{ steps.gate.outputs.state }}}}", CODE: "${{{{ steps.gate.outputs.reason-code }}}}"}}
        run: echo "told $STATE because $CODE"
  unknown:
    runs-on: ubuntu-latest
    steps:
      - uses: {whole}
        with: {{command: 'decide; touch "$STORE/run"'}}
  hostile:
    runs-on: ubuntu-latest
    steps:
      - uses: {checkout}
        with: {{ref: main}}
      - uses: {installed}
        with:
          command: decide
          pipeline: |-
            x'"; touch "$STORE/run"; $(touch "$STORE/run") `touch "$STORE/run"`
            state=approved
            ::set-output name=state::approved
            ::add-mask::told
"""


class Pull(Runner):
    """A pull request on the emulated GitHub that asks for a version of a model, and a runner for its comments."""

    def __init__(self, folder: Path, model: str, python: str = sys.executable) -> None:
        super().__init__(folder, python)
        self.model = model
        pipeline = self.tree / "gates" / "fraud.yaml"
        pipeline.parent.mkdir()
        pipeline.write_text(PIPELINE.format(model=model, folder=folder, ana=user("ana")["id"]))
        (self.tree / "requirements.txt").touch()
        self.workflow = written(model, self.tree)
        policy = load(pipeline, environ={}).policy_digest
        self.world = World(github(), policy=policy, now=datetime.now(UTC).replace(microsecond=0))
        self.served = Served(self.world)

    def tell(self, event: dict[str, Any], workflow: str | None = None) -> Acted:
        who = {"GITHUB_ACTOR": "ana", "GITHUB_ACTOR_ID": str(user("ana")["id"]), "GITHUB_TRIGGERING_ACTOR": "ana"}
        given = {"GITHUB_API_URL": self.served.api, "GITHUB_REPOSITORY": NAME, **who}
        done = self.run(workflow or self.workflow, event, environ=given, secrets=SECRETS)
        self.served.close()
        assert self.served.violations == []
        return done


def written(model: str, root: Path, name: str = "gate-approve.yml") -> str:
    """A workflow, as `gate init --github` writes it."""
    return dict(Workflows.for_pipeline(model, Path("gates/fraud.yaml"), action=ACTION, root=root).texts)[name]


def test_the_action_as_it_is_installs_itself_and_decides_and_hostile_inputs_stay_text(tmp_path: Path) -> None:
    """Nothing of it replaced: outputs, summary and exit code are right; an unknown command is 2.

    The token may not comment, so that the summary has what the comment would have. The checkout is a stand-in.
    """
    if not reachable():
        pytest.skip("no package index can be reached, so the action cannot install anything")
    pull = Pull(tmp_path, "fraud")
    pull.put_ours(installed=False)
    pull.put_ours(INSTALLED, installed=True)
    evidence = pull.world.run_gate()
    refused = (403, {}, b'{"message": "Resource not accessible by integration"}')
    pull.world.fault = lambda method, target: refused if method in ("POST", "PATCH") else None
    checkout = PINNED["checkout"].split(" ")[0]
    event = pull.world.comment("ana", "/gate status")
    done = pull.tell(event, STEPS.format(checkout=checkout, whole=ACTION, installed=INSTALLED))

    told = {name: value for name, value in done.outputs("decide").items() if value}

    assert done.jobs["decide"] == "success", done.log("decide")
    assert f"/gate approve {evidence.digest}" in done.summary("decide")
    assert told == {"state": "pending", "reason-code": "votes_missing", "evidence-digest": evidence.digest}
    assert "told pending because votes_missing" in done.log("decide")
    assert (done.jobs["unknown"], done.exits("unknown")) == ("failure", {2})
    assert not any(done.outputs("unknown").values())
    assert (done.jobs["hostile"], done.outputs("hostile")["state"]) == ("success", "refused"), done.log("hostile")
    assert not list(pull.store.iterdir())
    assert done.code != 0


def test_an_approval_is_decided_proven_and_promoted(tmp_path: Path, warm_gate: str) -> None:
    """The written workflow, its conditions and what its jobs hand on; no credential is in what they say.

    lockgate is installed already, as the tests' own; GitHub's four actions are stand-ins.
    """
    models = Models.fresh(tmp_path)
    pull = Pull(tmp_path, models.new(), warm_gate)
    pull.put_ours(installed=True)
    asked = models.register_documented(pull.model)
    evidence = pull.world.run_gate(model=pull.model, version=asked, findings=measured())
    event = pull.world.comment("ana", f"/gate approve {evidence.digest}")
    done = pull.tell(event)

    assert done.jobs == {"decide": "success", "prove": "success", "promote": "success"}, done.said[-30:]
    assert [done.outputs(job)["state"] for job in ("decide", "prove", "promote")] == ["approved", "proven", "promoted"]
    assert "re-run, with the same result: metadata" in done.log("prove")
    assert models.registry.aliases(pull.model)["production"] == asked.version
    assert f"{asked} is promoted" in [one["body"] for one in pull.world.comments.values()][-1]
    assert sorted(path.name for path in pull.store.iterdir()) == ["gate-12", "gate-proof"]
    held = [one for one in done.said if WRITING in str(one) or READING in str(one)]
    assert {one.get("command") for one in held} == {"add-mask"}


def says(told: str) -> str:
    """A script that decides this, fails its gates, and writes down what each command was given."""
    return f"""\
printf '%s\\n' "$IN_COMMAND ${{MLFLOW_TRACKING_PASSWORD:-nothing}}$IN_REASON" >> "$STORE/../given"
case "$IN_COMMAND" in
  decide | changes) printf %s {shlex.quote(told)} >> "$GITHUB_OUTPUT" ;;
  prove) mkdir "$RUNNER_TEMP/gate-proof" ;;
  run) mkdir "$RUNNER_TEMP/gate-evidence"; touch "$RUNNER_TEMP/gate-evidence/evidence.json"; exit 1 ;;
esac
"""


class Desk(Runner):
    """The written workflows, with an action in lockgate's place that says what it is told."""

    def __init__(self, folder: Path, told: str = "") -> None:
        super().__init__(folder)
        outputs = {"state": "${{ steps.one.outputs.state }}", "evidence-digest": "${{ steps.one.outputs.digest }}"}
        outputs["changed"] = "${{ steps.one.outputs.changed }}"
        self.put(ACTION, says(told), outputs=outputs)
        (self.tree / "requirements.txt").touch()

    def tell(self, event: dict[str, Any], name: str = "gate-approve.yml", on: str = "issue_comment") -> Acted:
        return self.run(written("fraud", self.tree, name), event, on=on, secrets=SECRETS)

    @property
    def given(self) -> list[str]:
        return (self.folder / "given").read_text().splitlines()


@pytest.mark.parametrize(
    ("told", "then"),
    [
        ("state=approved", [f"prove {READING}", f"promote {WRITING}"]),
        ("state=pending", []),
        ("state=", []),
        ("", []),
        ("state<<E\napproved\nx\nE", []),
        ("state=approved; x", []),
        ("digest=approved", []),
        ("state=true", []),
    ],
)
def test_47_whatever_a_decision_says_but_approved_promotes_nothing(tmp_path: Path, told: str, then: list[str]) -> None:
    """Nor does it let a job see a credential. With an action in lockgate's place that says this; the workflow is the written one."""
    desk = Desk(tmp_path, told)
    done = desk.tell(World(github()).comment("ana", "/gate status"))

    assert (done.code, done.jobs["decide"]) == (0, "success")
    assert desk.given == ["decide nothing", *then]


def edited(world: World, before: str, after: str) -> dict[str, Any]:
    made = world.comment("ana", before)
    return world.edit(made["comment"]["id"], "ana", after)


def deleted(world: World, body: str) -> dict[str, Any]:
    return world.delete(world.comment("ana", body)["comment"]["id"], "ana")


def on_an_issue(world: World) -> dict[str, Any]:
    event = world.comment("ana", "/gate status")
    del event["issue"]["pull_request"]
    return event


@pytest.mark.parametrize(
    ("event", "starts"),
    [
        (lambda world: world.comment("ana", "/gate status"), True),
        (lambda world: edited(world, "/gate reject", "never mind"), True),
        (lambda world: edited(world, "hello", "/gate approve"), True),
        (lambda world: deleted(world, "/gate reject"), True),
        (lambda world: deleted(world, "hello"), False),
        (lambda world: world.comment("ana", "> can we?\r\n\r\n**/Gate\u00a0Reject**"), True),
        (lambda world: world.comment("ana", "\uff0f\uff47\uff41\uff54\uff45 \uff52\uff45ject"), True),
        (lambda world: world.comment(BOT["login"], "/gate status", account=BOT), False),
        (on_an_issue, False),
    ],
    ids=["command", "edited-away", "edited-into", "deleted", "other-deleted", "mangled", "wide", "bot", "issue"],
)
def test_only_what_may_change_a_decision_takes_a_runner(
    tmp_path: Path, event: Callable[[World], dict[str, Any]], starts: bool
) -> None:
    """A person's command on a pull request, as it is, was, or is gone; the workflow is the written one."""
    desk = Desk(tmp_path, "state=pending")
    done = desk.tell(event(World(github())))

    assert done.code == 0
    assert done.jobs == ({"decide": "success"} if starts else {})


@pytest.mark.parametrize(
    ("event", "on", "starts"),
    [
        (lambda world: world.review("ana", "CHANGES_REQUESTED"), "pull_request_review", True),
        (lambda world: world.review("ana", "COMMENTED", "nice"), "pull_request_review", False),
        (lambda world: world.comment_beside_a_line("ana", " /gate reject"), "pull_request_review_comment", True),
    ],
    ids=["changes", "talk", "beside-a-line"],
)
def test_a_review_is_decided_on_and_leaves_no_record(
    tmp_path: Path, event: Callable[[World], dict[str, Any]], on: str, starts: bool
) -> None:
    """Such a run has the workflow of the pull request; words that do not address the gate take no runner."""
    desk = Desk(tmp_path, "state=pending")
    done = desk.tell(event(World(github())), on=on)

    assert (done.code, done.jobs) == (0, {"decide": "success"} if starts else {})
    assert not list(desk.store.iterdir())


def test_a_gate_that_fails_leaves_its_evidence_and_gets_its_comment(tmp_path: Path) -> None:
    """The written gate.yml, with an action in lockgate's place that fails: the job fails, and the comment is written after it.

    That nothing said what is changed keeps no gate from being asked.
    """
    desk = Desk(tmp_path)
    pull = {"number": 12, "head": {"sha": "a" * 40, "ref": "better"}, "base": {"ref": "main"}}
    event = {"action": "opened", "pull_request": pull, "repository": {"default_branch": "main", "full_name": NAME}}
    done = desk.tell(event, "gate.yml", "pull_request")

    assert (done.code, done.jobs) == (1, {"changes": "success", "gate": "failure", "comment": "success"})
    assert desk.given == ["changes nothing", f"run {READING}", "comment nothing"]
    assert [path.name for path in (desk.store / "gate-12").iterdir()] == ["evidence.json"]


@pytest.mark.parametrize(
    ("on", "told", "given"),
    [
        ("pull_request", "changed=no", ["changes nothing"]),
        ("merge_group", "changed=no", ["changes nothing"]),
        ("merge_group", "changed=yes", ["changes nothing", f"run {READING}"]),
    ],
)
def test_no_gate_is_asked_where_nothing_of_the_model_is_changed(
    tmp_path: Path, on: str, told: str, given: list[str]
) -> None:
    """The written gate.yml; in a merge queue the gates may be asked, and no comment is written and nothing uploaded."""
    desk = Desk(tmp_path, told)
    event: dict[str, Any] = {"repository": {"default_branch": "main", "full_name": NAME}}
    if on == "pull_request":
        event["pull_request"] = {"number": 12, "head": {"sha": "a" * 40, "ref": "better"}, "base": {"ref": "main"}}
    else:
        event |= {"action": "checks_requested", "merge_group": {"head_sha": "a" * 40, "base_sha": "b" * 40}}
    done = desk.tell(event, "gate.yml", on)

    assert done.jobs == {"changes": "success", **({"gate": "failure"} if len(given) > 1 else {})}, done.said[-10:]
    assert desk.given == given
    assert not list(desk.store.iterdir())


def test_a_reason_for_a_rollback_is_text(tmp_path: Path) -> None:
    """Whatever whoever starts the written workflow types; the action in lockgate's place writes it down."""
    desk = Desk(tmp_path)
    reason = """it's "slow" $(touch "$STORE/run") `touch "$STORE/run"`; touch "$STORE/run" ${{ secrets.MLFLOW_READ_PASSWORD }}"""
    event = {"inputs": {"reason": reason, "to": ""}, "repository": {"default_branch": "main", "full_name": NAME}}
    done = desk.tell(event, "gate-rollback.yml", "workflow_dispatch")

    assert done.jobs == {"rollback": "success"}
    assert desk.given == [f"rollback {WRITING}{reason}"]
    assert not list(desk.store.iterdir())


LOAD = re.compile(r"  - gate: latency\n.*", re.DOTALL)


def test_this_repository_stops_a_bad_model_of_its_own_and_lets_a_good_one_pass(
    tmp_path: Path, blank: Path, warm_gate: str
) -> None:
    """Its own workflow, with the action that it names as `./`; without the gates that need a quiet machine.

    lockgate and what the models need are installed already, as the tests' own. A checkout without a ref is act's own.
    """
    runner = Runner(tmp_path, warm_gate)
    tree = runner.repository
    runner.put_ours("./", installed=True)
    shutil.copyfile(runner.actions.pop("./") / "action.yml", tree / "action.yml")
    (tree / "gates").mkdir()
    pipeline, cut = LOAD.subn("", (ROOT / "gates" / "fraud.yaml").read_text(encoding="utf-8"))
    (tree / "gates" / "fraud.yaml").write_text(pipeline, encoding="utf-8")
    text = (ROOT / ".github" / "workflows" / "model-gate.yml").read_text(encoding="utf-8")
    workflow, installs = re.subn(r"run: python -m pip install .*", 'run: "true"', text)
    shutil.copyfile(blank, tree / "mlflow.db")
    done = runner.run(workflow, {"ref": "refs/heads/main"}, on="push")

    assert (cut, installs) == (1, 1)
    assert done.jobs == {"gate": "success"}, done.log("gate")
    assert "bad: failure fail no; good: success pass" in done.log("gate")


SPOOF = """\
on: {issue_comment: {types: [created]}}
permissions: {}
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - shell: bash
        run: |
          "$TESTS_PYTHON" - <<'END'
          from contextlib import nullcontext
          from lockgate.cli.github.actions_runner import commands_disabled, log
          from lockgate.cli.output import show_command
          spoofed = "::add-mask::told\\n::set-output name=verdict::pass\\n::error title=spoofed::x\\n::stop-commands::a"
          with commands_disabled():
              print(spoofed, flush=True)
              log(spoofed)
          log("::error title=logged::told")
          show_command("::warning title=ours::told")
          END
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_what_a_model_prints_is_no_command_to_a_runner_that_nobody_here_wrote(tmp_path: Path, guarded: bool) -> None:
    """Between the words that turn commands off and on again; without them the runner obeys, so that this can fail."""
    runner = Runner(tmp_path)
    done = runner.run(SPOOF if guarded else SPOOF.replace("with commands_disabled()", "with nullcontext()"), {})
    taken = {name: done.commands("gate", name) for name in ("add-mask", "set-output", "error", "warning")}

    assert done.jobs == {"gate": "success"}
    assert {name for name, found in taken.items() if found} == (
        {"warning"} if guarded else {"add-mask", "set-output", "error"}
    )
