"""Check rows against a pandera schema or a suite of Great Expectations, under the interpreter that has the library.

Started as `python quality_host.py` in a folder that holds `request.json` and what it names; writes `result.json` there:
{"versions": {package: version}, "checks": [...]} or {"error": {"type", "text"}}. A check is an object of
type, column (null for one of the whole table), words (what it asks), rows (among how many it looked), offenders (how many
rows, null for a check of no single rows), first (numbers of the first of them, from 0), observed, mostly, success,
raised ([type, text], null where nothing was), problem (why it says nothing, null where it does), warns (a failure is
no more than a warning).

No value of a row is written, but for the text of an exception. Nothing of lockgate is imported.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer the request of this folder."""
    sys.path[:] = [path for path in sys.path[1:] if path]  # neither the folder of this file nor the working folder
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    record, library = beside("check_record"), beside(f"{request['library']}_checks")
    library.record = record
    try:
        answer = library.checks(request)
    except MemoryError:
        raise
    except BaseException as error:  # code of a project may raise anything
        kind = "Refused" if isinstance(error, record.Refused) else type(error).__name__
        answer = {"error": {"type": kind, "text": str(error)[: record.TEXT]}}
    with open("result.json", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answer, file, allow_nan=False)


def beside(name: str) -> Any:
    """The module in a file beside this one, which may be imported by no name here."""
    spec = importlib.util.spec_from_file_location(f"lockgate_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: PT018, S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
