"""The file that holds a project's expectations: a schema of pandera, or a suite of Great Expectations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lockgate.errors import GateBroken, UsageError
from lockgate.foreign.files import read_regular
from lockgate.hashing import sha256
from lockgate.plugins import ProjectFile, is_inside

Library = Literal["pandera", "great_expectations"]


@dataclass(frozen=True)
class ExpectationFile:
    """text: as the pipeline names it, `./schemas/x.py:schema`, `./schemas/x.yaml` or `./suites/x.json`. root: of the project."""

    library: Library
    text: str
    root: Path

    @property
    def attribute(self) -> str | None:
        """The name of the schema in a file of Python; None for other files."""
        return self.text.rpartition(":")[2] if ProjectFile.named_by(self.text) else None

    @property
    def path(self) -> Path:
        """Of the file. Raises UsageError where it is not there, or not in the project."""
        if self.attribute is not None:
            return ProjectFile(self.text, self.root, self.library).path
        path = (self.root / self.text).resolve()
        if not is_inside(path, self.root) or not path.is_file():
            raise UsageError(f"{self.library} {self.text!r}: there is no such file below the project's root")
        return path

    @property
    def copy_name(self) -> str:
        """What a copy of it is called where it is checked."""
        suffix = self.path.suffix
        return f"expectations{'.yaml' if suffix == '.yml' else suffix}"

    def read(self) -> tuple[bytes, str]:
        """(its bytes, their SHA-256), nothing of it run. Raises UsageError."""
        try:
            content = read_regular(self.path)
        except OSError as error:
            raise UsageError(f"{self.library} {self.text!r} cannot be read: {error.strerror}") from error
        return content, sha256(content)


def suite_expectations(content: bytes, name: str) -> list[Any]:
    """The expectations in a suite of Great Expectations 1.x. Raises GateBroken for any other file."""
    try:
        suite = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise GateBroken(f"{name} is no JSON ({error})", remedy="write the suite with suite.to_json_dict()") from error
    if isinstance(suite, dict) and "expectation_suite_name" in suite:
        raise GateBroken(
            f"{name} is a suite of Great Expectations 0.x",
            remedy="write it anew under 1.x, as json.dumps(suite.to_json_dict())",
        )
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not all(isinstance(each, dict) for each in expectations):
        raise GateBroken(
            f"{name} is no suite: it has no list of expectations",
            remedy="write it as json.dumps(suite.to_json_dict()): {name: …, expectations: [{type: …, kwargs: {…}}]}",
        )
    return expectations
