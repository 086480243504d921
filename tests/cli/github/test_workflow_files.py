"""The workflows that `gate init --github` writes: accepted by GitHub's own parser and schema, and with nothing to find in them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from helpers.hub.parsed import Parsed, parse
from helpers.memory_registry import MemoryRegistry
from lockgate.cli.commands.init import command
from lockgate.cli.drafting.registered import RegistryAddress
from lockgate.cli.github.workflow_files import NAMES, Workflows
from lockgate.foreign.yaml import LOADER

ROOT = Path(__file__).parents[3]
ACTION = "acme/lockgate@" + "0123456789" * 4


def write(*more: str) -> Result:
    return CliRunner().invoke(command, ["--github", "--yes", "--action", ACTION, *more], standalone_mode=False)


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow sets the variable of a process in which a test names a server."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the workflows of one model, to be copied."""
    folder = tmp_path_factory.mktemp("first")
    (folder / ".git").mkdir()
    return _written(folder, "fraud")


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a second model."""
    folder = tmp_path_factory.mktemp("second")
    return _written(Path(shutil.copytree(first, folder, dirs_exist_ok=True)), "churn")


def _written(folder: Path, model: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert write("--model", model).exception is None
    return folder


@pytest.fixture
def repository(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return _copied(first, tmp_path, monkeypatch)


@pytest.fixture
def both(second: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return _copied(second, tmp_path, monkeypatch)


def _copied(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    return folder / ".github" / "workflows"


def further(stem: str) -> list[str]:
    return [f"{name.removesuffix('.yml')}-{stem}.yml" for name in NAMES]


def read(folder: Path, names: Iterable[str] = NAMES) -> dict[str, dict[str, Any]]:
    return {name: yaml.load((folder / name).read_text(encoding="utf-8"), Loader=LOADER) for name in names}


def jobs(folder: Path, names: Iterable[str] = NAMES) -> dict[str, dict[str, Any]]:
    """job → what it is, of all files."""
    return {name: job for workflow in read(folder, names).values() for name, job in workflow["jobs"].items()}


def test_zizmor_and_the_schema_find_nothing(both: Path) -> None:
    """As for this repository's own workflows in `make check`."""
    files = [str(both / name) for name in (*NAMES, *further("churn"))]
    judged = subprocess.run(
        [str(Path(sys.executable).parent / "zizmor"), "--offline", *files], capture_output=True, text=True
    )
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files],
        capture_output=True,
        text=True,
    )

    assert judged.returncode == 0, judged.stdout
    assert checked.returncode == 0, checked.stdout


def test_zizmor_finds_nothing_where_the_webhooks_of_the_documentation_are_filled_in(repository: Path) -> None:
    """The lines of docs/github.md, where the comments in the workflows say that they belong."""
    page = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    lines = re.findall(r"^          SLACK_WEBHOOK: .*\n", page, re.M)
    for name, line in (("gate.yml", lines[0]), ("gate-approve.yml", lines[0]), ("gate-rollback.yml", lines[1])):
        text = (repository / name).read_text(encoding="utf-8")
        filled = re.sub(r"        # env: \{NAME: .*\n", f"        env:\n{lines[0]}", text)
        filled = re.sub(
            r"(        env:.* what notify in the pipeline names belongs here too\n)", rf"\1{lines[1]}", filled
        )
        assert filled.count(line.strip()) == 1
        (repository / name).write_text(filled, encoding="utf-8")
    zizmor = [str(Path(sys.executable).parent / "zizmor"), "--offline"]
    judged = subprocess.run([*zizmor, *[str(repository / name) for name in NAMES]], capture_output=True, text=True)
    held = {name for name, job in jobs(repository).items() if "SLACK_WEBHOOK" in yaml.safe_dump(job)}

    assert judged.returncode == 0, judged.stdout
    assert held == {"comment", "decide", "promote", "rollback"}


