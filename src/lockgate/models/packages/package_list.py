"""Read which packages are installed somewhere: lock files, `pip freeze`, conda's lists, and SBOMs of images."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from lockgate.errors import DataError
from lockgate.foreign import yaml as foreign_yaml
from lockgate.hashing import sha256
from lockgate.models.packages.requirement_lines import PackageLine, conda_line, holds, read_requirements

PYTHON = "python"
_PURL = re.compile(r"pkg:(pypi|conda|generic)/([^@?#]+)@([^?#]+)")
_COMMENTED_PYTHON = re.compile(r"^#.*(?:\bwith Python |--python-version[ =])(\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s+(v?\d[^\s]*)(?:\s.*)?")  # a row of `pip list` or `conda list`
_CONDA_EXPORT = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*)=([^=\s]+)=[^=\s]+")
_MOST_DEEP = 100
_UNREAD = ""  # stands among packages without a version for all those of a file that is included and not read
_REMEDY = (
    "write what pip freeze, pip list --format=json, conda list or an SBOM tool says there (CycloneDX or SPDX as JSON), "
    "or name a lock file"
)
Pair = tuple[str, str]


@dataclass(frozen=True)
class PackageList:
    """The packages of an environment. source: where that is said. versions: normalised name → its versions, more than one
    where a lock file leaves that open. unversioned: packages that are there in a version that the list does not say.
    python: its version, None where it is not said. whole: whether what is not listed is not there. sha256: of the text.
    """

    source: str
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unversioned: frozenset[str] = frozenset()
    python: str | None = None
    whole: bool = True
    sha256: str = ""


def read_package_list(text: str, *, source: str, python: str | None = None) -> PackageList:
    """The packages that a text lists, in whichever of the formats it is. Raises DataError where it is none of them.

    python: that serves, where it is known beside the list; of a lock for several, it says which packages are meant.

    JSON: CycloneDX, SPDX, `pip list`, `pip inspect`, `conda list`, Pipfile.lock. TOML: uv.lock, poetry.lock, pylock.toml.
    YAML: conda's environment, conda-lock.yml. Else lines: `pip freeze`, requirements with exact versions, `pip list`, `conda list`.
    """
    try:
        start = text.lstrip("\ufeff \t\r\n")[:1]
        if start in ("{", "["):
            listed = _first_readable(text, python)
        elif re.search(r"^dependencies:", text, re.MULTILINE):
            listed = _of_lines(conda_dependencies(foreign_yaml.read(text), file=source), python)
        elif re.search(r"^package:", text, re.MULTILINE):
            listed = list(_named(foreign_yaml.read(text)["package"])), set()
        else:
            listed = _of_text(text, source, python)
        packages = _list(source, *listed)
        return replace(packages, python=packages.python or python, sha256=sha256(text.encode("utf-8", "replace")))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DataError(f"{source} is no list of packages: {error}", remedy=_REMEDY) from error


def _first_readable(text: str, python: str | None) -> tuple[list[Pair], set[str]]:
    """JSON, or TOML that begins with a table."""
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except ValueError:
        if "[[package" not in text:
            raise
        return _of_toml(text, python)
    return list(_of_json(document)), set()


def _list(source: str, pairs: Iterable[Pair], unversioned: Collection[str] = ()) -> PackageList:
    versions: dict[str, dict[str, None]] = {}
    for name, version in pairs:
        versions.setdefault(canonicalize_name(name), {})[version] = None
    python = versions.pop(PYTHON, None)
    return PackageList(
        source,
        {name: tuple(each) for name, each in sorted(versions.items())},
        frozenset(unversioned) - versions.keys() - {_UNREAD},
        next(iter(python)) if python and len(python) == 1 else None,
        whole=_UNREAD not in unversioned,
    )


def _of_json(document: Any) -> Iterator[Pair]:
    if isinstance(document, list):
        yield from _named(document)
    elif document.get("bomFormat") == "CycloneDX":
        yield from _components(document.get("components") or (), 0)
    elif "spdxVersion" in document:
        yield from _of_purls(
            reference.get("referenceLocator")
            for package in document.get("packages") or ()
            for reference in package.get("externalRefs") or ()
        )
    elif "@graph" in document:
        yield from _of_purls(_spdx3_purl(element) for element in document["@graph"])
    elif isinstance(document.get("artifacts"), list):
        yield from _of_purls(artifact.get("purl") for artifact in document["artifacts"])
    elif isinstance(document.get("installed"), list):
        yield from _named(package["metadata"] for package in document["installed"])
        python = (document.get("environment") or {}).get("python_full_version")
        yield from [(PYTHON, python)] if isinstance(python, str) else []
    elif isinstance(document.get("packages"), list):
        yield from _named(document["packages"])
        python = document.get("python")
        yield from [(PYTHON, python)] if isinstance(python, str) else []
    elif isinstance(document.get("default"), dict):
        for name, entry in document["default"].items():
            yield from [(name, entry["version"].lstrip("="))] if "version" in entry else []
    else:
        raise ValueError("its JSON has another shape")


def _named(entries: Iterable[Mapping[str, Any]]) -> Iterator[Pair]:
    for entry in entries:
        if isinstance(entry["name"], str) and isinstance(entry.get("version"), str):
            yield entry["name"], entry["version"]


def _components(components: Iterable[Any], depth: int) -> Iterator[Pair]:
    for component in components if depth < _MOST_DEEP else ():
        if isinstance(component.get("purl"), str):
            yield from _of_purls([component["purl"]])
        elif component.get("type") == "library":
            yield from _named([component])
        yield from _components(component.get("components") or (), depth + 1)


def _spdx3_purl(element: Mapping[str, Any]) -> Any:
    identifiers = element.get("externalIdentifier") or ()
    named = (each.get("identifier") for each in identifiers if "package" in str(each.get("externalIdentifierType")))
    return element.get("software_packageUrl") or next(named, None)


def _of_purls(purls: Iterable[Any]) -> Iterator[Pair]:
    """Python's packages among package URLs, and Python itself; those of other languages and of the system are others."""
    for purl in purls:
        match = _PURL.match(purl) if isinstance(purl, str) else None
        if match is None:
            continue
        name = unquote(match[2]).rpartition("/")[2]
        if match[1] != "generic" or name == PYTHON:
            yield name, unquote(match[3])


