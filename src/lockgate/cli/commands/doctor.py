"""`gate doctor`: show how this machine keeps models in their box."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from lockgate.cli.output import show, show_json


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> int:
    """Show what a model can do on this machine, tried from a box. Exit 3 where there is no box."""
    from lockgate.models.isolation.box import kernel
    from lockgate.models.isolation.self_test import attempt_from_a_box

    machine = kernel()
    trial = attempt_from_a_box(os.environ)
    if as_json:
        document = {"kernel": asdict(machine), "allowed": trial and trial.allowed, "open": trial and trial.open}
        show_json(document)
        return 3 if trial is None else 0
    if trial is None:
        show("box      none: this machine has no Landlock, and a model can do what you can")
        show("         run models that you do not know on Linux 5.13 or newer; isolation: {require: box} insists on it")
        return 3
    network = "namespaces of its own: network, shared memory" if machine.namespace else "no namespaces: network by port"
    show(f"box      Landlock ABI {machine.landlock}; {network}")
    for allowed, word in ((False, "denied"), (True, "allowed")):
        for name in (name for name, works in trial.allowed.items() if works is allowed):
            show(f"{word:8} {name}")
    for name in trial.open:
        show(f"open     {name}")
    if not machine.namespace:
        show(
            "         to close these, let this user make namespaces: CAP_SYS_ADMIN in a container, or unprivileged user namespaces"
        )
    return 0