def test_githubs_own_parser_accepts_them_and_those_of_this_repository(both: Path) -> None:
    """Each job of each is found in it, and no error."""
    files = [*sorted(both.glob("*.yml")), *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
    found = parse(*files)

    assert [one.errors for one in found] == [()] * len(files)
    assert [set(one.jobs) for one in found] == [set(yaml.safe_load(one.read_text())["jobs"]) for one in files]


# what is said of gate-approve.yml → what stands in it → in whose place
PLANTED = {
    "Unexpected value 'some'": ("queue: max", "queue: some"),
    "decided": ("needs: decide", "needs: decided"),
    "Unexpected symbol: '='": (
        "needs.decide.outputs.state == 'approved'",
        "needs.decide.outputs.state = 'approved'",
    ),
    "Unexpected value 'kinds'": ("types: [created, edited, deleted]", "kinds: [created]"),
    "Unexpected value 'pull-request'": ("pull-requests: write", "pull-request: write"),
}


@pytest.fixture(scope="module")
def wrong(first: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Parsed]:
    """What the parser makes of a copy of the workflow that promotes, by the fault that is in it."""
    text = (first / ".github" / "workflows" / "gate-approve.yml").read_text(encoding="utf-8")
    folder, files = tmp_path_factory.mktemp("wrong"), []
    for number, (right, instead) in enumerate(PLANTED.values()):
        assert right in text
        files.append(folder / f"{number}.yml")
        files[-1].write_text(text.replace(right, instead), encoding="utf-8")
    return dict(zip(PLANTED, parse(*files), strict=True))


@pytest.mark.parametrize("said", PLANTED)
def test_githubs_own_parser_finds_a_planted_fault(wrong: dict[str, Parsed], said: str) -> None:
    """In a copy of the workflow that promotes."""
    assert any(said in error for error in wrong[said].errors), wrong[said].errors


def test_permissions_are_given_to_jobs_and_only_those_needed(repository: Path) -> None:
    """Nothing at the top; writing is for the one comment alone, and no job that runs a model writes anything."""
    assert all(workflow["permissions"] == {} for workflow in read(repository).values())
    writes = {
        name: {what for what, how in job["permissions"].items() if how == "write"}
        for name, job in jobs(repository).items()
    }

    assert writes == {
        "changes": set(), "gate": set(), "comment": {"pull-requests"}, "decide": {"pull-requests"}, "prove": set(), "promote": {"pull-requests"},
        "tell": {"pull-requests"},
        "rollback": set(), "archive": set(),
    }  # fmt: skip


def test_the_credential_that_may_write_is_where_no_model_runs(repository: Path) -> None:
    """In the environment, in jobs without a python for models; the jobs that run models hold the reading one."""
    for name, job in jobs(repository).items():
        text, runs_models = yaml.safe_dump(job), name in ("gate", "prove")
        assert ("MLFLOW_PROMOTE_PASSWORD" in text) == (job.get("environment") == "model-promotion")
        assert (job.get("environment") == "model-promotion") == (name in ("promote", "rollback", "archive"))
        assert ("MLFLOW_READ_PASSWORD" in text) == runs_models == ("setup-python" in text)
    assert "env" not in yaml.safe_dump(jobs(repository)["decide"]).replace("environment", "")


def test_only_the_gate_sees_the_pull_requests_code(repository: Path) -> None:
    """It checks out the head, as does the job that reads its pipeline as text; all others the default branch.

    No checkout leaves a token behind.
    """
    for name, job in jobs(repository).items():
        given = next(step["with"] for step in job["steps"] if step["uses"].startswith("actions/checkout@"))
        assert given["persist-credentials"] is False
        assert ("pull_request.head.sha" in given["ref"]) == (name in ("changes", "gate"))
        assert ("default_branch" in given["ref"]) == (name not in ("changes", "gate"))
    steps = jobs(repository)["changes"]["steps"]
    assert [step.get("with", {}).get("command") for step in steps] == [None, "changes"]


def test_everything_is_pinned_bounded_and_without_expressions_in_scripts(repository: Path) -> None:
    """Every action by commit, every job with a time limit, every workflow or job in a concurrency group; no cache."""
    for workflow in read(repository).values():
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] <= 60
            for step in job["steps"]:
                assert (
                    re.fullmatch(r"[\w\-]+/[\w\-]+@[0-9a-f]{40}", step["uses"])
                    if "uses" in step
                    else "${{" not in step["run"]
                )
    assert "actions/cache" not in "".join(text for text in map(str, read(repository).values()))
    promoting = [read(repository)[name] for name in NAMES[2:]] + [jobs(repository)["promote"]]
    assert {(one["concurrency"]["group"], one["concurrency"]["cancel-in-progress"]) for one in promoting} == {
        ("gate-promote-fraud", False)
    }


