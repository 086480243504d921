"""Serving is turned over by the team's own command, within its time, and the answer is what counts."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from helpers.promoting import CI, NOW
from lockgate.errors import ServingFault
from lockgate.promotion import traffic_switch as switch
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.policy import PromotionPolicy, SwitchSpec

EVIDENCE = "sha256:" + "e" * 64


def entry(**more: Any) -> Entry:
    fields: dict[str, Any] = {"source": "6", "target": "7", "actor": CI, "evidence": EVIDENCE, "at": NOW}
    return Chain().draft("promoted", lease=PromotionPolicy().lease, **{**fields, **more})


def turn(folder: Path, about: Entry | None = None, secrets: tuple[str, ...] = (), **spec: Any) -> str:
    return switch.switch_traffic(
        SwitchSpec.model_validate(spec),
        about or entry(),
        model="fraud",
        root=folder,
        environ=dict(os.environ),
        secrets=secrets,
    )


def script(folder: Path, text: str, name: str = "switch.py") -> list[str]:
    (folder / name).write_text(text)
    return [sys.executable, name]


class Site:
    """A server that answers what the test says, and counts."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                status, body = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_command_is_told_what_to_serve_and_no_shell_reads_it(tmp_path: Path) -> None:
    """Five words in its environment; its arguments arrive as they were written."""
    run = script(
        tmp_path,
        "import json, os, sys\nfrom pathlib import Path\n"
        "told = {name: value for name, value in os.environ.items() if name.startswith('LOCKGATE_')}\n"
        "Path('told').write_text(json.dumps([sys.argv[1:], told]))\n",
    )

    said = turn(tmp_path, run=[*run, "$HOME", "; touch x", "`id`"])

    arguments, told = json.loads((tmp_path / "told").read_text())
    assert arguments == ["$HOME", "; touch x", "`id`"]
    assert {name: told[name] for name in sorted(told) if name.removeprefix("LOCKGATE_") in (
        "MODEL", "VERSION", "FROM", "KIND", "EVIDENCE")} == {
        "LOCKGATE_EVIDENCE": EVIDENCE, "LOCKGATE_FROM": "6", "LOCKGATE_KIND": "promoted",
        "LOCKGATE_MODEL": "fraud", "LOCKGATE_VERSION": "7",
    }  # fmt: skip
    assert said == f"traffic was switched by {run[0]}; what answers was not checked"
    assert not (tmp_path / "x").exists()


def test_a_command_that_fails_shows_its_last_lines_without_secrets(tmp_path: Path) -> None:
    """Neither those that we know nor passwords in addresses."""
    run = script(
        tmp_path,
        "import sys\nprint('line\\n' * 5000)\nprint('token hunter2hunter2 at https://me:pass@host/x')\nsys.exit(3)\n",
    )

    with pytest.raises(ServingFault) as failed:
        turn(tmp_path, run=run, secrets=("hunter2hunter2",))

    assert failed.value.exit_code == 4
    assert f"the switch {run[0]} ended with 3; its last lines:" in failed.value.message
    assert failed.value.message.endswith("\n  token *** at https://***@host/x")
    assert len(failed.value.message) < 1000


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """Also where it does not want to: SIGTERM, then SIGKILL to its group."""
    hang = "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    script(tmp_path, hang + "open(f'pid-{os.getpid()}', 'w').close()\ntime.sleep(3600)\n", "child.py")
    run = script(
        tmp_path,
        hang + "import subprocess\nprint('starting', flush=True)\nopen(f'pid-{os.getpid()}', 'w').close()\n"
        "subprocess.run([sys.executable, 'child.py'])\n",
    )

    with pytest.raises(ServingFault, match="did not end within 4s and was stopped; its last lines:\n  starting"):
        turn(tmp_path, run=run, timeout="4s")

    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert pids
    deadline = time.monotonic() + 30
    while any(map(_runs, pids)):  # what was killed may take a moment to be gone
        assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_command_leaves_running_stays(tmp_path: Path) -> None:
    """It may be the server; its hold on the output keeps nobody waiting."""
    run = script(
        tmp_path,
        "import subprocess, sys\n"
        "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "open('pid', 'w').write(str(left.pid))\n",
    )

    turn(tmp_path, run=run)

    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_command_that_is_not_there_says_so(tmp_path: Path) -> None:
    """With what to check."""
    with pytest.raises(ServingFault, match=r"\./switch\.sh could not be started: No such file"):
        turn(tmp_path, run=["./switch.sh"])


def test_it_asks_until_the_answer_names_the_version(tmp_path: Path, site: Site) -> None:
    """Old answers, errors and redirects are not it."""
    site.answers = [(503, ""), (302, ""), (200, '{"version": "6"}'), (200, '{"version": "7"}')]

    said = turn(tmp_path, check={"url": f"{site.url}/{{model}}", "expect": '"version": "{version}"'})

    assert site.asked == ["/fraud"] * 4
    assert said == f"{site.url}/fraud answers as expected of version 7"


@pytest.mark.parametrize(
    ("answer", "expect", "said"),
    [
        ((200, "old"), "new", "its answer does not contain 'new'"),
        ((500, "new"), "new", "it answered 500, and 200 is expected"),
        ((200, "new"), {"status": 204}, "it answered 200, and 204 is expected"),
    ],
)
def test_an_answer_that_never_comes_is_named(
    tmp_path: Path, site: Site, answer: tuple[int, str], expect: Any, said: str
) -> None:
    """After the timeout, with what came instead; bodies are not repeated."""
    site.answers = [answer]

    with pytest.raises(ServingFault, match=f"as expected of version 7 within 2s: {said}"):
        turn(tmp_path, timeout="2s", check={"url": site.url, "expect": expect})


def test_a_server_that_never_ends_its_answer_is_left(tmp_path: Path) -> None:
    """It drips for ever; the timeout holds all the same."""

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not ended.wait(0.05):
                    self.wfile.write(b".")

        def log_message(self, *_: object) -> None: ...

    ended = threading.Event()
    server = HTTPServer(("127.0.0.1", 0), Drip)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    with pytest.raises(ServingFault, match="it gave no answer"):
        turn(tmp_path, timeout="2s", check={"url": f"http://127.0.0.1:{server.server_port}"})

    ended.set()
    server.shutdown()
    server.server_close()
