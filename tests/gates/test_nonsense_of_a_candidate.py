"""Whatever a candidate brings of itself, and however broken it is: it fails by it or is undecided, and no gate breaks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fakes import ask, case_of
from lockgate.data.contract.feature_contract import FeatureContract
from lockgate.data.contract.feature_spec import FeatureSpec
from lockgate.evaluation.case import Case, Contender
from lockgate.evidence.finding import Verdict
from lockgate.gates.artifact import Artifact
from lockgate.gates.environment import Environment
from lockgate.gates.gate import Gate
from lockgate.gates.latency import Latency
from lockgate.gates.metadata import Metadata
from lockgate.gates.signature import Signature
from lockgate.models.packages.package_list import read_package_list
from lockgate.registries.mlflow import model_files
from lockgate.registries.mlflow.remedies import REMEDIES
from lockgate.registries.ports import ModelVersion

COLUMNS = json.dumps(
    [{"name": "age", "type": "long", "required": True}, {"name": "city", "type": "string", "required": False}]
)
MLMODEL: dict[str, Any] = {
    "flavors": {"python_function": {"loader_module": "mlflow.sklearn", "python_version": "3.11.9", "env": {"conda": "conda.yaml"}}},
    "metadata": {
        "serving": {"p99_ms": 50, "batch": 1, "rss_mb": 500, "input_format": "json", "cpus": 1},
        "features": {"age": {"type": "integer", "range": [18, 100]}, "city": {"values": ["Graz", "Linz"], "nulls": 0.1}},
        "golden_outputs": [0.5, 0.5],
        "hyperparameters": {"C": 1.0}, "random_seeds": [1], "git_commit": "0123456789abcdef0123456789abcdef01234567",
    },
    "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"},
    "signature": {"inputs": COLUMNS, "outputs": json.dumps([{"type": "double"}]), "params": None},
    "model_uuid": "abc", "mlflow_version": "3.17.2", "run_id": "abc", "utc_time_created": "2026-01-01 00:00:00.0",
}  # fmt: skip
FILES: dict[str, Any] = {
    "MLmodel": MLMODEL,
    "conda.yaml": {"dependencies": ["python=3.11.9", "pip", {"pip": ["numpy==2.4.6", "mlflow==3.1.0"]}]},
    "python_env.yaml": {"python": "3.11.9", "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]},
    "input_example.json": {"columns": ["age", "city"], "data": [[30, "Graz"], [40, "Linz"]]},
}
TEXTS = {"requirements.txt": "numpy==2.4.6\nmlflow==3.1.0\n"}
TAGS = {
    "serving.p99_ms": "50", "serving.batch": "8", "git_commit": "0123456789abcdef0123456789abcdef01234567", "seed": "1",
    "dataset_version": "v1", "mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567",
    "training_data": "s3://bucket/train.csv?versionId=3sL4kqtJlcpXroDTDmJ", "hyperparameters": '{"C": 1}', "features": "[]",
}  # fmt: skip
GATES: tuple[Callable[[], Gate], ...] = (
    lambda: Signature(require=tuple(f"{name} <= 0" for name in Signature.subjects if not name.startswith("missing_"))),
    Signature,
    lambda: Metadata(require="complete"),
    Metadata,
    lambda: Environment(serving="serving.txt", python="3.11", require=("differences <= 0", "unpinned <= 0")),
    Latency,
    lambda: Latency(require=("p99_ms <= declared", "rss_mb <= declared")),
    Artifact,
)
ODD = st.sampled_from(
    [
        *(None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**30, "", "x", "\0", "\ud800", "latest", "main", "é" * 300),
        *([], {}, [None], [[]], {"": None}, {1: 2}, [1, "a", {}], {"p99_ms": "fast"}, {"a": {"b": {"c": []}}}, "[1", '{"a": 1}', "[[]]"),
        *('[{"name": 1}]', '[{"type": "tensor"}]', '[{"type": "object", "properties": 3, "name": "a"}]', '["a"]', "null", "3"),
        *(["a"] * 50, "2026-01-01", "../../etc/passwd", "-r x", "numpy===", "numpy @ http://[", {"range": [1]}, {"type": "flout"}),
    ]
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be put: everything in a document, and the document itself."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, below in pairs for place in places(below, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(copied[path[0]], path[1:], odd)
    return copied


@st.composite
def versions(draw: Any) -> tuple[dict[str, bytes], dict[str, str]]:
    """(files, tags) of a version in which one thing or two are odd."""
    documents, texts, tags = dict(FILES), dict(TEXTS), dict(TAGS)
    cut: dict[str, int] = {}
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["document", "document", "text", "tag", "bytes", "gone"]))
        if kind == "document":
            name = draw(st.sampled_from(sorted(documents)))
            documents[name] = put(documents[name], draw(st.sampled_from(places(documents[name]))), draw(ODD))
        elif kind == "text":
            texts["requirements.txt"] += (
                draw(st.text(max_size=20)) + "\n" + draw(st.sampled_from(["-r no.txt", "numpy==\0", "a @ b", "=="]))
            )
        elif kind == "tag":
            tags[draw(st.sampled_from(sorted(TAGS)))] = draw(st.text(max_size=9) | ODD.map(str))
        elif kind == "bytes":
            cut[draw(st.sampled_from([*FILES, *TEXTS]))] = draw(st.integers(0, 300))
        else:
            documents.pop(draw(st.sampled_from([name for name in FILES if name != "MLmodel"])), None)
    files = {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    for name, document in documents.items():
        dump = json.dumps if name.endswith(".json") else yaml.dump
        files[name] = dump(document, **({"allow_nan": True} if name.endswith(".json") else {})).encode(
            "utf-8", "replace"
        )
    for name, at in cut.items():
        files[name] = (files.get(name, b"")[:at]) + b"\xff\x00{["
    return files, tags


def case_with(folder: Path, files: dict[str, bytes], tags: dict[str, str]) -> Case:
    """A case whose candidate is this version, read as MLflow's registry reads it."""
    case = case_of(folder, alone=True, table={"age": [30, 40], "city": ["Graz", "Linz"]})
    home = folder / "own"
    home.mkdir()
    for name, data in files.items():
        (home / name).write_bytes(data)
    version = ModelVersion("fraud", "7", "sha256:" + "0" * 64, tags=tags)

    def read(files: Path) -> Any:
        return replace(model_files.facts(version, files), remedies=REMEDIES)

    candidate = Contender("candidate", version, lambda: home, read, case.candidate.start)
    features = {"age": FeatureSpec.model_validate({"type": "integer"})}
    return replace(
        case, candidate=candidate, packages=lambda *_: read_package_list("numpy==2.4.6\nmlflow==3.1.0\n", source="s", python="3.11"),
        contract=lambda: FeatureContract.from_source(features, "the pipeline"),
    )  # fmt: skip