def test_a_pipeline_that_is_there_gets_its_workflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a name it is the only one of gates/; what is there already is not replaced without --force."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(command, ["--yes", "--model", "a b"], standalone_mode=False)
    first = write()
    again, forced = write(), write("--force")

    assert first.exception is None
    assert 'model: "a b"' in (tmp_path / ".github" / "workflows" / "gate-rollback.yml").read_text()
    assert 'pipeline: "gates/a_b.yaml"' in (tmp_path / ".github" / "workflows" / "gate.yml").read_text()
    assert "exists already" in str(again.exception)
    assert forced.exception is None
    assert "[ ] Settings, Environments, model-promotion: " in first.output
    assert "[ ]" not in forced.output  # nothing of it is new


def test_the_list_that_is_printed_is_that_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same items in the same order, of the repository and of each model."""
    monkeypatch.chdir(tmp_path)
    printed = re.findall(r"^  \[ \] (.+?):", write("--model", "fraud").output, re.MULTILINE)
    page = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    listed = page.partition("\n## Everything to do at GitHub")[2].partition("\n## ")[0]
    headings = re.findall(r"^\d+\. \*\*(.+?)\*\*", listed, re.MULTILINE)

    assert printed == [heading.replace(" → ", ", ").replace("`", "") for heading in headings]


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}", "sqlite:///mlflow.db"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("${MLFLOW_TRACKING_URI}", None),
        ("https://mlflow.example.org/mlruns", None),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://localhost", "http://localhost"),
        ("http://localhost.example.org", None),
    ],
)
def test_a_registry_that_runners_cannot_reach_is_the_first_thing_to_do(
    uri: str, local: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file is only what a variable falls back to."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "gates" / "m.yaml"
    path.parent.mkdir()
    path.write_text(
        f"model: m\ntask: binary\nregistry: {{kind: mlflow, uri: '{uri}'}}\ncandidate: {{version: 1}}\n"
        "data: {holdout: {path: d.csv, label: y}}\ngates: [{gate: signature}]\n"
    )
    printed = write().output

    assert ("cannot reach" in printed) is (local is not None)
    assert (
        local is None
        or f"[ ] A registry on a server: GitHub's runners cannot reach {local}, on this machine, which" in printed
    )


def test_below_the_root_of_a_checkout_its_workflows_are_written_at_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub reads none elsewhere. A project of its own below, whose jobs nothing would protect, is refused."""
    (tmp_path / ".git").mkdir()
    below = tmp_path / "services" / "fraud"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    written = write("--model", "fraud")
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file())
    (below / "gates").mkdir()
    (tmp_path / "gates" / "fraud.yaml").rename(below / "gates" / "own.yaml")
    own = write()

    assert written.exception is None
    assert "wrote ../../.github/workflows/gate.yml" in written.output
    beside = ["gates/fraud.yaml", "gates/schema.json", "models/fraud.version"]
    assert files == [*sorted(f".github/workflows/{name}" for name in NAMES), *beside]
    assert 'pipeline: "gates/fraud.yaml"' in (tmp_path / files[0]).read_text()
    assert "'services/fraud/gates/own.yaml' cannot stand in a workflow" in str(own.exception)
    assert not (below / ".github").exists()


@pytest.mark.parametrize(
    ("model", "pipeline", "action"),
    [("m", "gates/x.yaml", "a/b@v1"), ("m", "gates/x y.yaml", None), ("${{ x }}", "gates/x.yaml", None)],
)
def test_what_a_workflow_cannot_hold_is_refused(model: str, pipeline: str, action: str | None, tmp_path: Path) -> None:
    """A moving tag, a path that needs quoting, an expression."""
    from lockgate.errors import UsageError

    with pytest.raises(UsageError):
        Workflows.for_pipeline(model, Path(pipeline), action=action, root=tmp_path)