def _of_toml(text: str, python: str | None) -> tuple[list[Pair], set[str]]:
    document = tomllib.loads(text)
    packages = [each for each in document.get("package") or document.get("packages") or () if _is_meant(each, python)]
    local = [each for each in packages if not isinstance(each.get("version"), str)]
    return list(_named(packages)), {canonicalize_name(str(each["name"])) for each in local}


def _is_meant(package: Mapping[str, Any], python: str | None) -> bool:
    """Whether an entry of a lock is for that Python, which pylock.toml says in one marker and uv.lock in several."""
    markers = package.get("resolution-markers") or ([package["marker"]] if "marker" in package else [])
    return python is None or not markers or any(holds(Marker(marker), python) for marker in markers)


def _of_text(text: str, source: str, python: str | None) -> tuple[list[Pair], set[str]]:
    """TOML, or a package a line."""
    if "[[package" in text:
        return _of_toml(text, python)
    pairs, rest = list[Pair](), list[str]()
    for line in text.splitlines():
        row = _CONDA_EXPORT.fullmatch(line.strip()) or _PINNED.fullmatch(line.strip())
        pairs += [(row[1], row[2])] if row else []
        rest += [] if row else [line]
    commented = _COMMENTED_PYTHON.search(text)
    python = python or (commented and commented[1])
    more, unversioned = _of_lines(read_requirements("\n".join(rest), file=source), python)
    pairs += [*more, *([(PYTHON, commented[1])] if commented else [])]
    if not pairs and not unversioned and text.strip():
        raise ValueError("no line of it says a version")
    return pairs, unversioned


def _of_lines(lines: Iterable[PackageLine], python: str | None) -> tuple[list[Pair], set[str]]:
    pairs, unversioned = list[Pair](), set[str]()
    for line in lines:
        version = ".".join(map(str, line.release)) if line.name == PYTHON else line.exact
        if python is not None and not line.applies(python):
            continue
        if line.name and version:
            pairs.append((line.name, version))
        elif line.name or line.unread is not None:
            unversioned.add(line.name or _UNREAD)
    return pairs, unversioned


def conda_dependencies(document: Any, *, file: str, include: Callable[[str], str] | None = None) -> list[PackageLine]:
    """The packages of conda's environment, those of its `pip:` sections among them, and of files that these include.

    include: as for read_requirements. Raises ValueError, TypeError.
    """
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise ValueError("it has no list of dependencies")
    lines = []
    for entry in dependencies:
        if isinstance(entry, dict):
            below = [str(line) for each in entry.values() if isinstance(each, list) for line in each]
            lines += read_requirements("\n".join(below), file=file, include=include)
        else:
            lines.append(conda_line(str(entry), file=file))
    return lines
