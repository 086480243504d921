"""Where it is said which packages serve: a file, an interpreter, a server, or where the models answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.web import reply, serving
from lockgate.errors import DataError, UsageError
from lockgate.models.model import LoadFacts
from lockgate.models.packages.package_list import PackageList
from lockgate.models.packages.serving_spec import Serving, ServingAnswer, ServingPython
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.parity.serving_packages import serving_packages

LISTED = json.dumps([{"name": "numpy", "version": "1.26.4"}])


def listed(folder: Path, spec: Serving | None, **pipeline: Any) -> PackageList:
    """Of a candidate in a pipeline with its root here."""
    facts = LoadFacts(None, None, {"mlflow": "3.1.0", "server": "mlserver 1.7"})
    contender: Any = SimpleNamespace(role="candidate", files=folder, model=SimpleNamespace(load=lambda: facts))
    fields: dict[str, Any] = {"environment": "current", "target": "process", **pipeline}
    built = Pipeline.model_construct(**fields)
    built._origin = built._origin.__class__(root=folder)
    return serving_packages(built, contender, spec, environ={"VIRTUAL_ENV": sys.prefix})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_below_the_root(tmp_path: Path, encoding: str) -> None:
    """Its name is what sentences call it; PowerShell writes UTF-16."""
    (tmp_path / "serving.json").write_text(LISTED, encoding=encoding)
    found = listed(tmp_path, "serving.json")

    assert (found.source, dict(found.versions), found.whole) == ("serving.json", {"numpy": ("1.26.4",)}, True)


def test_a_file_that_is_not_there_comes_with_the_command_that_writes_it(tmp_path: Path) -> None:
    """Where the model serves."""
    with pytest.raises(DataError) as caught:
        listed(tmp_path, "serving.json")

    assert str(caught.value) == (
        "the packages that serve are not in serving.json: No such file or directory; "
        "write them there: pip list --format=json > serving.json, where the model serves"
    )


@pytest.mark.parametrize("spec", [None, ServingPython(python=sys.executable)])
def test_an_interpreter_is_the_models_own_or_a_named_one(tmp_path: Path, spec: Serving | None) -> None:
    """Here both are the one that runs this test."""
    found = listed(tmp_path, spec)

    assert "pytest" in found.versions
    assert found.source == (sys.executable if spec else "the environment in which the candidate answers")


def test_a_server_lists_its_own_packages(tmp_path: Path) -> None:
    """At a path of its own, asked with the target's headers."""
    with serving(lambda request, _: reply(200 if request.path == "/packages" else 404, LISTED.encode())) as web:
        target = Server.model_validate({"protocol": "mlflow", "candidate": web.url, "headers": {"X-Team": "risk"}})
        found = listed(tmp_path, ServingAnswer(server="/packages"), target=target)
        with pytest.raises(DataError, match=r"lists no packages: http://.*/none does not answer with 200"):
            listed(tmp_path, ServingAnswer(server="/none"), target=target)

    assert (found.source, found.versions["numpy"]) == (f"{web.url}/packages", ("1.26.4",))
    assert web.asked[0].headers["x-team"] == "risk"


def test_what_a_server_says_of_itself_is_no_whole_list(tmp_path: Path) -> None:
    """The versions of libraries among it, and nothing of what it leaves out."""
    target = Server.model_validate({"protocol": "mlflow", "candidate": "http://127.0.0.1:1"})
    found = listed(tmp_path, None, target=target)

    assert (dict(found.versions), found.whole) == ({"mlflow": ("3.1.0",)}, False)
    with pytest.raises(UsageError, match="asks the servers of target"):
        listed(tmp_path, ServingAnswer(server="/packages"))
