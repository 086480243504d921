"""A pipeline says what its files say together, and each value knows where it stands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from lockgate.errors import PipelineError
from lockgate.pipeline import inheritance as extends


def merged(folder: Path, **files: str) -> extends.Merged:
    """The file `child`, resolved; every file is written as NAME.yaml."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return extends.resolve(folder / "child.yaml", root=folder)


def data(folder: Path, **files: str) -> Any:
    found = merged(folder, **files)
    assert not found.complaints
    return found.root.plain()


def touched(folder: Path, **files: str) -> list[str]:
    return list(map(str, merged(folder, **files).complaints))


def refusal(folder: Path, **files: str) -> str:
    with pytest.raises(PipelineError) as caught:
        merged(folder, **files)
    return str(caught.value)


def test_maps_merge_and_scalars_replace(tmp_path: Path) -> None:
    """A child says only what is different."""
    assert data(
        tmp_path,
        parent="model: a\npromotion: {soak: 1h, retain: 30d}\nchampion: {alias: production}\nmode: observe\n",
        child="extends: parent.yaml\nmodel: b\npromotion: {soak: 2h}\nchampion: none\nmode:\n",
    ) == {"model": "b", "promotion": {"soak": "2h", "retain": "30d"}, "champion": "none", "mode": None}


def test_require_groups_slices_and_candidate_replace_whole(tmp_path: Path) -> None:
    """Half of a list of owners, or of two ways to choose a version, would mean something that nobody wrote."""
    assert data(
        tmp_path,
        parent=(
            "candidate: {file: x}\nsignoff: {groups: {a: [{id: 1}], b: [{id: 2}]}, require: {a: 1}}\n"
            "data: {d: {path: p, slices: [x, y]}}\ngates: [{gate: metrics, data: d, require: [auc >= 1]}]\n"
        ),
        child=(
            "extends: parent.yaml\ncandidate: {version: 7}\nsignoff: {groups: {c: [{id: 3}]}, require: {c: 1}}\n"
            "data: {d: {slices: [z]}}\ngates: [{gate: metrics, require: [f1 >= 1]}]\n"
        ),
    ) == {
        "candidate": {"version": 7},
        "signoff": {"groups": {"c": [{"id": 3}]}, "require": {"c": 1}},
        "data": {"d": {"path": "p", "slices": ["z"]}},
        "gates": [{"gate": "metrics", "data": "d", "require": ["f1 >= 1"]}],
    }


def test_gates_merge_by_name_and_keep_their_order(tmp_path: Path) -> None:
    """The name is `name`, else the kind, of a file the class; new gates follow."""
    assert data(
        tmp_path,
        parent="gates: [{gate: signature}, {gate: metrics, name: quality, data: d}, {gate: ./mine.py:Mine, word: a}]",
        child=(
            "extends: parent.yaml\n"
            "gates: [{gate: metrics}, {name: Mine, word: b}, {name: quality, severity: warn}, {gate: signature}]"
        ),
    ) == {
        "gates": [
            {"gate": "signature"},
            {"gate": "metrics", "name": "quality", "data": "d", "severity": "warn"},
            {"gate": "./mine.py:Mine", "word": "b", "name": "Mine"},
            {"gate": "metrics"},
        ]
    }


def test_a_gate_of_another_kind_takes_the_place_of_its_namesake(tmp_path: Path) -> None:
    """Fields of two kinds never mix."""
    assert data(
        tmp_path,
        parent="gates: [{gate: metrics, name: a, data: d}]",
        child="extends: parent.yaml\ngates: [{gate: latency, name: a}]",
    ) == {"gates": [{"gate": "latency", "name": "a"}]}


def test_every_value_knows_its_file(tmp_path: Path) -> None:
    """The parent's line is where a complaint about the parent's value points."""
    root = merged(
        tmp_path,
        parent="model: a\nregistry:\n  uri: x\n",
        child="extends: parent.yaml\nregistry:\n  kind: y\n",
    ).root

    assert {".".join(map(str, path)): str(node.at) for path, node in root.walk()} == {
        "": "child.yaml:1:1",
        "model": "parent.yaml:1:8",
        "registry": "child.yaml:3:3",
        "registry.uri": "parent.yaml:3:8",
        "registry.kind": "child.yaml:3:9",
    }


def test_a_file_is_found_beside_its_child_or_below_the_root(tmp_path: Path) -> None:
    """Beside comes first."""
    (tmp_path / "gates").mkdir()
    (tmp_path / "gates" / "child.yaml").write_text("extends: gates/base.yaml\n")
    (tmp_path / "gates" / "base.yaml").write_text("extends: top.yaml\nmodel: a\n")
    (tmp_path / "gates" / "top.yaml").write_text("task: binary\n")
    found = extends.resolve(tmp_path / "gates/child.yaml", root=tmp_path)

    assert [name for name, _ in found.files] == ["gates/child.yaml", "gates/base.yaml", "gates/top.yaml"]
    assert found.root.plain() == {"task": "binary", "model": "a"}