@pytest.mark.parametrize("number", range(len(GATES)))
@settings(max_examples=15, deadline=None)
@given(version=versions())
def test_no_gate_breaks_at_what_a_candidate_brings(
    number: int, version: tuple[dict[str, bytes], dict[str, str]]
) -> None:
    """Exit code 4 says that this program, its registry or its machine broke, and none of them did."""
    with tempfile.TemporaryDirectory() as folder:
        result = ask(case_with(Path(folder, "run"), *version), GATES[number]())

    assert result.verdict is not Verdict.ERROR, result.reason
    assert "Traceback" not in result.reason


@pytest.mark.parametrize(
    ("metadata", "tags", "gate", "words"),
    [
        ({"serving": "fast"}, {}, Latency(require=("p99_ms <= declared",)), "serving: 'fast', which is no map"),
        ({}, {"serving.p99_ms": "soon"}, Latency(require=("p99_ms <= declared",)), "tag has serving.p99_ms: 'soon', which is no number"),
        ({"features": {"age": {"type": "flout"}}}, {}, Signature(require=("contract_violations <= 0",)), "metadata has features.age.type:"),
    ],
)  # fmt: skip
def test_nonsense_that_a_candidate_declares_fails_each_line_that_needs_it(
    tmp_path: Path, metadata: dict[str, Any], tags: dict[str, str], gate: Gate, words: str
) -> None:
    """With what is wrong, where it stands and what to do."""
    files = {"MLmodel": yaml.dump(MLMODEL | {"metadata": metadata}).encode()}
    result = ask(case_with(tmp_path / "run", files, tags), gate)
    (finding,) = result.findings

    assert (result.verdict, finding.verdict, finding.code) == (Verdict.FAIL, Verdict.FAIL, "unreadable")
    assert words in finding.reason
    assert (finding.remedy or "").startswith("log the model with")


def test_nonsense_of_the_champion_is_no_fault_of_the_candidate(tmp_path: Path) -> None:
    """Nobody who trains the candidate can mend it."""
    case = case_of(tmp_path, candidate_facts={})
    assert case.champion is not None
    for contender in case.contenders:
        (contender.files / "requirements.txt").write_text("numpy==2.4.6\n")
    (case.champion.files / "conda.yaml").write_text("{")
    case = replace(case, packages=lambda *_: read_package_list("numpy==2.4.6\n", source="s", python="3.11"))

    result = ask(case, Environment(serving="serving.txt", python="3.11", require=("differences <= champion",)))

    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith("champion: champion declares an environment that cannot be read")
