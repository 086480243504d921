"""Can packages be had here, as for tests that install something for real?"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile

_SMALL = "idna==3.20"


@functools.cache
def reachable() -> bool:
    """Whether an index gives a small package, asked once."""
    with tempfile.TemporaryDirectory() as into:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-cache-dir",
            "--dest",
            into,
            _SMALL,
        ]
        return subprocess.run(pip, capture_output=True, check=False).returncode == 0