def test_a_package_brings_its_pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what stands beside them in it."""
    package = tmp_path / "site" / "acme_policy"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "tabular.yaml").write_text("extends: sub/base.yaml\nmodel: a\n")
    (package / "sub" / "base.yaml").write_text("task: binary\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "acme_policy", raising=False)
    found = merged(tmp_path, child="extends: package:acme_policy/tabular.yaml\n")

    assert found.root.plain() == {"task": "binary", "model": "a"}
    assert [name for name, _ in found.files] == [
        "child.yaml",
        "package:acme_policy/tabular.yaml",
        "package:acme_policy/sub/base.yaml",
    ]


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("extends: none.yaml", "child.yaml:1:10: extends names none.yaml, and there is no such file"),
        ("extends: child.yaml", "child.yaml:1:10: extends goes in a circle: child.yaml → child.yaml"),
        (
            "extends: [a.yaml, b.yaml]",
            "child.yaml:1:10: extends names one file, such as other.yaml or package:acme_policy/tabular.yaml",
        ),
        (
            'extends: "${BASE}"',
            "child.yaml:1:10: extends takes no variables: a policy does not depend on where it is read",
        ),
        (
            "extends: package:json",
            "child.yaml:1:10: 'package:json' names no file of a package; write package:acme_policy/tabular.yaml",
        ),
        (
            "extends: package:json/../x.yaml",
            "child.yaml:1:10: 'package:json/../x.yaml' names no file of a package; "
            "write package:acme_policy/tabular.yaml",
        ),
        (
            "extends: package:json/x.yaml",
            "child.yaml:1:10: extends names package:json/x.yaml, and there is no such file",
        ),
        (
            "extends: package:no_such_package/x.yaml",
            "child.yaml:1:10: there is no package 'no_such_package' here: No module named 'no_such_package'; install it",
        ),
        ("[a]", "child.yaml:1:1: a pipeline is a mapping of keys; this is a list"),
    ],
)
def test_what_cannot_be_extended_is_said_at_the_key(tmp_path: Path, child: str, message: str) -> None:
    """Not at the file that is not there."""
    assert refusal(tmp_path, child=child) == message


def test_a_fault_in_a_parent_is_said_in_the_parent(tmp_path: Path) -> None:
    """Where it can be mended."""
    assert refusal(tmp_path, parent="a: [1", child="extends: parent.yaml").startswith("parent.yaml:2:1: ")


def test_a_circle_names_every_file(tmp_path: Path) -> None:
    """However long it is."""
    assert refusal(tmp_path, child="extends: a.yaml", a="extends: b.yaml", b="extends: child.yaml") == (
        "b.yaml:1:10: extends goes in a circle: child.yaml → a.yaml → b.yaml → child.yaml"
    )


def test_a_row_of_extends_ends_somewhere(tmp_path: Path) -> None:
    """Ten files are a house's policy; eleven are a mistake."""
    files = {f"p{number}": f"extends: p{number + 1}.yaml" for number in range(10)}

    assert refusal(tmp_path, child="extends: p0.yaml", **files) == (
        "p8.yaml:1:10: this is the file number 11 in a row of extends; 10 are read"
    )


PARENT = """\
signoff: {require: {owners: 1}}
promotion: {soak: 48h, retain: 30d}
gates:
  - {gate: artifact}
  - {gate: metrics, data: d, require: [auc >= 0.8]}
"""


@pytest.mark.parametrize(
    ("lock", "child", "places"),
    [
        ("signoff", "signoff: {expires: 7d}", ["2:1"]),
        ("signoff", "signoff:", ["2:1"]),
        ("signoff.require", "signoff: {require: {owners: 1}}", ["2:11"]),
        ("signoff.require", "signoff: {expires: 7d}", []),
        ("signoff.require", "signoff: none", ["2:1"]),
        ("signoff.expires", "signoff: {expires: 9d}", ["2:11"]),
        ("promotion.soak", "promotion: {retain: 60d}", []),
        ("gates.artifact", "gates: [{gate: metrics, severity: warn}]", []),
        ("gates.artifact", "gates: [{gate: metrics}, {gate: artifact, severity: warn}]", ["2:26"]),
        ("gates.artifact", "gates: [{gate: command, name: artifact}]", ["2:9"]),
        ("gates.artifact", "gates: {}", ["2:1"]),
        ("gates.artifact", "gates: []", []),
        ("gates.metrics.require", "gates: [{gate: metrics, require: [auc >= 0]}]", ["2:25"]),
        ("gates.metrics.require", "gates: [{gate: metrics, severity: warn}]", []),
        ("gates.metrics.require", "gates: [{gate: latency, name: metrics}]", ["2:9"]),
        ("gates", "gates: [{gate: metadata}]", ["2:1"]),
        ("gates.artifact", "waive: [{finding: artifact, owner: a, reason: b}]", ["2:19"]),
        ("gates.artifact", "waive: [{finding: artifact/r1/overall}, {finding: metrics/r1}]", ["2:19"]),
        ("mode", "model: x", []),
    ],
)
def test_what_is_locked_cannot_be_touched(tmp_path: Path, lock: str, child: str, places: list[str]) -> None:
    """At it, below it, above it, by another gate in its place, or by a waiver; both places are named."""
    parent = PARENT + f"locked: [{lock}]\n"

    assert touched(tmp_path, parent=parent, child=f"extends: parent.yaml\n{child}\n") == [
        f"child.yaml:{place}: {lock} is locked by parent.yaml:6:10 and cannot be set here" for place in places
    ]


