"""Read the workflow files of a repository: which steps call lockgate's action, and what a person chose for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.errors import UsageError
from lockgate.foreign import yaml

FOLDER = ".github/workflows"
PLACEHOLDER = "OWNER/lockgate"  # where nothing tells whose the action is; a person has to write that
_COMMANDS = ("run", "comment", "decide", "prove", "promote", "rollback", "archive", "changes")
_ASKS_MODELS = ("run", "prove")


@dataclass(frozen=True)
class GateStep:
    """A step that calls our action. uses: as it is written, with the comment behind it. pipeline: empty where it names none.

    python: of the job's setup-python, as far as that is one version; None without one. variables: names that it is given.
    lfs: whether its job fetches what Git LFS keeps. scripts: of its job.
    """

    file: str
    command: str
    pipeline: str
    uses: str
    python: str | None
    variables: frozenset[str]
    lfs: bool
    scripts: str

    @property
    def is_placeholder(self) -> bool:
        return self.uses.startswith(f"{PLACEHOLDER}@")

    @property
    def asks_models(self) -> bool:
        """Whether models answer in its job, under the job's own python."""
        return self.command in _ASKS_MODELS


def gate_steps(root: Path) -> list[GateStep]:
    """Every step of ours in the workflows of a checkout, in the order of their files."""
    return [step for path in sorted((root / FOLDER).glob("*.y*ml")) for step in steps_of(path)]


def steps_of(workflow: Path) -> Iterator[GateStep]:
    """The steps of ours in a workflow, nothing for a file that is none."""
    with suppress(UsageError):
        text, document = _document(workflow)
        for job in document["jobs"].values():
            steps = _steps(job)
            for step in steps:
                inputs = _mapping(step, "with")
                if inputs.get("command") in _COMMANDS:
                    yield GateStep(
                        f"{FOLDER}/{workflow.name}",
                        str(inputs["command"]),
                        str(inputs.get("pipeline") or ""),
                        _as_written(str(step.get("uses") or ""), text),
                        _python(steps),
                        frozenset(name for each in (document, job, step) for name in _mapping(each, "env")),
                        any(_mapping(each, "with").get("lfs") is True for each in steps),
                        "\n".join(str(each["run"]) for each in steps if "run" in each),
                    )


def workflow_steps(workflow: Path) -> list[dict[str, Any]]:
    """The steps of all jobs of a workflow. Raises UsageError for a file that is none."""
    return [step for job in _document(workflow)[1]["jobs"].values() for step in _steps(job)]


def _document(workflow: Path) -> tuple[str, dict[str, Any]]:
    """The file's text, and what it holds. Raises UsageError for what has no jobs with steps."""
    try:
        text = workflow.read_text(encoding="utf-8")
        document = yaml.read(text)
        for job in document["jobs"].values():
            _steps(job)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{workflow.name} cannot be read as a workflow ({error!r})") from error
    return text, dict(document)


def _steps(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**step} for step in job.get("steps", [])]


def _as_written(uses: str, text: str) -> str:
    """The value of `uses:` with the comment behind it, which says the release of a commit."""
    comment = re.search(rf"uses:[ \t]*[\"']?{re.escape(uses)}[\"']?([ \t]+#[^\n]*)?", text)
    return uses + ((comment and comment[1]) or "").rstrip()


def _python(steps: list[dict[str, Any]]) -> str | None:
    for step in steps:
        if str(step.get("uses")).startswith("actions/setup-python@"):
            version = str(_mapping(step, "with").get("python-version"))
            return version if re.fullmatch(r"\d+\.\d+(\.\d+)?", version) else None
    return None


def _mapping(part: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = part.get(key)
    return value if isinstance(value, dict) else {}