@pytest.mark.parametrize("model", ['"', "a: b", "x\ny", "{z}", "- #", "🚀", "\\"])
def test_any_model_name_stays_one_value(model: str, tmp_path: Path) -> None:
    """Whatever signs it has."""
    texts = dict(Workflows.for_pipeline(model, Path("gates/m.yaml"), action=ACTION, root=tmp_path).texts)
    rollback = yaml.safe_load(texts["gate-rollback.yml"])

    assert rollback["jobs"]["rollback"]["steps"][-1]["with"]["model"] == model
    assert rollback["run-name"].startswith(f"Roll back {model} to ")
    assert {yaml.safe_load(text)["name"].partition(": ")[2] for text in texts.values()} == {f"{model} (m)"}


def test_the_repositorys_own_list_is_what_its_models_need(tmp_path: Path) -> None:
    """Where there is none, the versions that are here are written down."""
    here = dict(Workflows.for_pipeline("m", Path("gates/m.yaml"), action=ACTION, root=tmp_path).texts)["gate.yml"]
    (tmp_path / "requirements.txt").touch()
    own = dict(Workflows.for_pipeline("m", Path("gates/m.yaml"), action=ACTION, root=tmp_path).texts)["gate.yml"]

    assert re.search(r"pip install mlflow==[\d.]+ pyarrow==[\d.]+ pandas==[\d.]+", here)
    assert "pip install --requirement requirements.txt\n" in own


def test_what_models_get_without_a_list_is_said_and_that_a_list_replaces_it(repository: Path, tmp_path: Path) -> None:
    """Pins of what is installed here; with a list --force writes that, once."""
    pinned, _ = write("--force").output, (tmp_path / "requirements.txt").write_text("mlflow==3.1.0\n")
    switched, again = write("--force").output, write("--force").output

    (said,) = [line for line in pinned.splitlines() if line.startswith("the models get ")]
    assert said.startswith("the models get mlflow==")
    assert said.endswith(
        ", as installed here: commit requirements.txt with what they need, and --force writes that instead"
    )
    assert "the models get --requirement requirements.txt now, instead of mlflow==" in switched
    assert "the models get" not in again


def test_the_action_that_stands_in_workflows_stays(repository: Path) -> None:
    """With the release behind it: for a further model, and where they are written anew; never the placeholder in its place."""
    released = f"{ACTION} # v0.0.1"
    for path in repository.iterdir():
        text, by_hand = path.read_text(encoding="utf-8"), "\n# by hand" if path.name == "gate.yml" else ""
        path.write_text(re.sub(rf"{ACTION} # v.*", released, text) + by_hand, encoding="utf-8")
    calls = [["--model", "churn"], ["--model", "fraud", "--force"]]
    printed = [
        CliRunner().invoke(command, ["--github", "--yes", *call], catch_exceptions=False).output for call in calls
    ]
    written = [(repository / name).read_text() for name in (*NAMES, *further("churn"))]

    assert all(f"the action is {released}, as in .github/workflows/gate-approve.yml" in said for said in printed)
    assert {use for text in written for use in re.findall(r"uses: (.*lockgate@.*)", text)} == {released}
    assert "wrote .github/workflows/gate.yml anew; what was written into it by hand is in git diff\n" in printed[1]
    assert printed[1].count("anew") == 1


