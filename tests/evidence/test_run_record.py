"""The record of a run gives its evidence, and its exhibits where they can be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.report_evidence import METRICS, evidence
from lockgate.evidence.evidence import Evidence, EvidenceError
from lockgate.evidence.exhibit import Exhibit
from lockgate.evidence.run_folder import RunFolder
from lockgate.evidence.run_record import RunRecord

ROC = Exhibit("metrics/roc", "curve", ("fpr", "tpr", "model"), ((0.0, 0.25, "candidate"), (1.0, 1.0, "champion")))


def kept(folder: Path) -> Evidence:
    return evidence(METRICS, exhibits=[RunFolder(folder).keep_exhibit(ROC)])


def test_an_exhibit_is_read_by_its_name(tmp_path: Path) -> None:
    """As it was written, its numbers as the strings that they are in canonical JSON."""
    read = RunRecord(kept(tmp_path), lambda: tmp_path).exhibit("metrics/roc")

    assert (read.name, read.kind, read.columns) == (ROC.name, ROC.kind, ROC.columns)
    assert read.points == (("0.0", "0.25", "candidate"), ("1.0", "1.0", "champion"))
    assert read.to_bytes() == ROC.to_bytes()


def test_nothing_is_fetched_before_an_exhibit_is_read(tmp_path: Path) -> None:
    """A report without plots of a published run downloads nothing."""
    calls: list[Path] = []

    def fetch() -> Path:
        calls.append(tmp_path)
        return tmp_path

    record = RunRecord(kept(tmp_path), fetch)

    assert record.evidence.verdict == "fail"
    assert calls == []
    record.exhibit("metrics/roc")
    assert calls == [tmp_path]


def test_an_exhibit_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Undeclared, gone, or no folder at all."""
    whole = kept(tmp_path)
    with pytest.raises(EvidenceError, match="has no exhibit metrics/pr"):
        RunRecord(whole, lambda: tmp_path).exhibit("metrics/pr")
    with pytest.raises(EvidenceError, match="has no exhibit metrics/roc"):
        RunRecord(whole).exhibit("metrics/roc")
    with pytest.raises(EvidenceError, match="has no exhibit metrics/roc"):
        RunRecord(whole, lambda: tmp_path / "elsewhere").exhibit("metrics/roc")


def test_an_exhibit_that_was_edited_is_an_error(tmp_path: Path) -> None:
    """Its bytes are bound to the evidence."""
    whole = kept(tmp_path)
    (tmp_path / "exhibits" / "metrics-roc.json").write_bytes(ROC.to_bytes().replace(b"0.25", b"0.75"))

    with pytest.raises(EvidenceError, match="is not the exhibit metrics/roc"):
        RunRecord(whole, lambda: tmp_path).exhibit("metrics/roc")
