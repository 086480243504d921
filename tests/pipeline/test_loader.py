"""A pipeline is read whole, and everything that is wrong with it is said at once."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate import plugins
from lockgate.errors import PipelineError
from lockgate.evidence.evidence import RequirementLine
from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
GOOD = sorted((ROOT / "tests/pipelines/good").glob("*.yaml"))
BAD = sorted((ROOT / "tests/pipelines/bad").glob("*.yaml"))
EXPECT = "# expect: "

BASE = """\
model: fraud
task: binary
threshold: 0.5
registry: {uri: "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"}
champion: {alias: production, else: none}
data:
  holdout: {path: data/holdout.parquet, label: y, slices: [country]}
gates:
  - gate: metrics
    data: holdout
    require:
      - auc >= champion - 0.01 on each slice
      - {metric: recall, at_least: 60%, claim: point, confidence: 0.9}
"""


def load(text: str, folder: Path, **environ: str) -> Pipeline:
    path = folder / "p.yaml"
    path.write_text(text)
    return loader.load(path, environ=environ, root=folder, run_code=True)


def refusal(text: str, folder: Path, **environ: str) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        load(text, folder, **environ)
    return list(caught.value.complaints)


def expected(path: Path) -> list[str]:
    """The messages that a file says it must give; its own path is left out there, and `{gates}` are those installed."""
    own, gates = f"{path.relative_to(ROOT).as_posix()}:", ", ".join(plugins.installed(plugins.GATES))
    found = [
        line.removeprefix(EXPECT).replace("{gates}", gates)
        for line in path.read_text().splitlines()
        if line.startswith(EXPECT)
    ]
    return [line if line.startswith("tests/") else own + line for line in found]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_pipeline_is_read(path: Path) -> None:
    """Without the environment too: variables are only needed when it runs."""
    found = loader.load(path, environ=None, root=ROOT)

    assert found.gates
    assert found.policy_digest.startswith("sha256:")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_pipeline_says_everything_that_is_wrong(path: Path) -> None:
    """The whole output, in the order of the places."""
    with pytest.raises(PipelineError) as caught:
        loader.load(path, environ=None, root=ROOT)

    assert list(caught.value.complaints) == expected(path)


def test_there_are_enough_examples() -> None:
    """A folder that was emptied by mistake tests nothing."""
    assert len(GOOD) >= 18
    assert len(BAD) >= 45


def test_no_complaint_speaks_like_a_library() -> None:
    """People are told what to write, not which validator failed."""
    text = "\n".join(line for path in BAD for line in expected(path))

    for jargon in ("Input should", "pydantic", "validation error", "valid dictionary", "Node(", "Extra inputs"):
        assert jargon not in text


def test_requirements_know_their_lines(tmp_path: Path) -> None:
    """Evidence points to the line that asked, and says what only the mapping form can."""
    assert load(BASE, tmp_path).requirements_of("metrics") == (
        RequirementLine("r1", "auc >= champion - 0.01 on each slice", 0, 12),
        RequirementLine("r2", "recall >= 60% {claim: point, confidence: 0.9}", 0, 13),
    )


def test_lines_of_a_gate_itself_stand_in_no_line(tmp_path: Path) -> None:
    """What a gate asks by default was written by nobody."""
    found = load(BASE + "  - gate: metadata\n", tmp_path)

    assert {asked.line for asked in found.requirements_of("metadata")} == {None}


def test_default_lines_that_take_a_champion_leave_where_there_is_none(tmp_path: Path) -> None:
    """A bare gate can be written before there is anything to compare with, and a line that somebody wrote is refused."""
    alone = BASE.replace("{alias: production, else: none}", "none").replace("champion - 0.01 on each slice", "0.7")
    bare = load(alone + "  - gate: signature\n", tmp_path)

    assert [line.text for line in bare.requirements_of("signature")][
        1
    ] == "breaking_changes <= 0"  # r2, and not decided
    assert refusal(alone + "  - {gate: signature, require: [breaking_changes <= 0]}\n", tmp_path)[0].startswith(
        "p.yaml:14:33: 'breaking_changes <= 0': breaking_changes compares with a champion, and there is none here"
    )


def test_requirements_of_a_parent_name_its_file(tmp_path: Path) -> None:
    """`file` is an index into the list of files."""
    (tmp_path / "parent.yaml").write_text(BASE)
    found = load("extends: parent.yaml\nmodel: other\n", tmp_path)

    assert [path for path, _ in found.files] == ["p.yaml", "parent.yaml"]
    assert found.requirements_of("metrics")[0] == RequirementLine("r1", "auc >= champion - 0.01 on each slice", 1, 12)


def test_files_are_listed_with_their_hashes(tmp_path: Path) -> None:
    """The bytes that were read are what is listed."""
    found = load(BASE, tmp_path)

    assert found.files == (("p.yaml", f"sha256:{hashlib.sha256(BASE.encode()).hexdigest()}"),)


def test_the_policy_names_variables_and_the_pipeline_holds_their_values(tmp_path: Path) -> None:
    """A policy is the same on every machine; the values are there as hashes."""
    found = load(BASE, tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:5000")
    static = loader.load(tmp_path / "p.yaml", environ=None, root=tmp_path)

    assert found.registry.uri == "http://127.0.0.1:5000"
    assert found.policy["registry"]["uri"] == "${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}"
    assert found.variables == {"MLFLOW_TRACKING_URI": f"sha256:{hashlib.sha256(b'http://127.0.0.1:5000').hexdigest()}"}
    assert found.policy_digest == static.policy_digest
    assert static.registry.uri == "sqlite:///mlflow.db"


def test_an_unset_variable_is_a_complaint_only_where_it_is_needed(tmp_path: Path) -> None:
    """A check has no environment; a run has."""
    text = BASE.replace(":-sqlite:///mlflow.db", "")

    assert refusal(text, tmp_path) == [
        "p.yaml:4:17: the variable MLFLOW_TRACKING_URI is not set; set it, or write ${MLFLOW_TRACKING_URI:-a default}"
    ]
    assert loader.load(tmp_path / "p.yaml", environ=None, root=tmp_path).registry.uri == "${MLFLOW_TRACKING_URI}"


def test_a_variable_in_a_requirement_is_refused_when_it_is_inherited(tmp_path: Path) -> None:
    """The parent's line is where the complaint points."""
    (tmp_path / "parent.yaml").write_text(BASE.replace("auc >= champion - 0.01", "auc >= ${MIN}"))

    assert refusal("extends: parent.yaml\n", tmp_path, MIN="0.1") == [
        "parent.yaml:12:9: variables are not read in require: what is required does not depend on where it is checked"
    ]


