"""The part of GitHub's own description of its API that our client asks for, as a validating proxy can read it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from helpers.hub.published import API, published

OPERATIONS = (
    "actions/download-artifact",
    "actions/list-artifacts-for-repo",
    "actions/list-workflow-runs",
    "issues/create-comment",
    "issues/get-comment",
    "issues/list-comments",
    "issues/update-comment",
    "pulls/get",
    "pulls/list-commits",
    "pulls/list-files",
    "pulls/list-review-comments",
    "pulls/list-reviews",
)
PLAIN, RECOMMENDED = "application/json", "application/vnd.github+json"


def subset() -> dict[str, Any]:
    """These operations and all that they refer to.

    Nothing is changed but one thing: where GitHub lists the plain media type, the one that it recommends to ask for is
    listed beside it. Else a proxy that takes the description by its word would refuse every request.
    """
    whole = published(API)
    found = {
        operation["operationId"]: (path, method, operation)
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }
    made: dict[str, Any] = {name: whole[name] for name in ("openapi", "info", "servers")} | {"paths": {}}
    for name in OPERATIONS:
        path, method, operation = found[name]
        made["paths"].setdefault(path, {})[method] = copy.deepcopy(operation)
    todo, seen = list(_references(made["paths"])), set[str]()
    while todo:
        reference = todo.pop()
        if reference in seen:
            continue
        seen.add(reference)
        *parents, name = reference.removeprefix("#/").split("/")
        source, target = whole, made
        for part in parents:
            source, target = source[part], target.setdefault(part, {})
        target[name] = copy.deepcopy(source[name])
        todo += _references(target[name])
    for answer in _answers(made):
        content = answer.get("content", {})
        if PLAIN in content:
            content.setdefault(RECOMMENDED, content[PLAIN])
    return made


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


def _answers(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in made["paths"].values():
        for operation in methods.values():
            yield from operation["responses"].values()
    yield from made["components"].get("responses", {}).values()
