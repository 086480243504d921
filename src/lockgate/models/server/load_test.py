"""Load test of a server: run the load generator in a process of its own and read its times."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import select
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lockgate.errors import ModelFault
from lockgate.models.model import Drive, LoadPlan
from lockgate.models.model_host import arrivals
from lockgate.models.server import kept_answers, load_generator
from lockgate.models.server.client import machine_certificates
from lockgate.models.server.failures import redactor
from lockgate.models.server.predictions import NO_PREDICTION, LoadAnswer

_GENERATOR = Path(load_generator.__file__)
_CONNECTIONS = 1000  # that an open loop may open
_START_S = 60.0  # for the start of the generator and for what a busy machine adds
_ERROR_LENGTH = 300
_PLAIN = ("accept", "content-type", "user-agent")


def drive_http(
    plan: LoadPlan,
    *,
    url: str,
    headers: Mapping[str, str],
    bodies: Sequence[bytes],
    timeout_s: float,
    ca_file: str | None = None,
    cancelled: Callable[[], bool] | None = None,
    problem_of: Callable[[LoadAnswer], str | None] | None = None,
) -> Drive:
    """POST the bodies in turn to `url` as the plan says, over HTTP/1.1 with connections kept, and time each request.

    A request failed where its connection broke, nothing came within timeout_s, the status is not 2xx (a redirect is not
    followed, so it failed), or `problem_of` names a problem of its answer; `first_error` says which, without the values of
    headers. problem_of is called when the load is over, once for each of the answers that were kept; bodies are not looked
    at where it is None. A connection that the server
    closed between two requests is replaced, which is no failure. An open loop opens as many connections as it needs, up
    to a thousand; a request that finds them all busy waits for one, which is part of its latency and none of its lag.
    Certificates are checked against ca_file, else those that this machine trusts; no proxy is used.
    cancelled: called ten times a second; the load ends at once where it returns true.

    Raises ModelFault where nothing can be sent at all: no bodies, an invalid header, a generator that ended; and where
    answers have too many shapes to be looked at. Drive's
    times start when the warm-up has ended.
    """
    if not bodies:
        raise ModelFault("the server cannot be driven without rows to send", remedy="give data with rows")
    _check_headers(headers)
    due = None if plan.rate is None else array("d", arrivals(asdict(plan)))
    count = plan.requests if due is None else len(due)
    spec = {
        "url": url,
        "headers": [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()],
        "timeout_s": timeout_s,
        "requests": count,
        "duration_s": None if due is not None else plan.duration_s,
        "open": due is not None,
        "concurrency": plan.concurrency,
        "connections": max(_CONNECTIONS, plan.concurrency),
        "warmup": plan.warmup,
        "read": problem_of is not None,
        "bodies": [len(body) for body in bodies],
        "libraries": _library_folder("pycurl"),
        **_trust(url, ca_file),
    }
    # the longest time that all of it may take: every answer takes timeout_s, on all connections at once
    longest = 2 + plan.warmup + count / (plan.concurrency if due is None else _CONNECTIONS)
    patience = _START_S + (due[-1] if due else 0.0) + timeout_s * longest
    outcome, payload = _run(
        spec, [*bodies, b"" if due is None else due.tobytes()], patience, cancelled or (lambda: False)
    )
    redact = _redactor(url, headers)
    if outcome.get("broken"):
        raise ModelFault(f"the load could not be sent: {redact(outcome['broken'])}")
    return _drive(outcome, payload, redact, problem_of or (lambda answer: None))


def _drive(
    outcome: Mapping[str, Any],
    payload: bytes,
    redact: Callable[[str], str],
    problem_of: Callable[[LoadAnswer], str | None],
) -> Drive:
    n = outcome["requests"]
    times: NDArray[np.float64] = np.frombuffer(payload, np.float64, 4 * n).reshape(4, n)
    failed = np.frombuffer(payload, np.uint8, n, offset=times.nbytes).astype(bool)
    answered = np.frombuffer(payload, np.uint32, n, offset=times.nbytes + n)
    problems = _problems(outcome["answers"], memoryview(payload)[times.nbytes + 5 * n :], answered, problem_of)
    first, error = outcome["first_failed"], outcome["first_error"]
    bad = np.isin(answered, list(problems))
    if bad.any() and (first is None or int(bad.argmax()) < first):  # requests stand in the order of sending
        error = f"{NO_PREDICTION}: {problems[int(answered[bad.argmax()])]}"
    order = np.argsort(times[1], kind="stable")  # by the moment of sending
    intended, sent, done, lag = (column[order] for column in times)
    return Drive(intended, sent, done, (failed | bad)[order], lag, None if error is None else redact(error))


def _problems(
    kept: Sequence[tuple[str, str, int]],
    bodies: memoryview,
    answered: NDArray[np.uint32],
    problem_of: Callable[[LoadAnswer], str | None],
) -> dict[int, str]:
    """Return what is wrong with the answers that were kept, by number. Raises ModelFault where requests have none."""
    unread = int((answered == kept_answers.UNREAD).sum())
    if unread:
        raise ModelFault(
            f"{unread:,} of {len(answered):,} answers were not looked at: {len(kept):,} others were kept, all of different "
            "shapes",
            remedy="let the server answer with predictions only, or send fewer requests in a block: duration or requests",
        )
    problems, start = {}, 0
    for number, (encoding, content_type, length) in enumerate(kept):
        problem = problem_of(LoadAnswer(encoding, content_type, bytes(bodies[start : start + length])))
        start += length
        if problem is not None:
            problems[number] = problem
    return problems


def _run(
    spec: Mapping[str, Any], parts: Sequence[bytes], seconds: float, cancelled: Callable[[], bool]
) -> tuple[dict[str, Any], bytes]:
    """Run the generator; return its header and payload. Its stdin stays open until then, because it ends with it."""
    header = json.dumps(spec).encode()
    with subprocess.Popen(
        [sys.executable, "-I", str(_GENERATOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as generator:
        assert generator.stdin is not None and generator.stdout is not None and generator.stderr is not None  # noqa: S101, PT018
        try:
            with suppress(BrokenPipeError):
                generator.stdin.write(load_generator.HEAD.pack(len(header), sum(map(len, parts))))
                for part in (header, *parts):
                    generator.stdin.write(part)
                generator.stdin.flush()
            answer = _all_of(generator.stdout, until=time.monotonic() + seconds, cancelled=cancelled)
        finally:
            generator.kill()
            with suppress(BrokenPipeError):
                generator.stdin.close()  # what it no longer read
        stderr = generator.stderr.read().decode(errors="replace")
    size, rest = load_generator.HEAD.unpack_from(answer) if len(answer) >= load_generator.HEAD.size else (0, 0)
    if not size or len(answer) < load_generator.HEAD.size + size + rest:
        raise ModelFault("the load generator ended before it reported its times", stderr=stderr)
    outcome: dict[str, Any] = json.loads(answer[load_generator.HEAD.size : load_generator.HEAD.size + size])
    return outcome, answer[load_generator.HEAD.size + size :]


def _all_of(stream: IO[bytes], *, until: float, cancelled: Callable[[], bool]) -> bytes:
    """Read up to the stream's end. Raises ModelFault where it is cancelled or late."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([stream], [], [], 0.1)
        if ready:
            part = os.read(stream.fileno(), 2**20)
            if not part:
                return b"".join(parts)
            parts.append(part)
        elif cancelled():
            raise ModelFault("the load was cancelled")
        elif time.monotonic() > until:
            raise ModelFault(
                "the load generator did not end in time", remedy="run again on a machine that is less busy"
            )


