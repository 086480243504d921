"""Read requirement lines: pip's files, what `pip freeze` writes, and conda's dependencies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion

from lockgate.text import cut

_OPTION = re.compile(r"(-r|-c|-e|--requirement|--constraint|--editable)(?:\s*=\s*|\s+|(?<=-[rce]))(.+)")
_INCLUDES = ("-r", "--requirement")
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9][A-Za-z0-9._-]*)")
_CONDA = re.compile(r"(?:[^\s:]*::)?([A-Za-z0-9_][A-Za-z0-9._-]*)\s*(.*)")
_CONDA_PIN = re.compile(r"(=?=?)\s*([0-9][^\s=,|<>!~]*)(?:[\s=]+[^\s=,|<>!~]+)?")
_SHOWN = 200
_LONGEST = 2000  # of a requirement without its hashes
MOST_LINES = 10_000


@dataclass(frozen=True)
class PackageLine:
    """A package that a file asks for. name: normalised as in PEP 503; empty where the line names none.

    versions: that the line allows, all where it says none. file: where it stands. text: as it is written, in short.
    direct: whether it is a URL, a path or an editable one, whose version is known from a wheel's name alone. unread: the file that
    the line includes and that cannot be read, which may name any packages; None of every other line.
    """

    name: str
    versions: SpecifierSet
    file: str
    text: str
    marker: Marker | None = None
    direct: bool = False
    unread: str | None = None

    @property
    def exact(self) -> str | None:
        """The one version that it allows, None where it allows several."""
        pins = [each for each in self.versions if each.operator in ("==", "===") and not each.version.endswith(".*")]
        return pins[0].version if pins else None

    @property
    def release(self) -> tuple[int, ...]:
        """The leading numbers that all allowed versions share: (1, 26) of `==1.26.*` and `~=1.26.0`, () of `>=1.26`."""
        shared = [_shared(each.operator, each.version) for each in self.versions]
        return max(shared, key=len, default=())

    def applies(self, python: str | None) -> bool:
        """Whether its marker holds for that Python, and else on this machine; so does one that cannot be evaluated."""
        return self.marker is None or holds(self.marker, python)


def holds(marker: Marker, python: str | None) -> bool:
    """Whether a marker holds: for that Python where one is named, and else on this machine."""
    environment = {"extra": ""}
    if python is not None:
        environment |= {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, RecursionError):
        return True


def _shared(operator: str, version: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", re.match(r"v?[\d.]*", version)[0]))  # type: ignore[index]
    if operator == "~=":
        return numbers[:-1]
    return numbers if operator in ("==", "===") else ()


def read_requirements(text: str, *, file: str, include: Callable[[str], str] | None = None) -> list[PackageLine]:
    """The packages of a requirements file or of `pip freeze`, each as its constraints leave it.

    include: returns the text of another file that a line names (`-r`, `-c`); raises OSError, ValueError where there is none.
    A line that cannot be read is a package without a name. Options of pip are left aside. Raises ValueError for more
    than 10,000 lines.
    """
    lines, constraints = list[PackageLine](), dict[str, SpecifierSet]()
    for line, is_constraint in _lines(text, file, include, {file}):
        if not is_constraint:
            lines.append(line)
        elif line.name:
            constraints[line.name] = constraints.get(line.name, SpecifierSet()) & line.versions
        if len(lines) + len(constraints) > MOST_LINES:
            raise ValueError(f"it names more than {MOST_LINES:,} packages")
    return [
        replace(line, versions=line.versions & constraints[line.name]) if line.name in constraints else line
        for line in lines
    ]


def _lines(
    text: str, file: str, include: Callable[[str], str] | None, included: set[str]
) -> Iterator[tuple[PackageLine, bool]]:
    """(package, whether it is a constraint only) of each line, those of included files in their place, each file once."""
    for joined in _joined(text):
        line = re.sub(r"(^|\s)#.*$", "", joined).strip()
        option = _OPTION.fullmatch(line)
        if option is None or option[1] in ("-e", "--editable"):
            if option is not None:
                yield replace(_direct(option[2], file), text=_short(line)), False
            elif line and not line.startswith("-"):
                yield requirement_line(line, file=file), False
            continue
        name = option[2].strip("\"'")
        if name in included:
            continue
        included.add(name)
        try:
            if include is None:
                raise ValueError("nothing is read beside it")
            below = list(_lines(include(name), name, include, included))
        except (OSError, ValueError):
            yield replace(_unread(line, file), unread=_short(name)), False
            continue
        yield from ((each, is_constraint or option[1] not in _INCLUDES) for each, is_constraint in below)


def _joined(text: str) -> Iterator[str]:
    """The lines of a requirements file, with those that a backslash goes on in; a line of comment ends where it ends, as pip has it."""
    begun = ""
    for line in text.splitlines():
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            begun += line.strip("\\")
            continue
        yield begun + (f" {line}" if is_comment else line)
        begun = ""
    if begun:
        yield begun


def requirement_line(line: str, *, file: str) -> PackageLine:
    """One requirement; a package without a name where it cannot be read."""
    text = re.sub(r"\s--?\w.*$", "", line).strip()  # options of one requirement, such as --hash=…
    if len(text) > _LONGEST:
        return _unread(text, file)
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return _direct(text, file)
    name, marker = canonicalize_name(requirement.name), requirement.marker
    if requirement.url is not None:
        return replace(_direct(requirement.url, file), name=name, text=_short(text), marker=marker)
    return PackageLine(name, requirement.specifier, file, _short(text), marker)


def _direct(address: str, file: str) -> PackageLine:
    """A package that is named by its file or its repository: a wheel says its name and version."""
    if len(address) > _LONGEST:
        return _unread(address, file)
    try:
        base = unquote(urlsplit(address.strip()).path).rstrip("/").rpartition("/")[2]
    except ValueError:
        return _unread(address, file)
    for parse in (parse_wheel_filename, parse_sdist_filename):
        try:
            name, version = parse(base)[:2]
        except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
            continue
        return PackageLine(name, SpecifierSet(f"=={version}"), file, _short(address), direct=True)
    egg = _EGG.search(address)
    return replace(_unread(address, file), name=canonicalize_name(egg[1]) if egg else "")


def conda_line(line: str, *, file: str) -> PackageLine:
    """One of conda's dependencies: `numpy=1.26` allows 1.26.*, of three numbers, two signs or a build one version."""
    match = _CONDA.fullmatch(line.strip())
    if match is None or len(line) > _LONGEST:
        return _unread(line, file)
    pin = _CONDA_PIN.fullmatch(match[2])
    rest = match[2] if pin is None else f"=={pin[2]}"
    if pin is not None and pin[0] == f"={pin[2]}" and pin[2].count(".") < 2 and not pin[2].endswith("*"):
        rest += ".*"
    try:
        versions = SpecifierSet(rest.replace(" ", ""))
    except InvalidSpecifier:
        return PackageLine(canonicalize_name(match[1]), SpecifierSet(), file, _short(line), direct=True)
    return PackageLine(canonicalize_name(match[1]), versions, file, _short(line))


def _unread(line: str, file: str) -> PackageLine:
    return PackageLine("", SpecifierSet(), file, _short(line), direct=True)


def _short(line: str) -> str:
    """A line without user and password of an address."""
    return cut(re.sub(r"://[^/\s@]*@", "://", line), _SHOWN)
