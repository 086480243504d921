"""How much memory does our own process need for a large holdout, beside the scored table that it works on?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from setting import build, environ

GOAL = 3
ROWS = 1_000_000
PEAK = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')))"
RUN = f"from lockgate.cli.main import run; code = run(['run']); {PEAK}; raise SystemExit(code)"
IMPORTS = f"""
import pkgutil, lockgate
for found in pkgutil.walk_packages(lockgate.__path__, "lockgate."):
    if "cli.demo" not in found.name and "__main__" not in found.name and found.name != "lockgate.models.model_host":
        __import__(found.name)
{PEAK}
"""


def peak_mb(code: str, *, folder: Path) -> float:
    """The most that a fresh process of this code ever held, in MB of 10^6 bytes; its children do not count."""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ(), capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise SystemExit(ended.stderr)
    return int(ended.stdout.split()[-1]) * 1024 / 1e6


def main() -> None:
    import pyarrow.parquet as parquet

    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        build(folder, rows=ROWS)
        imports = peak_mb(IMPORTS, folder=folder)
        peak = peak_mb(RUN, folder=folder)
        table = parquet.read_table(folder / ".gate" / "latest" / "scored" / "holdout.parquet").nbytes / 1e6
    print(f"{ROWS:,} rows, signature, metadata, metrics and shadow")
    print(f"scored table in memory  {table:7.0f} MB")
    print(f"imports alone           {imports:7.0f} MB")
    print(f"peak of our process     {peak:7.0f} MB")
    print(f"beyond the imports      {(peak - imports) / table:7.2f} × the table     goal: at most {GOAL}")


if __name__ == "__main__":
    main()
