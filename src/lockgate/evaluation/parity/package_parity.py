"""What the packages of one version and of where it serves come to: counts, sentences and the lines that mend them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.parity.packages import PackageComparison, ParityPolicy, compare_packages
from lockgate.evaluation.requirements.requirement import Requirement

if TYPE_CHECKING:
    from lockgate.evaluation.case import Contender
    from lockgate.models.packages.package_list import PackageList
    from lockgate.models.packages.requirement_lines import PackageLine

_LISTED = 40


@dataclass(frozen=True)
class PackageParity:
    """One version beside where it serves. declared: what the policy does not ignore of it; compared: what applies there."""

    declared: Sequence[PackageLine]
    serving: PackageList
    compared: Sequence[PackageComparison]

    @classmethod
    def read(cls, contender: Contender, serving: PackageList, policy: ParityPolicy) -> PackageParity:
        """Raises VersionFault for a declaration of the candidate that cannot be read, RegistryError for one of the champion."""
        from lockgate.models.packages.declaration import Declaration

        with contender.own():
            declaration = Declaration.read(contender.files, name=contender.role, python=contender.facts.python_version)
        lines = [line for line in declaration.lines if policy.closeness(line.name) != "ignore"]
        return cls(lines, serving, compare_packages(lines, serving, policy))

    @property
    def facts(self) -> dict[str, Any]:
        """What served, for the evidence."""
        serving = self.serving
        return {
            "list": serving.source, "sha256": serving.sha256, "packages": len(serving.versions), "python": serving.python,
        }  # fmt: skip

    def having(self, *outcomes: str) -> list[PackageComparison]:
        return [each for each in self.compared if each.outcome in outcomes]

    @cached_property
    def unpinned(self) -> list[PackageLine]:
        return [line for line in self.declared if line.exact is None and line.unread is None]

    @cached_property
    def unread(self) -> list[PackageLine]:
        """Lines that include a file which is not there, or cannot be read: it may declare anything."""
        return [line for line in self.declared if line.unread is not None]

    @property
    def _nothing(self) -> str | None:
        """Why nothing could be compared at all; None where something was."""
        if not self.compared:
            return "the model declares no packages"
        if not self.unread and all(each.serving is None for each in self.compared if each.package != "python"):
            return f"{self.serving.source} lists none of the {len(self.compared)} packages that the model declares"
        return None

    def differences(self, name: str, line: Requirement, champion: PackageParity | None) -> Estimate:
        """The count of packages that differ; what could not be decided leaves it open."""
        nothing, undecided, missing = self._nothing, self.having("undecided"), self.having("missing")
        notes: list[object] = [*undecided, *self.having("not shown")]
        notes += [f"not there: {', '.join(each.package for each in missing)}"] if missing else []
        detail: dict[str, Any] = {"found": _listed(self.having("differs"))}
        detail |= {
            key: _listed(entries) for key, entries in (("fine", self.having("allowed")), ("notes", notes)) if entries
        }
        estimate = counted(
            name, line, value=len(self.having("differs")), units=0 if nothing else len(self.compared), detail=detail,
            champion=None if champion is None else float(len(champion.having("differs"))),
        )  # fmt: skip
        if nothing:
            return replace(estimate, detail={"why": nothing}, problem=("nothing_listed", nothing))
        few = "; ".join(_listed(undecided)) or None
        code = ("include_unreadable" if self.unread else "not_pinned") if few else "too_small"
        return replace(estimate, counted_in="packages", too_few=few, few_code=code)

    def unpinned_count(self, name: str, line: Requirement, champion: PackageParity | None) -> Estimate:
        """The count of requirements without an exact version; of a model that declares none nothing is shown."""
        packages = any(each.name != "python" for each in self.declared)
        ranges = _listed([f"{each.text} ({each.file})" for each in self.unpinned])
        estimate = counted(
            name, line, value=len(self.unpinned), units=len(self.declared) if packages else 0,
            champion=None if champion is None else float(len(champion.unpinned)),
            detail={"found": ranges} if packages else {"why": "the model declares no packages"},
        )  # fmt: skip
        few = (
            "; ".join(f"{each.text} ({each.file}) includes a file that cannot be read" for each in self.unread) or None
        )
        return replace(
            estimate, counted_in="requirements", too_few=few, few_code="include_unreadable" if few else "too_small"
        )

    def remedy(self) -> str:
        """The line that makes the serving environment what the model declares, and the other way."""
        differing = {each.package for each in self.having("differs")} - {"", "python"}
        lines = [f'"{line.name}{line.versions}"' for line in self.declared if line.name in differing and _typed(line)]
        parts = [f"where it serves: pip install {' '.join(lines)}"] if lines else []
        parts += [f"serve under {each.declared}" for each in self.having("differs") if each.package == "python"]
        parts.append(f"train and log the model under the versions of {self.serving.source}")
        return "; or ".join(parts)

    def pinning(self) -> str:
        """The lines that say what nobody could decide."""
        undecided = self.having("undecided")
        named = [each for each in undecided if each.package not in ("", "python")]
        parts = []
        if self.unread:
            files = " and ".join(dict.fromkeys(f"{each.unread} that {each.file} includes" for each in self.unread))
            parts.append(f"log the model with {files}, or with all its requirements in one list: pip_requirements=[…]")
        if unpinned := [each.package for each in named if each.serving is not None]:
            parts.append(pin_line(unpinned))
        if any(each.package == "python" for each in undecided):
            parts.append("write python: 3.11, or whichever version `python --version` says there, beside serving")
        if silent := [each.package for each in named if each.serving is None]:
            parts.append(f"name a list that says the version of {', '.join(silent)}, such as pip list --format=json")
        return "; ".join(parts) or pin_line(())


def _listed(entries: Sequence[object]) -> list[str]:
    more = len(entries) - _LISTED
    return [*map(str, entries[:_LISTED]), *([f"and {more} more"] if more > 0 else [])]


def pin_line(names: Sequence[str]) -> str:
    """What to write where the model is logged, so that it declares these packages in the versions of its training."""
    pins = [f'f"{name}=={{version({name!r})}}"' for name in names]
    return f"log it with the versions of its training: pip_requirements=[{', '.join([*pins, '…'])}]"


def _typed(line: PackageLine) -> bool:
    """Whether its versions may stand in a command for people; `===` takes any signs for one."""
    return re.fullmatch(r"[\w.+<>=~,*-]+", str(line.versions)) is not None
