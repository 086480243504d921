"""`gate kinds`: list installed gates, registries and metrics, and the subjects that each gate knows."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from lockgate.cli.output import show, show_json


@click.command("kinds")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """List the gates, registries and metrics that are installed, and the subjects that each gate knows."""
    from lockgate import plugins

    gates = [_gate(kind) for kind in plugins.installed(plugins.GATES)]
    registries = [{"kind": kind, "from": entry.value} for kind, entry in plugins.installed(plugins.REGISTRIES).items()]
    metrics = [
        {"name": name, "from": entry.value, "package": plugins.distribution(plugins.METRICS, name)}
        for name, entry in plugins.installed(plugins.METRICS).items()
    ]
    if as_json:
        show_json({"gates": gates, "registries": registries, "metrics": metrics})
        return
    for gate in gates:
        show(f"gate: {gate['kind']:12} {gate['summary']}")
        for subject in gate["subjects"]:
            show(f"  {subject['name']:20} {_description(subject)}")
    for registry in registries:
        show(f"registry: {registry['kind']:8} {registry['from']}")
    for metric in metrics:
        show(f"metric: {metric['name']:10} {metric['from']} ({metric['package']})")


def _gate(kind: str) -> dict[str, Any]:
    from lockgate.errors import UsageError
    from lockgate.gates.gate import gate_class

    try:
        cls = gate_class(kind, root=Path.cwd())
    except UsageError as error:
        return {"kind": kind, "summary": str(error), "subjects": [], "default_require": []}
    return {
        "kind": kind,
        "summary": (inspect.getdoc(cls) or "").partition("\n")[0],
        "subjects": [
            {
                "name": subject.name,
                "better": subject.better,
                "claim": "counted" if subject.counted else "estimated",
                "unit": subject.unit,
                "args": list(subject.args),
                "tasks": list(subject.tasks),
                "needs": [need for need in subject.needs if need != "no champion"],
                "by_task": {task: {"args": list(form.args)} for task, form in subject.by_task.items()},
                **({"each": subject.each} if subject.each else {}),
            }
            for subject in cls.subjects.values()
        ],
        "default_require": list(cls.default_require),
    }


def _description(subject: dict[str, Any]) -> str:
    parts = [subject["claim"]]
    if subject["better"]:
        parts.append(f"better when {subject['better']}")
    if subject["unit"]:
        parts.append(f"in {subject['unit']}")
    if subject["args"]:
        parts.append(f"takes {', '.join(subject['args'])}")
    if "each" in subject:
        parts.append(f"of each {subject['each']}")
    if subject["tasks"]:
        parts.append(f"for {', '.join(subject['tasks'])}")
    parts += [f"in {task} takes {', '.join(form['args']) or 'none'}" for task, form in subject["by_task"].items()]
    if subject["needs"]:
        parts.append(f"needs {', '.join(subject['needs'])}")
    return "; ".join(parts)
