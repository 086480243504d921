"""Check the rows of a data set against expectations, in a process of the library's own, and judge what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockgate.data.dataset import Dataset
from lockgate.errors import GateBroken, ModelFault
from lockgate.evaluation.data_handover import hand_over
from lockgate.evaluation.data_quality.check_results import CheckResult, QualityResults, read_results
from lockgate.evaluation.data_quality.expectation_file import ExpectationFile, suite_expectations
from lockgate.evaluation.data_quality.offender_names import offender_names
from lockgate.evaluation.data_quality.quality_findings import QualityJudge, expectation_text
from lockgate.evidence.finding import Finding
from lockgate.evidence.run_folder import salt
from lockgate.models.program.program_runner import Program, ProgramRunner
from lockgate.models.safe_text import RowText
from lockgate.text import clauses

QUALITY_HOST = Path(__file__).parent / "hosts" / "quality_host.py"
_VARIABLES = {"GX_ANALYTICS_ENABLED": "false", "PYTHONDONTWRITEBYTECODE": "1"}
_LISTED = 3


@dataclass(frozen=True)
class QualityRun:
    """One data set and one file of expectations. python: as the pipeline names it, None for that of the models."""

    dataset: Dataset
    file: ExpectationFile
    programs: ProgramRunner
    python: str | None
    timeout_s: float

    def outputs(self, judge: QualityJudge) -> Iterator[Finding | Mapping[str, Any]]:
        """The findings, and what belongs into the evidence beside them.

        judge: without what it takes from the data. Raises GateBroken where an expectation raised, after all findings;
        DataError, ModelFault, UsageError, GateBroken where nothing could be checked.
        """
        content, digest = self.file.read()
        facts: dict[str, Any] = {"file": self.file.text, "sha256": digest}
        if self.file.library == "great_expectations" and not suite_expectations(content, self.file.text):
            yield {"expectations": facts}
            yield judge.nothing_expected()
            return
        results, isolation = self._checked(content)
        facts |= {"checked_with": dict(results.versions)}
        yield {"expectations": facts} | ({"isolation": dict(isolation)} if isolation else {})
        if not results.checks:
            yield judge.nothing_expected()
            return
        rows = {row for check in results.checks for row in check.first if row < self.dataset.count()}
        names = offender_names(self.dataset, rows, salt=salt(self.programs.root))
        named = replace(judge, columns=self.dataset.columns, names=names, ids=self._quotes_ids)
        hidden = self.dataset.spec.hash
        quotable = [
            check.model_copy(update={"observed": None}) if check.column in hidden else check for check in results.checks
        ]
        yield from named.findings(quotable)
        self._refuse_raised(results.checks)

    @property
    def _quotes_ids(self) -> bool:
        return self.dataset.spec.id is not None

    def _checked(self, content: bytes) -> tuple[QualityResults, Mapping[str, Any]]:
        """(what the host answers, what its box holds it to)."""
        folder = self.programs.working_folder()
        hand_over(self.dataset, folder / "data.parquet")
        (folder / self.file.copy_name).write_bytes(content)
        request = {
            "library": self.file.library,
            "source": self.file.copy_name,
            "attribute": self.file.attribute,
            "data": "data.parquet",
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        python = self.programs.python(self.python)
        program = Program(
            name=f"the process that checks {self.file.text}", command=(python, str(QUALITY_HOST)), python=python,
            timeout_s=self.timeout_s, reads=(QUALITY_HOST.parent,), variables=_VARIABLES,
        )  # fmt: skip
        end = self.programs.run(program, folder)
        if end.code:
            raise ModelFault(
                f"{program.name} ended with exit code {end.code}",
                remedy="its last lines say why; code of a schema must not call exit",
                stderr=RowText().output(end.output),
            )
        results = read_results(folder / "result.json")
        if results.error is not None:
            raise self._refusal(results.error.type, results.error.text, python)
        return results, end.isolation

    def _refusal(self, kind: str, text: str, python: str) -> GateBroken:
        """Where the host could check nothing: its own sentence, or what was raised."""
        if kind == "Refused":
            return GateBroken(f"{self.file.text} cannot be checked under {python}: {text}")
        return GateBroken(
            f"{self.file.text} cannot be checked: {self._shown(kind, text)}",
            remedy=f"mend {self.file.text}; it is checked alone, without the modules that lie beside it",
        )

    def _refuse_raised(self, checks: Sequence[CheckResult]) -> None:
        silent = [check for check in checks if check.success is None and check.raised is None and check.problem is None]
        sentences = [
            f"{expectation_text(check)} raised {self._shown(*check.raised, column=check.column)}"
            for check in checks
            if check.raised is not None
        ]
        sentences += [f"{expectation_text(check)} has no result" for check in silent]
        if sentences:
            raise GateBroken(
                clauses(sentences, _LISTED),
                remedy=f"mend the expectation in {self.file.text}, or the column that it reads",
            )

    def _shown(self, kind: str, text: str, *, column: str | None = None) -> str:
        """An exception with no value of a row: the names of columns stay, and of the one that was to be read."""
        names = [*self.dataset.columns, *([column] if column else [])]
        return RowText(names=names).error(kind, text)