@pytest.mark.parametrize(
    ("logged", "before", "python"),
    [
        ("3.13.1", None, "3.13"),
        ("3.13.1", "3.12", "3.13"),
        (None, "3.12", "3.12"),
        (None, None, None),
        ("3.9.2", None, "3.11"),
    ],
)
def test_models_answer_under_the_python_that_they_were_logged_under(
    logged: str | None, before: str | None, python: str | None, tmp_path: Path
) -> None:
    """Else under that of workflows that are there, else this one; never under one that lockgate itself does not run on."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "m.yaml").touch()
    if before is not None:
        earlier = Workflows.for_pipeline("m", Path("gates/m.yaml"), action=ACTION, root=tmp_path, python=before)
        earlier.write(tmp_path, force=True)
    texts = dict(Workflows.for_pipeline("m", Path("gates/m.yaml"), action=ACTION, root=tmp_path, python=logged).texts)
    running = "{}.{}".format(*sys.version_info)

    assert re.findall(r"python-version: (.*)", "".join(texts.values())) == [f'"{python or running}"'] * 2


def test_a_second_model_adds_its_files_and_leaves_the_firsts_as_they_are(repository: Path) -> None:
    """Also with --force, and its own are replaced by that alone."""
    before = {path: path.read_bytes() for path in repository.iterdir()}
    first, again, forced = write("--model", "churn"), write("--model", "churn"), write("--model", "churn", "--force")

    assert (first.exception, forced.exception) == (None, None)
    assert "gate-churn.yml exists already" in str(again.exception)
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in repository.iterdir()} - {path.name for path in before} == set(further("churn"))
    assert "done once, for fraud: accounts, Actions, environment, secrets and variables, rules" in first.output
    assert "Environments" not in first.output
    assert '[ ] The required check: "Ask the gates (churn)"' in first.output
    assert "[ ] The first promotion: a pull request that changes models/churn.version (an empty line" in first.output
    assert "such as `/gates/churn.yaml @LOGIN`" in first.output
    assert "gate run" not in first.output


def test_whoever_names_no_model_is_told_of_the_others(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are registered and have no pipeline, where all files are there; of several pipelines how one is named."""
    registry = MemoryRegistry(tmp_path / "registered")
    registry.register("fraud", "1")
    registry.register("price", "2")
    monkeypatch.setattr(RegistryAddress, "open", lambda self: registry)
    again = write()
    (tmp_path / "gates" / "churn.yaml").write_bytes((tmp_path / "gates" / "fraud.yaml").read_bytes())

    assert str(again.exception).endswith(
        "gate.yml exists already; gate init --github --model price adds a model that is registered, too; edit it, or replace the "
        "four of fraud with --force"
    )
    assert "kept" not in again.output
    assert "gates/churn.yaml, gates/fraud.yaml; write --model NAME: that of one of them" in str(write().exception)


def test_nothing_of_one_model_has_the_name_of_anothers(both: Path) -> None:
    """Jobs, which are required checks, workflows, artifacts and groups; the first's jobs are called as ever."""
    names = [
        {
            *(workflow["name"] for workflow in read(both, files).values()),
            *(job["name"] for job in jobs(both, files).values()),
            *re.findall(r"name: (gate-.*\d*)\n|group: (.*)\n", "".join((both / name).read_text() for name in files)),
        }
        for files in (NAMES, further("churn"))
    ]
    workflows = {step["with"]["workflow"] for step in _ours(both, further("churn")) if "workflow" in step["with"]}

    assert names[0] & names[1] == {("gate-proof", "")}  # handed on within one run
    assert {"Ask the gates", "Comment", "Decide", "Promote"} <= {job["name"] for job in jobs(both).values()}
    assert {step["with"]["pipeline"] for step in _ours(both, further("churn"))} == {"gates/churn.yaml"}
    assert workflows == {"gate-churn.yml"}
    assert "name: gate-churn-${{" in (both / "gate-churn.yml").read_text()
    assert "name: gate-churn-${{" in (both / "gate-approve-churn.yml").read_text()


def test_whoever_opens_the_actions_page_sees_which_model_a_workflow_is_about(both: Path) -> None:
    """In its name, in the name of a rollback's run and in its form, of the first model too; required checks stay as they are."""
    names = {name: workflow["name"] for name, workflow in read(both, (*NAMES, *further("churn"))).items()}
    rollback = read(both)["gate-rollback.yml"]

    assert {names[name] for name in NAMES} == {f"{name.removesuffix('.yml')}: fraud" for name in NAMES}
    assert {names[name] for name in further("churn")} == {f"{name.removesuffix('.yml')}: churn" for name in NAMES}
    assert f"*Actions → {rollback['name']} → Run workflow*" in (ROOT / "docs" / "incident.md").read_text()
    assert rollback["run-name"] == "Roll back fraud to ${{ inputs.to || 'the previous version' }}"
    assert all("fraud" in one["description"] for one in rollback[True]["workflow_dispatch"]["inputs"].values())
    assert [job["name"] for job in jobs(both).values()] == [
        "Look for changes", "Ask the gates", "Comment", "Decide", "Prove the way back", "Tell what stopped it", "Promote", "Roll back",
        "Archive and verify",
    ]  # fmt: skip