def test_locks_add_up_and_cannot_be_taken_away(tmp_path: Path) -> None:
    """The grandparent's lock holds, whatever the parent writes."""
    found = merged(
        tmp_path,
        house=PARENT + "locked: [signoff]\n",
        team="extends: house.yaml\nlocked: [promotion.soak]\n",
        child="extends: team.yaml\nlocked: []\nsignoff: {require: {owners: 0}}\npromotion: {soak: 1s}\n",
    )

    assert list(map(str, found.complaints)) == [
        "child.yaml:3:1: signoff is locked by house.yaml:6:10 and cannot be set here",
        "child.yaml:4:13: promotion.soak is locked by team.yaml:2:10 and cannot be set here",
    ]
    assert found.root.plain()["locked"] == ["signoff", "promotion.soak"]


def test_locks_survive_a_child_that_writes_no_list(tmp_path: Path) -> None:
    """`locked:` with nothing behind it frees nothing."""
    assert touched(
        tmp_path,
        house=PARENT + "locked: [signoff]\n",
        team="extends: house.yaml\nlocked:\n",
        child="extends: team.yaml\nsignoff:\n",
    ) == ["child.yaml:2:1: signoff is locked by house.yaml:6:10 and cannot be set here"]


@pytest.mark.parametrize(
    "name", ["../secret.yaml", "{folder}/secret.yaml", "link.yaml", ".git/config", "deep/out.yaml"]
)
def test_no_file_outside_the_project_is_read(tmp_path: Path, name: str) -> None:
    """Whichever way it is named; the complaint has the place, and nothing of what lies there."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    for path in (tmp_path / "secret.yaml", root / ".git" / "config"):
        path.write_text("root:x:0:0 secret\n[ {")
    (root / "link.yaml").symlink_to("../secret.yaml")
    (root / "deep").symlink_to("..")
    (tmp_path / "out.yaml").write_text("secret: [")
    text = name.format(folder=tmp_path)

    said = refusal(root, child=f"model: m\nextends: {text}\n")

    assert said.startswith(
        f"child.yaml:2:10: extends names '{text}', which leads out of the project; keep the file there"
    )
    assert "root:x" not in said


def test_a_pipeline_that_is_a_link_out_of_the_project_is_not_read(tmp_path: Path) -> None:
    """One that lies elsewhere may be named all the same, and extends what lies beside it."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "p.yaml").symlink_to("/etc/passwd")
    (tmp_path / "child.yaml").write_text("extends: parent.yaml\nmodel: b\n")
    (tmp_path / "parent.yaml").write_text("model: a\n")

    with pytest.raises(PipelineError, match=r"^p.yaml: this leads out of the project, so it is not read$"):
        extends.resolve(root / "p.yaml", root=root)
    assert extends.resolve(tmp_path / "child.yaml", root=root).root.plain() == {"model": "b"}


def test_a_package_is_read_and_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a file of it lead out of it."""
    package = tmp_path / "site" / "acme_trap"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("1 / 0")
    (package / "sub" / "base.yaml").write_text("model: a\n")
    (package / "out.yaml").write_text("extends: ../../secret.yaml\n")
    (package / "link.yaml").symlink_to("../../secret.yaml")
    (tmp_path / "secret.yaml").write_text("model: secret\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    root = tmp_path / "project"
    root.mkdir()

    assert data(root, child="extends: package:acme_trap/sub/base.yaml\n") == {"model": "a"}
    assert "out.yaml:1:10: extends names" in refusal(root, child="extends: package:acme_trap/out.yaml\n")
    assert "leads out of the package" in refusal(root, child="extends: package:acme_trap/link.yaml\n")
    assert "acme_trap" not in sys.modules
