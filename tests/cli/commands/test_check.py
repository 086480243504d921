"""`gate check` says everything about a pipeline, quickly, and touches nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from helpers.promoting import evidence
from lockgate import plugins
from lockgate.cli.commands.check import command
from lockgate.errors import UsageError
from lockgate.evidence.evidence import Evidence
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_folder import RunFolder
from lockgate.gates.metrics import Metrics

ROOT = Path(__file__).parents[3]
HEAVY = {"numpy", "pyarrow", "scipy", "pandas", "mlflow", "requests", "jinja2"}
GOOD = """\
model: fraud
task: binary
registry: {uri: "${NOT_SET_ANYWHERE}"}
data: {holdout: {path: x.csv, label: y}}
gates: [{gate: metrics, data: holdout, require: [auc >= 0.8]}]
signoff: {require: {owners: 0}}
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "gates").mkdir()
    monkeypatch.chdir(tmp_path)


def check(*args: str) -> Result:
    return CliRunner().invoke(command, args)


def test_a_good_pipeline_is_ok() -> None:
    """Variables need not be set."""
    Path("gates/a.yaml").write_text(GOOD)
    found = check("gates/a.yaml")

    assert (found.exit_code, found.stdout, found.stderr) == (0, "gates/a.yaml: ok (1 gate, 1 requirement)\n", "")


def test_without_arguments_every_pipeline_is_checked() -> None:
    """Complaints go to stderr, exit 2 when there is one."""
    Path("gates/a.yaml").write_text(GOOD)
    Path("gates/b.yml").write_text(GOOD.replace("auc", "acu") + "taks: x\n")
    found = check()

    assert found.exit_code == 2
    assert found.stdout == "gates/a.yaml: ok (1 gate, 1 requirement)\n"
    assert found.stderr.splitlines() == [
        f"gates/b.yml:5:50: metrics knows no 'acu'; known: {', '.join(sorted(Metrics.subjects))}; did you mean 'auc'?",
        "gates/b.yml:7:1: there is no key 'taks' here; known: candidate, champion, classes, data, description, environment, "
        "extends, features, features_from, gates, inputs, isolation, locked, mode, model, notify, output, per_row, positive, promotion, registry, reuse, signoff, target, "
        "task, threshold, waive; did you mean 'task'?",
    ]


def test_no_pipeline_at_all_is_a_usage_error() -> None:
    """Nothing checked is never ok."""
    with pytest.raises(UsageError, match="there is no pipeline in gates/; name one, or write one with gate init"):
        CliRunner().invoke(command, [], catch_exceptions=False)


def test_json_is_one_document() -> None:
    """On stdout, and nothing else there."""
    Path("gates/a.yaml").write_text(GOOD.replace("signoff", "# signoff"))
    Path("gates/b.yaml").write_text("[")
    found = check("--json")

    assert found.exit_code == 2
    first, second = json.loads(found.stdout)["pipelines"]
    assert first.pop("policy").startswith("sha256:")
    assert first == {
        "path": "gates/a.yaml",
        "ok": True,
        "complaints": [],
        "notes": ["it does not say who signs, so nothing can be promoted; write signoff"],
    }
    assert (second["ok"], second["policy"], len(second["complaints"])) == (False, None, 1)


def test_an_expired_waiver_is_noted() -> None:
    """It is ignored, and somebody should know."""
    Path("gates/a.yaml").write_text(
        GOOD + "waive: [{finding: metrics, owner: ana, reason: known, until: 2020-01-31}]\n"
    )
    found = check("gates/a.yaml")

    assert found.exit_code == 0
    assert found.stderr == "gates/a.yaml: note: the waiver of metrics ended on 2020-01-31 and is ignored\n"


def test_the_shipped_gates_are_checked_without_heavy_imports() -> None:
    """The whole example of the design, in a fresh process."""
    code = (
        "import sys\n"
        "from lockgate.cli.commands.check import command\n"
        f"command([{str(ROOT / 'tests/pipelines/good/fraud.yaml')!r}], standalone_mode=False)\n"
        "print(' '.join(sorted(name for name in sys.modules if '.' not in name)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"}
    )

    assert HEAVY.isdisjoint(found.stdout.splitlines()[-1].split())


def test_every_bad_example_shows_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As somebody would call it in a checkout."""
    monkeypatch.chdir(ROOT)
    bad = sorted(Path("tests/pipelines/bad").glob("*.yaml"))
    found = check(*map(str, bad))
    gates = ", ".join(plugins.installed(plugins.GATES))
    expected = [
        (line if line.startswith("# expect: tests/") else f"{path}:{line.removeprefix('# expect: ')}").removeprefix("# expect: ")
        .replace("{gates}", gates)
        for path in bad
        for line in path.read_text().splitlines()
        if line.startswith("# expect: ")
    ]  # fmt: skip

    assert found.exit_code == 2
    assert found.stderr.splitlines() == expected


def test_a_limit_on_flips_that_the_last_run_shows_to_be_blind_is_noted() -> None:
    """By how often its champion said yes; not of another model's run, and no more where a line is on the direction."""
    lines = "[flip_rate <= 2%, errors <= 0]"
    pipeline = GOOD.replace(
        "{gate: metrics, data: holdout, require: [auc >= 0.8]}", f"{{gate: shadow, data: holdout, require: {lines}}}"
    )
    pipeline += "threshold: 0.5\nchampion: {alias: production, else: none}\n"
    Path("gates/a.yaml").write_text(pipeline)
    exhibit = Exhibit(
        "shadow/flips", "table", ("champion", "candidate", "requests"),
        (("negative", "negative", 986), ("positive", "positive", 14)),
    )  # fmt: skip
    for model in ("other", "fraud"):
        folder = RunFolder(Path(f".gate/runs/{model}"))
        folder.path.mkdir(parents=True)
        document = {**evidence(model).document, "exhibits": [folder.keep_exhibit(exhibit)]}
        (folder.path / "evidence.json").write_bytes(Evidence.from_document(document).stored)
        notes = check("gates/a.yaml").stderr.splitlines()
        assert bool(notes) == (model == "fraud")

    assert notes == [
        "gates/a.yaml: note: shadow: 'flip_rate <= 2%' is met by a candidate that never says yes: the champion decides 1.4 % of "
        "requests positive; write lost_rate <= 10% beside it (by the last run)"
    ]
    Path("gates/a.yaml").write_text(pipeline.replace("errors", "lost_rate <= 5%, errors"))
    assert check("gates/a.yaml").stderr == ""
