"""Resolve `extends`: merge a pipeline with the files that it is based on.

Maps merge, scalars replace, gates merge by name; other lists (`require`, `slices`, `waive`), `groups` and
`candidate` replace whole. What a parent has `locked`, no child may set. Every value keeps its position in the file that it came from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from lockgate.errors import PipelineError
from lockgate.hashing import sha256
from lockgate.pipeline.yaml_reader import Complaint, Document, Node, NodePath, Position, load
from lockgate.plugins import is_inside

MAX_FILES = 10
PACKAGE = "package:"
# Keys whose value replaces the parent's as a whole, except as names that people chose themselves.
_WHOLE = ("require", "groups", "slices", "candidate")
_NAMED_FREELY = (("data",), ("inputs",))


@dataclass(frozen=True)
class Merged:
    """The files of a pipeline as one tree. files: (path relative to the root, sha256), the pipeline itself first.

    complaints: what was refused value by value while reading, and locked values that were set.
    """

    root: Node
    files: tuple[tuple[str, str], ...]
    complaints: tuple[Complaint, ...]


def resolve(path: Path, *, root: Path) -> Merged:
    """A pipeline merged with everything that it extends. Raises PipelineError for files that cannot be read."""
    chain: list[Document] = []
    files: list[tuple[str, str]] = []
    visited: dict[str, str] = {}
    source: _Source | None = _Source.named(path, root=root)
    at: Position | None = None
    while source is not None:
        if source.identity in visited:
            raise PipelineError(
                f"{at}: extends goes in a circle: {' → '.join([*visited.values(), source.display_name])}"
            )
        if len(chain) == MAX_FILES:
            raise PipelineError(
                f"{at}: this is the file number {MAX_FILES + 1} in a row of extends; {MAX_FILES} are read"
            )
        visited[source.identity] = source.display_name
        document, data = source.read(at)
        chain.append(document)
        files.append((source.display_name, sha256(data)))
        if not isinstance(document.root.value, dict):
            raise PipelineError(
                f"{document.root.at}: a pipeline is a mapping of keys; this is {_describe(document.root, quoted=at is None)}"
            )
        source, at = _parent(document.root, source, root=root)
    complaints = [complaint for document in chain for complaint in document.complaints]
    merged, locks = _own_keys(chain[-1].root), list[tuple[NodePath, Position]]()
    for parent, child in zip(reversed(chain), [*reversed(chain[:-1]), None], strict=True):
        locks += _locks(parent.root)
        if child is not None:
            own = _own_keys(child.root)
            complaints += [
                Complaint(at, f"{'.'.join(map(str, path))} is locked by {lock} and cannot be set here")
                for path, lock in locks
                for at in _settings(own, merged, path)
            ]
            merged = _merge_maps(merged, own, ())
    return Merged(merged, tuple(files), tuple(complaints))


@dataclass(frozen=True)
class _Source:
    """A file on disk, or one inside an installed package (`package`), whose neighbours are in that package too.

    home: the folder of the project or of the package, out of which no file leads.
    """

    display_name: str
    path: Path
    home: Path
    package: str | None = None

    @classmethod
    def named(cls, path: Path, *, root: Path) -> _Source:
        """The pipeline that somebody named: anywhere on this machine, though no link in the project may lead out of it.

        Raises PipelineError.
        """
        full = Path(os.path.abspath(path))  # noqa: PTH100  # a link keeps the name that people gave it
        below = full.is_relative_to(root) or full.resolve().is_relative_to(root.resolve())
        source = cls.on_disk(full, root=root, home=root if below else full.parent)
        if not source.is_inside:
            raise PipelineError(f"{source.display_name}: this leads out of the project, so it is not read")
        return source

    @classmethod
    def on_disk(cls, path: Path, *, root: Path, home: Path) -> _Source:
        full = Path(os.path.abspath(path))  # noqa: PTH100
        return cls(Path(os.path.relpath(full, root)).as_posix(), full, home)

    @property
    def identity(self) -> str:
        return os.path.realpath(self.path)

    @property
    def is_inside(self) -> bool:
        """Whether the file, links followed, lies in the project or the package, and in no folder of Git or of runs."""
        return is_inside(self.path, self.home)

    def read(self, at: Position | None) -> tuple[Document, bytes]:
        try:
            return load(self.path, display_name=self.display_name)
        except PipelineError as error:
            if at is None or self.path.is_file():
                raise
            raise PipelineError(f"{at}: extends names {self.display_name}, and there is no such file") from error


def _parent(tree: Node, source: _Source, *, root: Path) -> tuple[_Source | None, Position | None]:
    node = tree.child("extends")
    if node is None:
        return None, None
    name = node.value
    if not isinstance(name, str) or not name.strip():
        raise PipelineError(
            f"{node.at}: extends names one file, such as other.yaml or package:acme_policy/tabular.yaml"
        )
    if "${" in name:
        raise PipelineError(f"{node.at}: extends takes no variables: a policy does not depend on where it is read")
    if name.startswith(PACKAGE):
        return _in_package(name, node.at), node.at
    beside = source.path.parent / name
    if source.package is not None:
        parent = _Source(f"{PACKAGE}{source.package}/{name}", beside, source.home, source.package)
    else:
        below_root = root / name
        path = beside if beside.is_file() or not below_root.is_file() else below_root
        parent = _Source.on_disk(path, root=root, home=source.home)
    if not parent.is_inside:
        whole = "the project" if source.package is None else f"the package {source.package}"
        raise PipelineError(
            f"{node.at}: extends names {name!r}, which leads out of {whole}; "
            "keep the file there, or install it in a package: package:acme_policy/tabular.yaml"
        )
    return parent, node.at


def _in_package(name: str, at: Position) -> _Source:
    """A file of an installed package, of which nothing is imported. Raises PipelineError."""
    package, _, inside = name.removeprefix(PACKAGE).partition("/")
    if not package or not inside or ".." in inside.split("/"):
        raise PipelineError(f"{at}: {name!r} names no file of a package; write package:acme_policy/tabular.yaml")
    folders = _package_folders(package)
    if not folders:
        raise PipelineError(f"{at}: there is no package {package!r} here: No module named {package!r}; install it")
    folder = next((folder for folder in folders if (folder / inside).is_file()), folders[0])
    source = _Source(name, folder / inside, folder, package)
    if not source.is_inside:
        raise PipelineError(f"{at}: {name!r} leads out of the package {package}")
    return source


def _package_folders(package: str) -> list[Path]:
    top, *below = package.split(".")
    try:
        spec = find_spec(top)  # of a name without dots nothing is imported
    except (ImportError, ValueError):
        spec = None
    locations = [] if spec is None else list(spec.submodule_search_locations or ())
    return [folder for location in locations if (folder := Path(location, *below)).is_dir()]


def gate_title(gate: Node) -> str | None:
    """The name of a gate in YAML: `name`, else its kind; of a gate in a file the class."""
    for key in ("name", "gate"):
        node = gate.child(key)
        if node is not None and isinstance(node.value, str) and node.value:
            return node.value.rpartition(":")[2] if key == "gate" else node.value
    return None


def _merge(parent: Node, child: Node, path: NodePath) -> Node:
    whole = path[-1] in _WHOLE and path[:-1] not in _NAMED_FREELY
    if isinstance(parent.value, dict) and isinstance(child.value, dict) and not whole:
        return _merge_maps(parent, child, path)
    if isinstance(parent.value, list) and isinstance(child.value, list) and path in (("gates",), ("locked",)):
        merged = _merge_gates(parent.value, child.value) if path == ("gates",) else [*parent.value, *child.value]
        return replace(child, value=merged)
    return child


def _merge_maps(parent: Node, child: Node, path: NodePath) -> Node:
    merged: dict[str, Node] = dict(parent.value)  # type: ignore[arg-type]
    for name, node in child.value.items():  # type: ignore[union-attr]
        merged[name] = _merge(merged[name], node, (*path, name)) if name in merged else node
    return replace(child, value=merged)


def _merge_gates(parent: list[Node], child: list[Node]) -> list[Node]:
    gates, taken = list(parent), set[int]()
    titles = [gate_title(gate) for gate in gates]
    for gate in child:
        title = gate_title(gate)
        index = titles.index(title) if title is not None and title in titles else None
        if index is None or index in taken:
            gates.append(gate)
            continue
        taken.add(index)
        kind, own = gates[index].child("gate"), gate.child("gate")
        same = own is None or kind is None or own.value == kind.value
        gates[index] = _merge_maps(gates[index], gate, ("gates", "*")) if same else gate
    return gates


def _locks(tree: Node) -> list[tuple[NodePath, Position]]:
    return [
        (tuple(entry.value.split(".")), entry.at)
        for entry in tree.entries("locked")
        if isinstance(entry.value, str) and entry.value.strip(".")
    ]


def _settings(child: Node, parent: Node, lock: NodePath) -> list[Position]:
    """Where a child sets something at, below or above a locked path, or waives a locked gate."""
    node: Node = child
    waived = _waived(child, lock) if lock[0] == "gates" else []
    for depth, step in enumerate(lock):
        if depth and lock[0] == "gates" and depth == 1:
            if not isinstance(node.value, list):
                return [node.named_at, *waived]
            named = [gate for gate in node.value if gate_title(gate) == step]
            if len(lock) == 2 or not named or _replaced(named[0], parent):
                return [*(gate.at for gate in named), *waived]
            node = named[0]
            continue
        if not isinstance(node.value, dict):
            return [node.named_at, *waived]
        below = node.child(step)
        if below is None:
            return waived
        node = below
    return [node.named_at, *waived]


def _replaced(gate: Node, parent: Node) -> bool:
    """Whether a gate stands in the place of a parent's gate of another kind."""
    kind = gate.child("gate")
    for other in parent.entries("gates"):
        before = other.child("gate")
        if gate_title(other) == gate_title(gate) and before is not None and kind is not None:
            return before.value != kind.value
    return False


def _waived(child: Node, lock: NodePath) -> list[Position]:
    """Where a child waives a finding of a locked gate."""
    findings = [finding for entry in child.entries("waive") if (finding := entry.child("finding")) is not None]
    return [
        finding.at
        for finding in findings
        if isinstance(finding.value, str) and (len(lock) == 1 or finding.value.partition("/")[0] == lock[1])
    ]


def _own_keys(tree: Node) -> Node:
    return replace(tree, value={name: node for name, node in tree.value.items() if name != "extends"})  # type: ignore[union-attr]


def _describe(node: Node, *, quoted: bool) -> str:
    """quoted: of the pipeline itself; what it extends may be any file of the project, such as one with keys."""
    if isinstance(node.value, list):
        return "a list"
    return f"only {node.value!r:.40}" if quoted else "a single value"
