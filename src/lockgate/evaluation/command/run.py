"""Run a command, and take the findings that it leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.errors import GateBroken, ModelFault
from lockgate.evaluation.case import Case
from lockgate.evaluation.command.json_findings import read_json
from lockgate.evaluation.command.junit import read_junit
from lockgate.evaluation.command.prepare import Command, Prepared
from lockgate.evaluation.command.reported import MOST, NoFindings, Reported, each_once, findings, none_reported
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evidence.finding import Finding, Verdict
from lockgate.foreign.files import read_regular
from lockgate.hashing import sha256, sha256_file
from lockgate.models.program.program_runner import ProgramEnd
from lockgate.models.safe_text import RowText
from lockgate.plugins import is_inside

_MOST_BYTES, _MOST_FILES = 2**25, 200
# as Python and Node say it, and as a shell does
_DENIED = re.compile(
    r"[Pp]ermission denied[:,][^'\n]*'(?P<path>/[^'\n]+)'|(?<![\w/])(?P<file>/[^\s:]+): Permission denied"
)


def findings_of(
    command: Command, case: Case, gate: str, requirement: str, line: Requirement
) -> Iterator[Finding | Mapping[str, Any]]:
    """Yield what is known of the command, then its findings. Raises LockgateError where it, or what it needs, broke."""
    if case.programs is None:
        raise GateBroken("a command runs in a project, and there is none here", remedy="run it by gate run")
    with ExitStack() as stack:
        prepared = Prepared(command, case, case.programs, stack)
        try:
            ending = _Ending(prepared, prepared.run())
        except ModelFault as fault:
            ending = _Ending(prepared, fault)
        yield ending.context
        made = list(findings(gate, requirement, line, ending.reported))
        yield from made
        ending.refuse(made)
        if not made:
            yield none_reported(gate, requirement, line, f"{command.run[0]} ended with 0 and left no findings")
        if not made or any(finding.verdict is not Verdict.PASS for finding in made):
            yield {"output": ending.last_lines}


@dataclass
class _Ending:
    """What a command left. end: how it ended, by itself or not. reports: name → SHA-256 of its files of findings, as far as they were read."""

    prepared: Prepared
    end: ProgramEnd | ModelFault

    def __post_init__(self) -> None:
        self.reported: Sequence[Reported] = ()
        self.reports: dict[str, str] = {}
        self.problem: str | None = None
        try:
            self.reported = self._read()
        except NoFindings as error:
            self.problem = str(error)

    def _read(self) -> list[Reported]:
        """What its files of findings hold, each name once; a link out of `$OUT` is none of them."""
        out, reported = self.prepared.out, list[Reported]()
        paths = [path for path in sorted(out.glob(self.prepared.command.findings)) if is_inside(path, out)]
        if len(paths) > _MOST_FILES:
            raise NoFindings(f"it left {len(paths):,} files of findings; {_MOST_FILES} at most are read")
        for path in paths:
            if path.is_dir():
                continue
            name = path.relative_to(out).as_posix()
            try:
                data = read_regular(path, most=_MOST_BYTES)
                self.reports[name] = sha256(data)
                read = read_junit if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else read_json
                reported = each_once([*reported, *read(data)])
            except NoFindings as error:
                raise NoFindings(f"{name} {error}") from None
            except OSError as error:
                raise NoFindings(f"{name} cannot be read: {error.strerror}") from None
            if len(reported) > MOST:
                raise NoFindings(f"its files hold more than {MOST:,} findings; let several gates run parts of them")
        return reported

    @property
    def context(self) -> Mapping[str, Any]:
        """What evidence keeps: what ran, by which bytes, and how it ended."""
        prepared, end = self.prepared, self.end
        return {
            "command": {
                "run": list(prepared.command.run),
                "variables": prepared.command.variables,
                "program": {"path": prepared.program, "sha256": sha256_file(Path(prepared.program))},
                "origins": prepared.origins,
                "exit_code": None if isinstance(end, ModelFault) else end.code,
                "findings": self.reports,
                "left_out": prepared.left_out,
                "isolation": {} if isinstance(end, ModelFault) else dict(end.isolation),
            }
        }

    @property
    def last_lines(self) -> str:
        """What it wrote last: all of it where it was handed no rows."""
        if isinstance(self.end, ModelFault):
            return self.end.stderr
        output = self.end.output.replace(str(self.prepared.out), "$OUT")  # which is another folder in each run
        return RowText().output(output) if self.prepared.command.data else output

    def refuse(self, made: Sequence[Finding]) -> None:
        """Raise LockgateError where it did not end as it should, whatever it found until then."""
        name, end = self.prepared.command.run[0], self.end
        if isinstance(end, ModelFault):
            raise end
        if self.problem is not None:
            message, remedy = (
                f"{name} left no findings that can be read: {self.problem}",
                "let it write JUnit XML or JSON",
            )
        elif end.code and not any(finding.verdict in (Verdict.FAIL, Verdict.ERROR) for finding in made):
            outcome = "none of its findings fails" if made else "left no findings"
            message = f"{name} ended with {end.code}, and {outcome}"
            remedy = self._denied(end) or "its last lines say more; of the project it reads what run: and files: name"
        else:
            return
        raise GateBroken(message, remedy=remedy, stderr=self.last_lines)

    def _denied(self, end: ProgramEnd) -> str | None:
        """What would let it read what its box refused."""
        match = _DENIED.search(end.output)
        path = None if match is None else Path(match["path"] or match["file"])
        if not end.isolation or path is None or not path.exists():
            return None
        root = self.prepared.programs.root
        line = f"isolation: {{read: [{path}]}}"
        if path.is_relative_to(root):
            line = f"files: [{path.relative_to(root).as_posix()}]"
        return f"its box does not let it open {path}; write {line} below the gate if it may read there"
