"""Scanners that others keep. What they find is added to what is found here, and never taken for all there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from lockgate.errors import GateBroken
from lockgate.models.artifact.problem import printable

Scanner = Literal["picklescan", "skops"]
Scan = Callable[
    [Path], Iterator[tuple[str, str]]
]  # (sentence, the name that an owner may allow) of each thing in a file


def scanner(name: Scanner) -> Scan:
    """The scanner of that name. Raises GateBroken where it is not installed."""
    return _SCANNERS[name]()


def _picklescan() -> Scan:
    try:
        from picklescan.scanner import SafetyLevel, scan_file_path
    except ImportError as error:
        raise GateBroken(
            f"picklescan cannot be imported: {error}",
            remedy="pip install 'lockgate[scan]', or leave it out of scanners",
        ) from error

    def scan(path: Path) -> Iterator[tuple[str, str]]:
        for each in scan_file_path(str(path)).globals:
            if each.safety is SafetyLevel.Dangerous:
                name = printable(f"{each.module}.{each.name}")
                yield f"picklescan calls {name} dangerous", name

    return scan


def _skops() -> Scan:
    try:
        from skops.io import get_untrusted_types
    except ImportError as error:
        raise GateBroken(
            f"skops cannot be imported: {error}", remedy="pip install skops, or leave it out of scanners"
        ) from error

    def scan(path: Path) -> Iterator[tuple[str, str]]:
        from zipfile import ZipFile, is_zipfile

        if is_zipfile(path) and "schema.json" in ZipFile(path).namelist():
            for each in get_untrusted_types(file=path):
                yield f"skops does not trust {printable(each)}", printable(each)

    return scan


_SCANNERS: Mapping[Scanner, Callable[[], Scan]] = {"picklescan": _picklescan, "skops": _skops}
