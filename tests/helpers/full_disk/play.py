"""LIBRARY CHECKOUT FOLDER COMMAND…: call `gate` in forks of this process, a line of JSON each.

The first has room for all it writes, and says which files; the others have room until the first or the last write of a
file that is written at a stretch, once for each name: in `make fuzz` until any write.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import asdict
from io import StringIO
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from helpers.full_disk import Ended
from helpers.warm_python import keep_from_the_collector
from lockgate.cli import main as cli

ENDLESS = 10**9
_RANDOM = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}|(?<=-)\w{8}$|\.\w{8}$")


def call(library: str, here: Path, command: list[str], room: int) -> tuple[int, list[str], str]:
    """(exit code, the name of each write, what it said) of one call that has room for so many writes."""
    said = here.parent / "said.txt"
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.chdir(here)
        with said.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        disk = ctypes.CDLL(library)
        disk.written.restype = ctypes.c_char_p
        code = 99
        try:
            disk.fill_disk(ctypes.c_long(room), f"{here}/".encode())
            code = cli.run(command)
            sys.stdout.flush()
        finally:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(f"{code}\n".encode() + disk.written())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        code, _, names = pipe.read().partition("\n")
    os.waitpid(child, 0)
    return int(code), names.splitlines(), said.read_text(errors="replace")


def rehearse(checkout: str, folder: Path, command: list[str]) -> None:
    """Call `gate` in this process, in a copy of its own: what a first call imports and makes, each fork has then."""
    shutil.copytree(checkout, folder, symlinks=True)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), chdir(folder):
        cli.run(command)
    shutil.rmtree(folder)
    keep_from_the_collector()


def _file(name: str) -> str:
    """What is the same in each run, also while it has another name for a moment."""
    return _RANDOM.sub("", name).replace("/.", "/").rstrip("-")


def main(library: str, checkout: str, folder: str, command: list[str]) -> None:
    rehearse(checkout, Path(folder) / "rehearsal", command)
    here = Path(folder) / "checkout"
    rooms, end = [ENDLESS], 0
    for number, room in enumerate(rooms):
        shutil.copytree(checkout, here, symlinks=True)
        code, names, said = call(library, here, command, room)
        if not number:
            every, seen = os.environ.get("LOCKGATE_EXAMPLES") == "fresh", set[str]()
            for name, stretch in groupby(_file(name) for name in names):
                first, end = end, end + len(list(stretch))
                rooms += range(first, end) if every else sorted({first, end - 1}) if name not in seen else ()
                seen.add(name)
        states = [json.loads(path.read_text())["state"] for path in here.glob(".gate/runs/*/state.json")]
        again, *_ = call(library, here, command, ENDLESS) if number % 16 == 1 else (None,)
        print(json.dumps(asdict(Ended(room, names[-1], code, said, "".join(states), again))), flush=True)
        shutil.rmtree(here)


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
