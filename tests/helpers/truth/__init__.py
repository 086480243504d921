"""A server whose law of answering is known, built from its source when it is first asked for."""

from __future__ import annotations

import functools
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SOURCE = Path(__file__).with_name("server.c")


@functools.cache
def _built() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    folder = tempfile.TemporaryDirectory(prefix="lockgate-truth-")
    program = Path(folder.name) / "server"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE, "-lm"], check=True)
    return folder, program


@dataclass(frozen=True)
class Count:
    """What the server saw since it started."""

    requests: int
    answers: int
    errors: int
    connections: int


@dataclass(frozen=True)
class Truth:
    """A running server."""

    url: str

    @property
    def count(self) -> Count:
        return Count(*map(int, self._get("/count").split()))

    @property
    def served_ms(self) -> NDArray[np.float64]:
        """(answers,) from the last byte of a request to the first of its answer, as it really happened, in turn."""
        return np.array(self._get("/served").split(), np.float64)

    @property
    def stalls_ms(self) -> NDArray[np.float64]:
        """(stalls,) how long each really took."""
        return np.array(self._get("/stalls").split(), np.float64)

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return str(answer.read().decode())


@contextmanager
def server(**law: float) -> Iterator[Truth]:
    """A server of this law on a free port of 127.0.0.1; server.c says what may be given."""
    words = [f"{name}={value!r}" for name, value in law.items()]
    with subprocess.Popen([_built()[1], *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Truth(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()
