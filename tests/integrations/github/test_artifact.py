"""What is taken out of a zip that strangers made: what the evidence names, with the hash that it names, and nothing else."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Mapping, Sequence

import pytest

from helpers.promoting import evidence
from lockgate import hashing as digest
from lockgate.errors import LockgateError, Refused
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github import artifact as github_artifact
from lockgate.integrations.github.artifact import EXHIBIT_BYTES, read_exhibits
from lockgate.integrations.github.schema import GitHubError

ROC = b'{"schema":"lockgate/exhibit/v1"}'


def named(*entries: tuple[str, bytes | str]) -> Evidence:
    """Evidence that declares these exhibits: (name, content or hash)."""
    listed = [
        {"name": name, "kind": "curve", "sha256": digest.sha256(what) if isinstance(what, bytes) else what}
        for name, what in entries
    ]
    return Evidence.from_document({**evidence().document, "exhibits": listed})


def zipped(files: Sequence[tuple[str, bytes]] | Mapping[str, bytes], *, link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, content in files.items() if isinstance(files, Mapping) else files:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if name == link:
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, content)
    return packed.getvalue()


def test_what_the_evidence_names_is_taken_and_nothing_else() -> None:
    """Whatever else lies there, and wherever it would like to be put."""
    data = zipped(
        {"exhibits/metrics-roc.json": ROC, "exhibits/other.json": b"{}", "../../evil": b"x", "/etc/cron.d/x": b"x"}
    )

    assert read_exhibits(data, named(("metrics/roc", ROC))) == {"exhibits/metrics-roc.json": ROC}
    assert read_exhibits(zipped({}), named()) == {}


@pytest.mark.parametrize(
    ("about", "files", "said"),
    [
        (named(("metrics/roc", ROC)), {}, "its exhibit exhibits/metrics-roc.json is not in the artifact"),
        (named(("metrics/roc", ROC)), {"exhibits/metrics-roc.json": b"{}"}, "differs between the artifact and the evidence"),
        (named(("a/b", ROC), ("a-b", b"{}")), {"exhibits/a-b.json": ROC}, "it names 2 exhibits, of which 1 differ"),
        (named(*((f"m/{number}", ROC) for number in range(501))), {}, "at most 500 are kept"),
        (named(("../../../etc/passwd", ROC)), {}, "it names an exhibit '../../../etc/passwd'"),
        (named(("..", ROC)), {}, "it names an exhibit '..'"),
        (named(("a\\b", ROC)), {}, "it names an exhibit 'a"),
        (named(("a\0b", ROC)), {}, "it names an exhibit 'a"),
        (named(("x" * 300, ROC)), {}, "it names an exhibit 'xxx"),
        (named(("metrics/roc", "sha256:0")), {}, "with 'sha256:0'"),
        (Evidence.from_document({**evidence().document, "exhibits": [1]}), {}, "another shape"),
        (Evidence.from_document({**evidence().document, "exhibits": None}), {}, "another shape"),
    ],
)  # fmt: skip
def test_evidence_without_its_exhibits_is_not_whole(about: Evidence, files: dict[str, bytes], said: str) -> None:
    """Refused, with a stable code: what is published must be what was signed."""
    with pytest.raises(Refused) as caught:
        read_exhibits(zipped(files), about)

    assert caught.value.code == "exhibit_missing"
    assert said in str(caught.value)
    assert "run the gate workflow again" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped([("exhibits/metrics-roc.json", ROC), ("exhibits/metrics-roc.json", ROC)]), "twice"),
        (zipped([("exhibits/metrics-roc.json", b"/etc/passwd")], link="exhibits/metrics-roc.json"), "is a link"),
        (zipped([("exhibits/metrics-roc.json", b"0" * (EXHIBIT_BYTES + 1))]), "too long"),
        (b"PK no zip", "no zip"),
    ],
)
def test_a_hostile_zip_is_an_error(data: bytes, said: str) -> None:
    """A name that stands there twice, a link, a bomb, no zip at all."""
    with pytest.raises(GitHubError, match=said):
        read_exhibits(data, named(("metrics/roc", ROC)))


def test_all_exhibits_together_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many that are each within their size would fill the disk."""
    monkeypatch.setattr(github_artifact, "EXHIBITS_BYTES", 2 * len(ROC) - 1)
    data = zipped({"exhibits/a.json": ROC, "exhibits/b.json": ROC})

    assert len(read_exhibits(data, named(("a", ROC)))) == 1
    with pytest.raises(LockgateError, match="together"):
        read_exhibits(data, named(("a", ROC), ("b", ROC)))
