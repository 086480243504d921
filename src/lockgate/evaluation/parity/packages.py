"""Compare the packages that a version declares with those where it serves, each as closely as the policy says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from lockgate.text import cut

if TYPE_CHECKING:
    from packaging.version import Version

    from lockgate.models.packages.package_list import PackageList
    from lockgate.models.packages.requirement_lines import PackageLine

Closeness = Literal["exact", "same_minor", "same_major", "ignore"]
CLOSENESS: tuple[Closeness, ...] = get_args(Closeness)
OTHERS = "*"
# Changes of these within a major release have changed predictions, or broken what was pickled.
DEFAULT: Mapping[str, Closeness] = {
    **dict.fromkeys(("python", "numpy", "pandas", "scikit-learn"), "same_minor"),
    **dict.fromkeys(("pip", "setuptools", "wheel"), "ignore"),
    OTHERS: "same_major",
}
_LONGEST = 60
_NUMBERS = {"same_minor": 2, "same_major": 1}
Outcome = Literal["same", "allowed", "differs", "missing", "undecided", "not shown"]


@dataclass(frozen=True)
class ParityPolicy:
    """How closely versions must agree. named: normalised package → how closely, `*` for every other one.

    expected: packages that a pipeline names itself, and so expects to be declared wherever they serve.
    """

    named: Mapping[str, Closeness] = field(default_factory=lambda: DEFAULT)
    expected: Collection[str] = ()

    def closeness(self, package: str) -> Closeness:
        return self.named.get(package) or self.named.get(OTHERS, "same_major")

    def is_strict(self, package: str) -> bool:
        """Whether it must be shown to agree: it is named, or everything must be the same."""
        return package in self.named or self.named.get(OTHERS) == "exact"


@dataclass(frozen=True)
class PackageComparison:
    """One declared package beside where it serves.

    declared: as it is written. serving: its version there, None where none is known. outcome: `missing` and `not shown` are
    of packages that need not be shown to agree; `undecided` of those that must. reason: a few words; empty where it is the same.
    """

    package: str
    declared: str
    serving: str | None
    closeness: Closeness
    outcome: Outcome
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.package or self.declared} {self.reason}".strip()


def compare_packages(
    declared: Iterable[PackageLine], serving: PackageList, policy: ParityPolicy
) -> tuple[PackageComparison, ...]:
    """Every declared package that applies there and is not ignored, in the order of the declaration; then what serves undeclared."""
    declared = [line for line in declared if line.applies(serving.python)]
    names = {line.name for line in declared}
    undeclared = [
        PackageComparison(
            name, "nothing", version, policy.closeness(name), "undecided", f"is not declared, serving {version}"
        )
        for name in policy.expected
        if name not in names and (version := _listed(serving.versions.get(name, ())))
    ]
    return (*_comparisons(declared, serving, policy), *undeclared)


def _comparisons(
    declared: Iterable[PackageLine], serving: PackageList, policy: ParityPolicy
) -> Iterator[PackageComparison]:
    from lockgate.models.packages.package_list import PYTHON

    for line in declared:
        closeness = policy.closeness(line.name)
        if closeness == "ignore":
            continue
        versions = serving.versions.get(line.name, ()) if line.name != PYTHON else (serving.python,)
        versions = tuple(version for version in versions if version)
        outcomes = [_against(line, version, closeness) for version in versions] or [_without_version(line, serving)]
        outcome, reason = max(
            outcomes, key=lambda each: ("same", "allowed", "not shown", "missing", "differs").index(each[0])
        )
        if policy.is_strict(line.name) or line.unread is not None:
            outcome = {"not shown": "undecided", "missing": "differs"}.get(outcome, outcome)  # type: ignore[assignment]
        yield PackageComparison(line.name, line.text, _listed(versions) or None, closeness, outcome, reason)


def _without_version(line: PackageLine, serving: PackageList) -> tuple[Outcome, str]:
    from lockgate.models.packages.package_list import PYTHON

    if line.unread is not None:
        return "not shown", f"({line.file}) includes a file that cannot be read, and what it declares is not compared"
    if not line.name:
        return "not shown", f"names no package whose version can be compared ({line.file})"
    if line.name in serving.unversioned or line.name == PYTHON or not serving.whole:
        return "not shown", f"{_declared(line)}, {serving.source} says no version of it"
    return "missing", f"{_declared(line)}, {serving.source} has none"


def _against(line: PackageLine, version: str, closeness: Closeness) -> tuple[Outcome, str]:
    """One version that serves, against what is declared."""
    from packaging.version import InvalidVersion, Version

    words = f"{_declared(line)}, serving {_short(version)}"
    try:
        serving = Version(version)
        if line.exact is not None:
            if line.exact == version or line.versions.contains(serving, prereleases=True):
                return "same", ""
            agree = closeness != "exact" and _agree(Version(line.exact), serving, _NUMBERS[closeness])
            return ("allowed" if agree else "differs"), words
        if not line.versions.contains(serving, prereleases=True):
            return "differs", words
    except (InvalidVersion, ValueError):
        return ("same", "") if line.exact == version else ("not shown", f"{words}: no versions that can be compared")
    numbers = _NUMBERS.get(closeness, len(serving.release) + 1)
    if len(line.release) >= numbers + (numbers == 1 and line.release[:1] == (0,)):
        return "allowed", words
    return "not shown", f"is not pinned: {words}"


def _agree(declared: Version, serving: Version, numbers: int) -> bool:
    """Whether the first numbers of two versions are the same; before 1.0 the second number stands for the first."""
    numbers += numbers == 1 and declared.major == serving.major == 0
    ours, theirs = ((*version.release, 0, 0)[:numbers] for version in (declared, serving))
    return declared.epoch == serving.epoch and ours == theirs


def _declared(line: PackageLine) -> str:
    """The version that is declared, or what is said instead of one."""
    return _short(line.exact or str(line.versions) or f"declared as {line.text}")


def _listed(versions: Iterable[str]) -> str:
    return ", ".join(map(_short, versions))


def _short(version: str) -> str:
    """A version that a stranger wrote, which may be any text."""
    return cut(version, _LONGEST)
