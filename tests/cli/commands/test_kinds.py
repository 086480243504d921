"""`gate kinds` tells what is installed."""

from __future__ import annotations

import json

from click.testing import CliRunner

from lockgate import plugins
from lockgate.cli.commands.kinds import command


def test_every_installed_gate_is_listed_with_its_subjects() -> None:
    """What can be asked of it, and how it is decided."""
    found = CliRunner().invoke(command)

    assert found.exit_code == 0
    for kind in plugins.installed(plugins.GATES):
        assert f"gate: {kind:12} " in found.stdout
    assert (
        "  recall               estimated; better when higher; takes threshold; for binary, multiclass; "
        "in multiclass takes average, class; needs label, score, threshold\n"
    ) in found.stdout
    assert "registry: mlflow   lockgate.registries.mlflow:MlflowRegistry\n" in found.stdout


def test_json_is_one_document() -> None:
    """For tools, with the same content."""
    document = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    metrics = next(gate for gate in document["gates"] if gate["kind"] == "metrics")

    assert {registry["kind"] for registry in document["registries"]} == set(plugins.installed(plugins.REGISTRIES))
    assert metrics["subjects"][0] == {
        "name": "accuracy",
        "better": "higher",
        "claim": "estimated",
        "unit": "",
        "args": ["threshold"],
        "tasks": ["binary", "multiclass"],
        "needs": ["label", "score", "threshold"],
        "by_task": {"multiclass": {"args": []}},
    }


def test_a_metric_of_a_package_is_listed_with_its_version(acme: None) -> None:
    """By the name under which a pipeline asks for it."""
    assert "metric: acme_profit acme_metrics:profit (acme-metrics 1.2)\n" in CliRunner().invoke(command).stdout
    document = json.loads(CliRunner().invoke(command, ["--json"]).stdout)
    assert {"name": "acme_profit", "from": "acme_metrics:profit", "package": "acme-metrics 1.2"} in document["metrics"]