def _library_folder(library: str) -> str:
    """Folder of a library, for a process that reads neither PYTHONPATH nor the user's own packages."""
    module = importlib.util.find_spec(library)
    if module is None or module.origin is None:
        raise ModelFault(f"{library} is not installed, which sends the load", remedy=f"install {library}")
    return str(Path(module.origin).parent)


def _trust(url: str, ca_file: str | None) -> dict[str, str | None]:
    """Trusted certificates: the file that the pipeline names, else the machine's, else those of requests."""
    if ca_file is not None or urlsplit(url).scheme != "https":
        return {"ca_file": ca_file, "ca_folder": None}
    file, folder = machine_certificates()
    return {"ca_file": file, "ca_folder": folder}


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ModelFault(f"{name!r} is no name of a header", remedy="write letters, digits and dashes")
        if re.search(r"[\r\n\0]", value):
            raise ModelFault(f"the value of header {name} holds a line break", remedy="give it on one line")


def _redactor(url: str, headers: Mapping[str, str]) -> Callable[[str], str]:
    """Redact the values of headers, and user, password and query of the URL; cut what is left."""
    parts = urlsplit(url)
    values = [value for name, value in headers.items() if name.lower() not in _PLAIN]
    redact = redactor([*values, *(text for text in (parts.password, parts.query, parts.username) if text)])

    def redact_and_cut(text: str) -> str:
        line = redact(text)
        return line if len(line) <= _ERROR_LENGTH else line[:_ERROR_LENGTH] + " …"

    return redact_and_cut
