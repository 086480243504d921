"""The description of a model in a file of skops: each type and function that it names is judged as an import of a pickle is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.imports import RUNS, ImportRules
from lockgate.models.artifact.pickle_values import Import
from lockgate.models.artifact.pickles import Report
from lockgate.models.artifact.problem import Broken, printable

_LARGEST = 1 << 26


def read_json(stream: ByteStream) -> Any:
    """The rest of a stream as JSON. Raises Broken."""
    text = stream.peek(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise Broken(f"its description has more than {_LARGEST >> 20} MiB")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Broken("its description is no JSON") from error


def json_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            yield value


def skops_schema(schema: Any, rules: ImportRules, report: Report) -> None:
    """Report each type that a model may not hold."""
    named = set[str]()
    for node in json_objects(schema):
        objection = _objection(node, rules)
        if objection is not None and objection[0] not in named:
            named.add(objection[0])
            report("unsafe_files", objection[0], allow=objection[1] and ("imports", objection[1]))


# Nodes that name what is only referred to, or filled with attributes; whatever another node names is called.
_ONLY_NAMED = (
    "FunctionNode",
    "ObjectNode",
    "JsonNode",
    "NdArrayNode",
    "MaskedArrayNode",
    "SparseMatrixNode",
    "DTypeNode",
)


def _objection(node: dict[str, Any], rules: ImportRules) -> tuple[str, str | None] | None:
    """(what speaks against a node, the name that an owner may allow); None where nothing does."""
    module, cls, content, loader = (node.get(key) for key in ("__module__", "__class__", "content", "__loader__"))
    if loader == "MethodNode" and isinstance(content, dict):
        method = str(content.get("func"))
        if not rules.is_harmless(method):
            return f"calls the method {printable(method, 80)}, {RUNS}", None
    if loader == "PartialNode":
        module, cls = "functools", "partial"
    if loader == "OperatorFuncNode":
        module = "operator"
    if not (isinstance(module, str) and isinstance(cls, str)):
        return None
    imported = Import(module, cls)
    sentence = rules.objection(imported)
    if sentence is not None:
        return printable(sentence), rules.allowable(imported)
    if loader in ("LossNode", "TreeNode", "ConstructorFromReduceNode"):
        called = rules.call_objection(imported)
        return None if called is None else (printable(called[0]), str(imported))
    if loader not in _ONLY_NAMED and not rules.makes_data(imported):
        return f"calls {printable(str(imported), 80)}, which is not on the list of what a model may call", str(imported)
    return None
