"""Traffic switch: run the team's command, then ask the address until the answer shows the version."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

from lockgate import units
from lockgate.errors import ServingFault
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.policy import CheckSpec, SwitchSpec

_TAIL_BYTES = 4 * 2**10
_TAIL_LINES = 15
_TERM_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_ANSWER_BYTES = 2**20
_PASSWORD = re.compile(r"//[^/@\s]+@")


def switch_traffic(
    spec: SwitchSpec,
    entry: Entry,
    *,
    model: str,
    root: Path,
    environ: Mapping[str, str],
    secrets: Collection[str] = (),
) -> str:
    """Run the command and wait for the answer; returns a sentence on both. Both are safe to do again.

    root: where the command is started. secrets: words that no error repeats. Raises ServingFault.
    """
    deadline = time.monotonic() + spec.timeout.total_seconds()
    version = str(entry.target)
    lines = []
    if spec.run:
        _run(spec, _environment(environ, entry, model), root, deadline, secrets)
        lines.append(f"traffic was switched by {spec.run[0]}")
    if spec.check is None:
        return f"{lines[0]}; what answers was not checked"
    _check(spec.check, model, version, deadline, spec)
    lines.append(f"{spec.check.address(model=model, version=version)} answers as expected of version {version}")
    return ", and ".join(lines)


def _environment(environ: Mapping[str, str], entry: Entry, model: str) -> dict[str, str]:
    """The environment of the command; nothing of it goes through a shell."""
    return {
        **environ,
        "LOCKGATE_MODEL": model,
        "LOCKGATE_VERSION": str(entry.target),
        "LOCKGATE_FROM": entry.source or "",
        "LOCKGATE_KIND": entry.kind,
        "LOCKGATE_EVIDENCE": entry.evidence or "",
    }


def _run(spec: SwitchSpec, environ: Mapping[str, str], root: Path, deadline: float, secrets: Collection[str]) -> None:
    """Run the command in a group of its own, which is ended where it fails or takes too long.

    Its output goes to a file, because a server that it leaves running may hold on to it.
    """
    name = spec.run[0]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                list(spec.run),
                cwd=root,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ServingFault(
                f"the switch {name} could not be started: {error.strerror or error}",
                remedy="check that it exists, can be executed, and begins with a line like #!/bin/sh",
            ) from error
        try:
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise ServingFault(
                f"the switch {name} did not end within {units.duration_text(spec.timeout)} and was stopped"
                + _tail(output, secrets),
                remedy="see why it hangs, or give promotion.switch.timeout more",
            ) from error
        except BaseException:
            _end(process)
            raise
        if code != 0:
            _end(process)
            how = f"ended with {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
            raise ServingFault(f"the switch {name} {how}{_tail(output, secrets)}", remedy="mend what it says")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and everything that it started and left in its group."""
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TERM_SECONDS)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _tail(output: IO[bytes], secrets: Collection[str]) -> str:
    """The last lines that it wrote, without secrets; nothing where it wrote nothing."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL_BYTES - max(map(len, secrets), default=0)))
    text = output.read().decode("utf-8", "replace")
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    lines = _PASSWORD.sub("//***@", text[-_TAIL_BYTES:]).splitlines()[-_TAIL_LINES:]
    lines = [line.rstrip() for line in lines if line.strip()]
    return "; its last lines:" + "".join(f"\n  {line}" for line in lines) if lines else ""


def _check(check: CheckSpec, model: str, version: str, deadline: float, spec: SwitchSpec) -> None:
    """Ask until the answer is as expected. Every single question ends by the deadline, whatever the server does."""
    url = check.address(model=model, version=version)
    expected = check.expected(model=model, version=version)
    problem = "it was not requested, because no time was left"
    while (seconds := deadline - time.monotonic()) > 0:
        answer: dict[str, Any] = {}
        asking = threading.Thread(target=_get, args=(url, min(seconds, 10.0), answer), daemon=True)
        asking.start()
        asking.join(min(seconds, 15.0))
        status, body = answer.get("status"), str(answer.get("text", ""))
        if status == expected.status and (expected.text is None or expected.text in body):
            return
        if status is None:
            problem = str(answer.get("failure", "it gave no answer"))
        elif status != expected.status:
            problem = f"it answered {status}, and {expected.status} is expected"
        else:
            problem = f"its answer does not contain {expected.text!r}"
        time.sleep(max(0.0, min(_PAUSE_SECONDS, deadline - time.monotonic())))
    raise ServingFault(
        f"{url} did not answer as expected of version {version} within {units.duration_text(spec.timeout)}: {problem}",
        remedy="see what serves there, or mend promotion.switch.check",
    )


def _get(url: str, seconds: float, answer: dict[str, Any]) -> None:
    import requests
    from urllib3.exceptions import HTTPError  # raised as it is while a body is read

    try:
        with requests.get(url, timeout=seconds, stream=True, allow_redirects=False) as response:
            body = response.raw.read(_ANSWER_BYTES, decode_content=True)
            answer.update(text=body.decode("utf-8", "replace"), status=response.status_code)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        answer["failure"] = f"it gave no answer ({type(error).__name__})"