def test_the_digest_of_a_policy_is_of_its_values(tmp_path: Path) -> None:
    """Comments, order and style do not change it; every value does, and a number is not its text."""
    digest = load(BASE, tmp_path).policy_digest
    same = "# a comment\n" + BASE.replace("threshold: 0.5", "threshold:   0.50").replace("task: binary\n", "")

    assert load(same + "task: 'binary'\n", tmp_path).policy_digest == digest
    for old, new in [
        ("0.5", "0.25"),
        ("0.01", "0.02"),
        ("[country]", "[{column: country}]"),
        ("60%", "61%"),
        ("else: none", "else: none}\nmode: observe\ninputs: {a: b"),
    ]:
        assert load(BASE.replace(old, new), tmp_path).policy_digest != digest
    values = BASE.replace("[country]", "[{column: country, values: [%s]}]")
    assert (
        len(
            {
                load(values.replace("%s", value), tmp_path).policy_digest
                for value in ("1", "1.0", "'1'", "'1.0'", "true")
            }
        )
        == 5
    )


def test_the_digest_does_not_depend_on_where_the_values_stand(tmp_path: Path) -> None:
    """A pipeline that extends says the same as one that writes everything out."""
    (tmp_path / "parent.yaml").write_text(BASE)

    assert load("extends: parent.yaml\n", tmp_path).policy_digest == load(BASE, tmp_path).policy_digest


