"""What does the box of the models cost a whole `gate run`? The same run with `isolation: {require: off}` in turn with it."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from statistics import median

from setting import GATE, build, seconds

GOAL = 1.02
ROUNDS = 5
ROWS = 50_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-bench-") as name:
        folder = Path(name)
        build(folder, rows=ROWS)
        pipeline = folder / "gates" / "fraud.yaml"
        text = pipeline.read_text(encoding="utf-8")
        spent: dict[str, list[float]] = {"off": [], "box": []}
        clock: dict[str, list[float]] = {"off": [], "box": []}
        for round_ in range(ROUNDS + 1):
            for require in ("off", "box"):
                pipeline.write_text(f"{text}isolation: {{require: {require}}}\n", encoding="utf-8")
                before = _children_s()
                took = seconds([*GATE, "run"], folder=folder)
                if round_:  # the first warms the files
                    clock[require].append(took)
                    spent[require].append(_children_s() - before)
    print(f"{ROWS:,} rows, signature, metadata, metrics and shadow; median of {ROUNDS} runs each, in turn")
    for require in ("off", "box"):
        print(f"{require}  {median(spent[require]):.2f} s of processor, {median(clock[require]):.2f} s by the clock")
    ratio = median(spent["box"]) / median(spent["off"])
    print(f"ratio of processor time {ratio:.3f}     goal: at most {GOAL}")


def _children_s() -> float:
    """Processor time of processes that ended and were waited for, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
