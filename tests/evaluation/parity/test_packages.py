"""Declared and serving versions, compared as closely as a policy says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.evaluation.parity.packages import CLOSENESS, DEFAULT, OTHERS, Closeness, ParityPolicy, compare_packages
from lockgate.models.packages.package_list import PackageList
from lockgate.models.packages.requirement_lines import read_requirements


def outcome(
    declared: str, serving: str | None, closeness: Closeness | None = None, *, python: str | None = "3.11.9"
) -> str:
    """Of one declared line, where its package serves in that version; closeness: None for the default policy."""
    (line,) = read_requirements(declared, file="requirements.txt")
    policy = ParityPolicy() if closeness is None else ParityPolicy({**DEFAULT, line.name: closeness})
    versions = {} if serving is None else {line.name: tuple(serving.split("|"))}
    compared = compare_packages([line], PackageList("serving.txt", versions, python=python), policy)
    return compared[0].outcome if compared else "left out"


@pytest.mark.parametrize(
    ("declared", "serving", "closeness", "expected"),
    [
        ("numpy==2.4.6", "2.4.6", "exact", "same"),
        ("numpy==2.4.6", "2.4.5", "exact", "differs"),
        ("numpy==2.4", "2.4.0", "exact", "same"),
        ("torch==2.4.0", "2.4.0+cu121", "exact", "same"),
        ("torch==2.4.0+cpu", "2.4.0+cu121", "exact", "differs"),
        ("numpy==2.4.6", "2.4.0", "same_minor", "allowed"),
        ("numpy==2.4.6", "2.5.0", "same_minor", "differs"),
        ("numpy==2.4.6", "1!2.4.6", "same_minor", "differs"),
        ("mlflow==3.1.0", "3.17.2", "same_major", "allowed"),
        ("mlflow==3.1.0", "2.22.0", "same_major", "differs"),
        ("risk==0.3.1", "0.3.9", "same_major", "allowed"),
        ("risk==0.3.1", "0.4.0", "same_major", "differs"),
        ("numpy==2.4.6", "1.26.4", "ignore", "left out"),
        ("numpy==1.26.*", "1.26.4", "same_minor", "allowed"),
        ("numpy~=1.26.1", "1.26.4", "same_minor", "allowed"),
        ("numpy~=1.26.1", "1.26.0", "same_minor", "differs"),
        ("numpy~=1.26.1", "1.26.4", "exact", "undecided"),
        ("numpy>=1.20", "1.26.4", "same_minor", "undecided"),
        ("numpy", "1.26.4", "same_minor", "undecided"),
        ("numpy>=2", "1.26.4", "same_minor", "differs"),
        ("numpy==2.4.6", None, "same_minor", "differs"),
        ("numpy==2.4.6", "2.4.0|2.5.0", "same_minor", "differs"),
        ("numpy==2.4.6", "unknown", "same_minor", "undecided"),
        # what no policy names need not be shown to agree
        ("psutil==7.0.0", None, None, "missing"),
        ("psutil", "7.0.0", None, "not shown"),
        ("psutil>=8", "7.0.0", None, "differs"),
        ("psutil==7.0.0", "5.9.0", None, "differs"),
        ("pip==24.0", "20.0", None, "left out"),
        # markers hold for the Python that serves
        ("numpy==2.4.6; python_version < '3.10'", "1.26.4", None, "left out"),
        ("numpy==2.4.6; python_version >= '3.10'", "1.26.4", None, "differs"),
        ("numpy==2.4.6; extra == 'gpu'", "1.26.4", None, "left out"),
    ],
)
def test_a_version_agrees_as_closely_as_the_policy_says(
    declared: str, serving: str | None, closeness: Closeness | None, expected: str
) -> None:
    """A pin by its numbers, a range by whether it holds; a range shows no minor release."""
    assert outcome(declared, serving, closeness) == expected


def test_python_is_compared_like_a_package_of_its_own() -> None:
    """Where its list does not say it, nothing is shown."""
    assert outcome("python==3.11.4", None) == "allowed"
    assert outcome("python==3.12.1", None) == "differs"
    assert outcome("python==3.11.4", None, python=None) == "undecided"


def test_everything_may_be_held_to_the_same_version() -> None:
    """`exact: ["*"]`, and then what is missing or unpinned counts too."""
    lines = read_requirements("psutil==7.0.0\nrich\nrequests==2.0\n./unknown\n", file="requirements.txt")
    serving = PackageList("serving.txt", {"rich": ("1.0",), "requests": ("2.0",)}, python="3.11.9")
    compared = compare_packages(lines, serving, ParityPolicy({OTHERS: "exact"}))

    assert [each.outcome for each in compared] == ["differs", "undecided", "same", "undecided"]


def test_what_an_incomplete_list_does_not_say_is_not_missing() -> None:
    """As that of a server, which says a few versions of itself; and a package without a version is there."""
    lines = read_requirements("numpy==2.4.6\npsutil==7.0.0\n", file="requirements.txt")
    part = compare_packages(lines, PackageList("the server", whole=False), ParityPolicy())
    unversioned = compare_packages(lines, PackageList("freeze.txt", unversioned=frozenset({"numpy"})), ParityPolicy())

    assert [each.outcome for each in part] == ["undecided", "not shown"]
    assert [each.outcome for each in unversioned] == ["undecided", "missing"]


NUMBERS = st.integers(0, 3)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_what_agrees_closely_agrees_loosely(declared: tuple[int, ...], serving: tuple[int, ...]) -> None:
    """exact implies same_minor implies same_major, and it makes no difference who serves and who declares."""
    ours, theirs = (".".join(map(str, version)) for version in (declared, serving))
    levels: tuple[Closeness, ...] = ("exact", "same_minor", "same_major")
    agree = [outcome(f"risk=={ours}", theirs, level) != "differs" for level in levels]

    assert agree == sorted(agree)
    assert agree == [outcome(f"risk=={theirs}", ours, level) != "differs" for level in levels]


PINS = st.sampled_from(["==1.0", "===any thing", "===?", "~=1.0", ">=1!0", "==1.*", "", "!=1.0", "<2,>1", "==1.0+cpu"])
MARKERS = st.sampled_from(
    [
        "",
        "; python_version < '3'",
        "; os_name == 'x'",
        "; extra == 'a'",
        "; python_version > 'x'",
        "; platform_release >= '1'",
    ]
)
SERVED = st.sampled_from(["1.0", "2", "unknown", "", "1.0+cpu", "1!3", "1.0rc1"]) | st.text(max_size=6)


@given(st.lists(st.tuples(PINS, MARKERS, SERVED), max_size=4), st.none() | SERVED, st.sampled_from(CLOSENESS))
def test_whatever_is_declared_and_served_is_compared(
    packages: list[tuple[str, str, str]], python: str | None, closeness: Closeness
) -> None:
    """Texts that are no versions agree with nothing but themselves, and break nothing."""
    text = "".join(f"p{number}{pin}{marker}\n" for number, (pin, marker, _) in enumerate(packages))
    serving = PackageList(
        "s", {f"p{number}": (version,) for number, (_, _, version) in enumerate(packages)}, python=python
    )
    lines = read_requirements(text, file="requirements.txt")
    compared = compare_packages(lines, serving, ParityPolicy({OTHERS: closeness}, ["p0", "q"]))

    assert all("\n" not in f"{each}{each.serving}" for each in compared)
    assert closeness != "exact" or all(each.outcome in ("same", "differs", "undecided") for each in compared)
