"""A gate of the YAML tree, as far as it could be understood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from lockgate.evaluation.requirements.grammar import RequirementError, parse, read
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.gates.gate import Gate
from lockgate.pipeline.yaml_reader import Complaint, Node, NodePath

# What a check of the tree yields: the path of the node that is complained about, and the complaint.
Complaints = Iterator[tuple[NodePath, Complaint]]


@dataclass(frozen=True)
class GateDraft:
    """A gate as far as it could be understood: its class where the kind is known, itself where its fields are right."""

    node: Node
    index: int
    title: str
    cls: type[Gate] | None
    gate: Gate | None

    @property
    def path(self) -> NodePath:
        return ("gates", self.index)

    def text(self, key: str) -> str | None:
        """The value of a key where it is text."""
        node = self.node.child(key)
        return node.value if node is not None and isinstance(node.value, str) else None

    def entries(self) -> Iterator[tuple[NodePath, Node, object]]:
        """The entries of `require`, each with its path and node: of a set of lines all of them, where the set is named."""
        node = self.node.child("require")
        path: NodePath = (*self.path, "require")
        named = [(path, node)] if node is not None and isinstance(node.value, str) else []
        listed = [((*path, number), entry) for number, entry in enumerate(self.node.entries("require"))]
        for at, entry in [*named, *listed]:
            value = entry.plain()
            for line in (value,) if self.cls is None else self.cls.lines_of(value):
                yield at, entry, line

    @property
    def label_entries(self) -> list[Node]:
        """The entries of `require` of its `labels`."""
        labels = self.node.child("labels")
        return [] if labels is None else labels.entries("require")

    def lines(self) -> Iterator[tuple[NodePath, Node, Requirement]]:
        """The requirements that could be parsed, each with its path and node."""
        node = self.node.child("require")
        for text in self.cls.default_require if self.cls is not None and node is None else ():
            yield self.path, self.node.child("gate") or self.node, parse(text)
        for path, entry, line in self.entries() if self.cls is not None else ():
            with suppress(RequirementError):
                yield path, entry, read(line)
