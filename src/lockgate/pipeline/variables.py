"""Substitute `${VAR}` and `${VAR:-x}`, which a pipeline may have in paths, addresses and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lockgate.hashing import sha256
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath, Step

_VARIABLE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<text>[^{}]*))?\})?")
ADDRESSES = frozenset({"path", "uri", "url", "file", "python", "folder", "host", "webhook"})
_INSIDE = frozenset({"candidate", "env", "target"})
_LATE = "notify"  # read where something is sent, and only there
_NEVER = frozenset({"require", "severity", "waive", "signoff", "promotion"})


@dataclass(frozen=True)
class Substituted:
    """The tree with values in place of variables. used: name → sha256 of the value, of those that were read."""

    root: Node
    used: Mapping[str, str]
    complaints: tuple[Complaint, ...]


def substitute(tree: Node, environ: Mapping[str, str] | None) -> Substituted:
    """Put values where variables stand. Without an environment, one that has no default stays as it is written."""
    used: dict[str, str] = {}
    complaints: list[Complaint] = []

    def text(node: Node, path: NodePath) -> str:
        def value(match: re.Match[str]) -> str:
            name = match["name"]
            if name is None:
                complaints.append(Complaint(node.at, "a variable is written ${NAME} or ${NAME:-default}"))
                return match[0]
            replacement = (environ or {}).get(name) or match["text"]
            if replacement is None:
                if environ is not None:
                    message = f"the variable {name} is not set; set it, or write ${{{name}:-a default}}"
                    complaints.append(Complaint(node.at, message))
                return match[0]
            used[name] = sha256(replacement.encode())
            return replacement

        if "${" not in (written := str(node.value)):
            return written
        if refusal := _refusal(path):
            complaints.append(Complaint(node.at, refusal))
            return written
        return _VARIABLE.sub(value, written)

    def fold(node: Node, path: NodePath) -> Node:
        if path == (_LATE,):
            return node
        if isinstance(node.value, dict):
            return replace(node, value={name: fold(below, (*path, name)) for name, below in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[fold(below, (*path, index)) for index, below in enumerate(node.value)])
        return replace(node, value=text(node, path)) if isinstance(node.value, str) else node

    root = fold(tree, ())
    return Substituted(root, dict(sorted(used.items())), tuple(complaints))


def filled(text: str, environ: Mapping[str, str]) -> str:
    """A text of `notify` with its variables' values. Raises LookupError with the name of one that is not set."""

    def value(match: re.Match[str]) -> str:
        replacement = environ.get(match["name"] or "") or match["text"]
        if replacement is None:
            raise LookupError(match["name"] or "without a name")
        return replacement

    return _VARIABLE.sub(value, text)


def defaults(text: str) -> str:
    """A text with the defaults of its variables; those that have none stay as they are written."""
    return _VARIABLE.sub(lambda match: match[0] if match["text"] is None else match["text"], text)


def _refusal(path: NodePath) -> str | None:
    """Why no variable may stand here, None where it may."""
    names: list[Step] = [step for step in path if isinstance(step, str)]
    never = [name for name in names if name in _NEVER]
    if never:
        return f"variables are not read in {never[0]}: what is required does not depend on where it is checked"
    if _INSIDE.intersection(names) or (names and names[-1] in ADDRESSES):
        return None
    return f"variables are read in paths, addresses and headers, not in {names[-1] if names else 'this'}"