def test_who_signs_may_be_left_open(tmp_path: Path) -> None:
    """Absent, and said to be nobody, are two things."""
    absent = load(BASE, tmp_path)
    nobody = load(BASE + "signoff: {require: {owners: 0}}\n", tmp_path)

    assert (absent.signoff, absent.signed) == (None, False)
    assert nobody.signoff is not None
    assert (nobody.signoff.nobody_signs, nobody.signed) == (True, False)


def test_waivers_of_gates_and_pipeline_are_one_list(tmp_path: Path) -> None:
    """And each knows the day after which it is over."""
    entry = "{finding: metrics, owner: ana, reason: known, until: 2026-12-31}"
    found = load(BASE + f"    waive: [{entry}]\nwaive: [{entry}]\n", tmp_path)

    assert len(found.waivers) == 2
    assert [found.waivers[0].expired(date(2026, 12, 31)), found.waivers[0].expired(date(2027, 1, 1))] == [False, True]


def test_a_gate_says_itself_what_it_cannot_accept(tmp_path: Path) -> None:
    """`complaints` of a gate is asked when everything else is right, and points to the gate's own keys."""
    (tmp_path / "mine.py").write_text(
        "from lockgate.gates.gate import Gate\n"
        "class Mine(Gate):\n"
        "    word: str\n"
        "    def complaints(self, pipeline):\n"
        "        if self.word not in pipeline.description:\n"
        "            yield ('word',), f'{self.word!r} is not in the description'\n"
    )
    text = BASE + "  - {gate: ./mine.py:Mine, word: secure}\ndescription: fast\n"

    assert refusal(text, tmp_path) == ["p.yaml:14:34: 'secure' is not in the description"]
    assert load(text.replace("fast", "fast and secure"), tmp_path).gate("Mine").title == "Mine"


def test_the_root_is_the_nearest_folder_with_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the working directory; relative paths begin there."""
    inside = tmp_path / "repo" / "gates"
    inside.mkdir(parents=True)
    (inside / "p.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    assert loader.load(Path("repo/gates/p.yaml"), environ={}).root == Path.cwd()
    (tmp_path / "repo" / ".git").mkdir()
    found = loader.load(Path("repo/gates/p.yaml"), environ={})

    assert found.root == Path.cwd() / "repo"
    assert found.files[0][0] == "gates/p.yaml"
    assert found.resolve("data/x.csv") == Path.cwd() / "repo/data/x.csv"
    assert found.resolve("/data/x.csv") == Path("/data/x.csv")


def test_a_pipeline_that_is_not_there_says_so(tmp_path: Path) -> None:
    """By its name, not with a traceback."""
    with pytest.raises(PipelineError, match=r"^gates/none.yaml: there is no such file$"):
        loader.load(tmp_path / "gates/none.yaml", environ={}, root=tmp_path)


def test_a_pipeline_is_frozen(tmp_path: Path) -> None:
    """What was checked cannot change afterwards."""
    found = load(BASE, tmp_path)

    with pytest.raises(ValueError, match="frozen"):
        found.model = "other"  # type: ignore[misc]


KEYS = sorted({*Pipeline.model_fields, "gate", "require", "else", "uri", "nonsense"})
TREES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["x", "none", "auc >= 0.8", "metrics", "${A}"])
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.sampled_from(KEYS), below, max_size=4)),
    max_leaves=12,
)


@settings(deadline=None)
@given(changes=st.dictionaries(st.sampled_from(KEYS), TREES, max_size=4))
def test_any_tree_is_a_pipeline_or_a_list_of_complaints(
    changes: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands where, nothing else is raised, and every complaint has a place."""
    import yaml

    whole = {**yaml.safe_load(BASE), **changes}
    path = tmp_path_factory.getbasetemp() / "tree.yaml"
    path.write_text(yaml.dump(whole, Dumper=NoAliases))
    complaints: tuple[str, ...] = ()
    try:
        loader.load(path, environ={"A": "a"}, root=path.parent)
    except PipelineError as error:
        complaints = error.complaints

    assert all(line.startswith("tree.yaml:") for line in complaints)


def _dumper() -> type:
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return Plain


NoAliases = _dumper()
