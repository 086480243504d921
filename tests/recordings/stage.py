"""A checkout with a registry in which `gate` is called as its console script calls it, and what it left is looked at."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import rfc8785
import yaml

from recordings import shelf
from recordings.hook import Hook
from recordings.masks import Masks
from recordings.pipelines import AUTHOR, pipelines

PEOPLE = ("olga", "otto", "mallory")
DATE = "2026-11-21T12:00:00Z"
OURS = "lockgate-"


class _Plain(yaml.SafeDumper):
    """Writes a value twice rather than once with an alias, which pipelines may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class Gate:
    """The command. The script's own entry point, called here: imports are paid once, and modules may move."""

    def __init__(self) -> None:
        (script,) = entry_points(group="console_scripts", name="gate")
        self._main = script.load()

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        code: Any = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                self._main([str(argument) for argument in arguments])
            except SystemExit as exit_:
                code = exit_.code
        return int(code or 0), out.getvalue(), err.getvalue()


class Stage:
    """The working directory of the story. `records` is what was said, in order."""

    def __init__(self, folder: Path, *, aloud: bool = False) -> None:
        self.folder, self.gate, self.aloud = folder, Gate(), aloud
        self.records: list[dict[str, Any]] = []
        self.quoted: set[str] = set()
        self._before: dict[str, Any] = {}
        self.hook = Hook()
        os.environ["HOOK"] = self.hook.url
        shelf.fill(folder)
        self.keys = {name: shelf.write_key(folder, name) for name in PEOPLE}
        (folder / "gates").mkdir()
        (folder / ".gate").mkdir()
        (folder / ".gate" / "salt").write_bytes(hashlib.sha256(b"the story's").hexdigest().encode())
        (folder / ".gitignore").write_text("*\n!gates/\n!gates/*\n")
        self.git("init", "-q", "-b", "main")
        for name, value in {"user.email": AUTHOR, "user.name": "Dana", "commit.gpgsign": "false"}.items():
            self.git("config", name, value)
        for name, pipeline in pipelines(self.keys).items():
            self.write(name, pipeline)
        self.commit("the gates")
        os.chdir(folder)

    def write(self, name: str, pipeline: Mapping[str, Any]) -> None:
        path = self.folder / "gates" / f"{name}.yaml"
        path.write_text(yaml.dump(dict(pipeline), Dumper=_Plain, sort_keys=False, width=100_000))

    def commit(self, message: str) -> None:
        self.git("add", "gates")
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", message)

    def git(self, *arguments: str) -> None:
        dated = {"GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, env={**os.environ, **dated})

    def call(self, *arguments: object, moves: str | None = None) -> dict[str, Any]:
        """Call `gate`, and keep how it ended. moves: the model whose registry is looked at afterwards."""
        code, out, err = self.gate(*arguments)
        if self.aloud:
            print(f"$ gate {' '.join(map(str, arguments))}\n{err}{'' if '--json' in arguments else out}→ {code}\n")
        record: dict[str, Any] = {"call": " ".join(map(str, arguments)), "exit": code, **_unwrapped(_document(out))}
        if "--json" not in arguments and not isinstance(record["stdout"], dict | list):
            record["stdout"] = "<text>" if out else ""
        notified = self.hook.take()
        if notified:
            record["notified"] = notified
        if moves is not None:
            record["registry"] = self._changes(moves)
        self.records.append(record)
        self.quoted |= _reasons([str(argument) for argument in arguments])
        return {"exit": code, "stdout": out, "stderr": err}

    def note(self, title: str, value: Any) -> None:
        """Keep something that a call left behind."""
        self.records.append({"left": title, "value": value})

    @property
    def run(self) -> Path:
        """The newest run's folder."""
        return (self.folder / ".gate" / "latest").resolve()

    @property
    def digest(self) -> str:
        return "sha256:" + (self.run / "evidence.sha256").read_text().split()[0]

    def note_run(self, title: str, *, whole: bool = True) -> None:
        """Keep the newest evidence, and how its bytes and those of its neighbours are made."""
        stored = (self.run / "evidence.json").read_bytes()
        files = sorted(path.relative_to(self.run).as_posix() for path in self.run.rglob("*") if path.is_file())
        evidence = json.loads(stored)
        self.note(
            title,
            {
                "canonical": rfc8785.dumps(evidence) == stored,
                "digest": self.digest.removeprefix("sha256:") == hashlib.sha256(stored).hexdigest(),
                "files": files,
                "scored": {path.name: _table(path) for path in sorted(self.run.glob("scored/*.parquet"))},
                **({"evidence": evidence} if whole else {}),
            },
        )

    def note_junit(self, title: str, text: str) -> None:
        """Keep a JUnit report but for its sentences."""
        self.note(title, _element(Xml.fromstring(text)))

    def note_votes(self, title: str, folder: Path) -> None:
        """Keep the votes of a folder: their bytes are canonical JSON, and each is signed."""
        votes = [path for path in sorted(folder.iterdir()) if path.suffix == ".json"]
        kept = [_signed(path) for path in votes]
        self.note(title, sorted(kept, key=lambda vote: (vote["vote"]["at"], vote["vote"]["verb"])))

    def _changes(self, model: str) -> dict[str, Any]:
        """What is different in the registry since it was last looked at: key → value, None where it is gone."""
        state = _state(self.folder, model)
        before = {key: value for key, value in self._before.items() if key.startswith(f"{model}/")}
        changes = {key: value for key, value in state.items() if before.get(key) != value}
        changes |= dict.fromkeys(before.keys() - state.keys())
        self._before |= state
        for key in before.keys() - state.keys():
            del self._before[key]
        return changes

    def masks(self) -> Masks:
        """The placeholders for all that was said here."""
        exact = set()
        for path in [*self.folder.glob("gates/*"), *self.folder.glob("data/*")]:
            exact.add(hashlib.sha256(path.read_bytes()).hexdigest())
        for record in self.records:
            if record.get("call", "").startswith("check") and isinstance(record["stdout"], dict):
                exact |= {str(entry["policy"]) for entry in record["stdout"]["pipelines"]}
        for path in self.folder.glob(".gate/runs/*/exhibits/*.json"):
            if not path.name.startswith("latency"):
                exact.add(hashlib.sha256(path.read_bytes()).hexdigest())
        paths = {str(self.folder): "<folder>", str(self.folder.resolve()): "<folder>", self.hook.url: "<hook>"}
        return Masks(exact=exact, paths=paths, quoted=self.quoted)


def _reasons(words: list[str]) -> set[str]:
    return {reason for option, reason in pairwise(words) if option == "--reason"}


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _unwrapped(document: Any) -> dict[str, Any]:
    """What stood on stdout; of the document of a run the evidence, and beside it what stands around it."""
    if isinstance(document, dict) and document.get("schema") == "lockgate/run/v1":
        surrounding = {key: value for key, value in document.items() if key != "evidence"}
        return {"stdout": document["evidence"], "surrounding": surrounding}
    return {"stdout": document}


def _signed(path: Path) -> dict[str, Any]:
    stored = path.read_bytes()
    vote = json.loads(stored)
    return {
        "vote": vote,
        "canonical": rfc8785.dumps(vote) == stored,
        "sha256": hashlib.sha256(stored).hexdigest(),
        "signed": path.with_name(path.name + ".sig").is_file() or path.with_suffix(".sig").is_file(),
        "file": path.name,
    }


def _element(element: Xml.Element) -> dict[str, Any]:
    attributes = {name: "<text>" if name == "message" else value for name, value in element.attrib.items()}
    inner = [_element(child) for child in element]
    spoken = {"text": "<text>"} if (element.text or "").strip() else {}
    return {"tag": element.tag, **attributes, **spoken, **({"inner": inner} if inner else {})}


def _table(path: Path) -> dict[str, Any]:
    """Columns, and the values in order as one number, floats to the six digits that every processor computes alike."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    plain = {
        name: [f"{value:.6g}" if isinstance(value, float) else value for value in column]
        for name, column in table.to_pydict().items()
    }
    values = hashlib.sha256(repr(plain).encode()).hexdigest()
    return {
        "rows": table.num_rows,
        "columns": {field.name: str(field.type) for field in table.schema},
        "values": values[:16],
    }


def _state(folder: Path, model: str) -> dict[str, Any]:
    """Aliases and tags of every version, and the runs that belong to the model: flat, so that changes can be listed."""
    state: dict[str, Any] = {}
    with shelf.registry_of(folder) as client:
        state |= {f"{model}/alias/{name}": str(to) for name, to in client.get_registered_model(model).aliases.items()}
        state |= {f"{model}/tag/{key}": value for key, value in client.get_registered_model(model).tags.items()}
        for version in client.search_model_versions(f"name = '{model}'"):
            state[f"{model}/{version.version}/stage"] = version.current_stage
            state |= {f"{model}/{version.version}/tag/{key}": value for key, value in version.tags.items()}
        for experiment in client.search_experiments():
            if experiment.name.startswith(OURS) and experiment.name.split("/")[1] == model:
                state |= _experiment(client, model, experiment)
    return state


def _experiment(client: Any, model: str, experiment: Any) -> dict[str, Any]:
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    top = f"{model}/{experiment.name}"
    state: dict[str, Any] = {f"{top}/tag/{key}": parsed(value) for key, value in experiment.tags.items()}
    for number, run in enumerate(sorted(runs, key=lambda run: run.info.start_time), start=1):
        head = f"{top}/run {number}"
        state[f"{head}/name"] = run.info.run_name
        state |= {f"{head}/param/{key}": parsed(value) for key, value in run.data.params.items()}
        state |= {f"{head}/tag/{key}": parsed(value) for key, value in run.data.tags.items() if _ours(key)}
        state |= {f"{head}/metric/{key}": value for key, value in run.data.metrics.items()}
        state[f"{head}/artifacts"] = _artifacts(client, run.info.run_id)
    return state


def _ours(tag: str) -> bool:
    """Whether a tag of a run is lockgate's, and of no process; those that came after the recordings are passed over."""
    later = ("lockgate.holder", "lockgate.evaluations")
    return (not tag.startswith("mlflow.") or tag == "mlflow.runName") and tag not in later


def _artifacts(client: Any, run: str, path: str | None = None) -> list[str]:
    names: list[str] = []
    for entry in client.list_artifacts(run, path):
        names += _artifacts(client, run, entry.path) if entry.is_dir else [entry.path]
    return sorted(names)


def parsed(text: str) -> Any:
    """JSON where a text is a JSON object, with whether it is canonical; the text itself otherwise."""
    value = _document(text)
    if isinstance(value, dict):
        return {"json": value, "canonical": rfc8785.dumps(value) == text.encode()}
    return text