def _ours(folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    return [step for job in jobs(folder, names).values() for step in job["steps"] if step.get("uses") == ACTION]


@pytest.mark.parametrize("model", ["approve", "run-approve", "nightly-churn", "rollback"])
def test_no_model_is_called_so_that_its_files_are_anothers(both: Path, model: str) -> None:
    """Names that the files of others could have."""
    before = {path.name for path in both.iterdir()}
    assert write("--model", model).exception is None
    assert write("--model", f"run-{model}").exception is None

    assert len({path.name for path in both.iterdir()}) == len(before) + 2 * len(NAMES)


@pytest.mark.parametrize(("model", "problem"), [("Churn", "ignores case"), ("churn.", "is there already, about churn")])
def test_two_models_that_github_would_take_for_one_are_refused(both: Path, model: str, problem: str) -> None:
    """Names that differ in case alone, or whose pipelines would have one file."""
    before = {path.name for path in (*both.iterdir(), *Path("gates").iterdir())}
    refused = write("--model", model)

    assert problem in str(refused.exception)
    assert {path.name for path in (*both.iterdir(), *Path("gates").iterdir())} == before


def test_a_workflow_that_names_no_pipeline_is_told_of_once_there_are_several(repository: Path) -> None:
    """It worked as long as gates/ held only one."""
    path = repository / "gate.yml"
    path.write_text(path.read_text().replace('          pipeline: "gates/fraud.yaml"\n', ""))

    assert "to do: .github/workflows/gate.yml names no pipeline" in write("--model", "churn").output


def test_a_workflow_of_ones_own_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is none of ours; the files of a pipeline that is gone are replaced with --force."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (folder / "gate.yml").write_text("on: push\njobs: {lint: {runs-on: ubuntu-latest, steps: [{run: make}]}}\n")
    beside = write("--model", "fraud")
    for path in folder.iterdir():
        path.unlink()
    write("--model", "fraud")
    (tmp_path / "gates" / "fraud.yaml").rename(tmp_path / "gates" / "fraude.yaml")
    renamed = write("--force")

    assert beside.exception is None
    assert "wrote .github/workflows/gate-fraud.yml" in beside.output
    assert renamed.exception is None
    assert "wrote .github/workflows/gate.yml" in renamed.output


@pytest.mark.parametrize(("kept", "fetched"), [("*.parquet", True), ("data/**", True), ("images/**", False)])
def test_a_checkout_fetches_what_git_lfs_keeps_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, fetched: bool
) -> None:
    """In the jobs that read them, and in no other."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitattributes").write_text(f"{kept} filter=lfs diff=lfs merge=lfs -text\n")
    monkeypatch.chdir(tmp_path)
    assert write("--model", "fraud").exception is None
    checkouts = {
        name: job["steps"][0]["with"].get("lfs", False)
        for name, job in jobs(tmp_path / ".github" / "workflows").items()
    }

    assert {name for name, lfs in checkouts.items() if lfs} == ({"gate", "prove"} if fetched else set())


def test_a_required_check_is_met_where_nothing_is_asked_and_in_a_merge_queue(repository: Path) -> None:
    """No filter of paths keeps the workflow from starting; without an answer of the first job the gates are asked."""
    workflow = read(repository)["gate.yml"]
    events = workflow[True]  # `on`, as YAML 1.1 reads it

    assert events["merge_group"] == {"types": ["checks_requested"]}
    assert "paths" not in str(events)
    assert workflow["jobs"]["gate"]["if"] == "!cancelled() && needs.changes.outputs.changed != 'no'"
    assert "github.event_name == 'pull_request'" in workflow["jobs"]["comment"]["if"]
