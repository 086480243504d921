"""Is a request one that GitHub takes, and an answer one that GitHub gives? Held to GitHub's own OpenAPI description."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator

from helpers.hub.published import API, published


class Violation(Exception):
    """A request or an answer that GitHub's description does not allow."""


@dataclass(frozen=True)
class Operation:
    """One that GitHub describes."""

    name: str
    document: dict[str, Any]
    parameters: dict[tuple[str, str], dict[str, Any]]


class Contract:
    """GitHub's description, and what was asked for under it."""

    def __init__(self, api: dict[str, Any]) -> None:
        self._api = api
        self._components = {"components": _draft(api["components"])}
        self._paths = [
            (_pattern(path), methods)
            for path, methods in sorted(api["paths"].items(), key=lambda item: item[0].count("{"))
            if path.startswith("/repos/{owner}/{repo}/")
        ]
        self.seen: set[str] = set()
        self._taken: dict[tuple[str, str, tuple[tuple[str, str], ...], bytes], Operation] = {}
        self._given: set[tuple[str, int, str | bytes]] = set()

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Operation:
        """The operation that a request is of. Raises Violation. The same request is not looked at twice."""
        same = (method, target, tuple(headers.items()), body)
        if same not in self._taken:
            self._taken[same] = self._asked(method, target, headers, body)
        self.seen.add(self._taken[same].name)
        return self._taken[same]

    def _asked(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Operation:
        path, _, query = target.partition("?")
        for pattern, methods in self._paths:
            match = pattern.match(path)
            if match is not None and method.lower() in methods:
                break
        else:
            raise Violation(f"GitHub has no {method} {path}")
        operation = self._operation(methods[method.lower()])
        given = {("path", name): unquote(value) for name, value in match.groupdict().items()}
        given |= {("query", name): value for name, value in parse_qsl(query, keep_blank_values=True)}
        for place in given:
            if place not in operation.parameters:
                raise Violation(f"{operation.name} knows no {place[0]} parameter {place[1]}")
        for place, parameter in operation.parameters.items():
            if place in given:
                self._held(parameter["schema"], _typed(given[place], parameter["schema"]), f"{operation.name} {place}")
            elif parameter.get("required") and place[0] != "header":
                raise Violation(f"{operation.name} needs the {place[0]} parameter {place[1]}")
        self._body(operation, headers, body)
        lower = {name.lower(): value for name, value in headers.items()}
        if lower.get("accept") != "application/vnd.github+json" or lower.get("x-github-api-version") != "2022-11-28":
            raise Violation(f"{operation.name} was asked without the headers that GitHub recommends")
        if not lower.get("user-agent"):
            raise Violation("GitHub refuses requests without a User-Agent")
        return operation

    def answer(self, operation: Operation, status: int, body: bytes) -> None:
        """Raises Violation for an answer that GitHub would not give. Entries of a list are looked at one by one, once each."""
        if (operation.name, status, body) in self._given:
            return
        said = operation.document["responses"].get(str(status))
        if said is None:
            if status >= 400:
                return  # errors that stand for every operation are not listed with each
            raise Violation(f"{operation.name} never answers {status}")
        content = self._resolved(said).get("content", {}).get("application/json")
        if content is None:
            return
        told = json.loads(body)
        for part in [[one] for one in told] if isinstance(told, list) and told else [told]:
            same = (operation.name, status, json.dumps(part))
            if same not in self._given:
                self._held(content["schema"], part, f"the answer {status} to {operation.name}")
                self._given.add(same)
        self._given.add((operation.name, status, body))

    def example(self, name: str, *place: str | int, status: str = "200") -> Any:
        """What lies at a place in GitHub's own example of an answer; without a place, all of it."""
        return json.loads(self._example(name, place, status))

    @functools.cache  # noqa: B019
    def _example(self, name: str, place: tuple[str | int, ...], status: str) -> str:
        content = self._named(name)["responses"][status]["content"]["application/json"]
        value = self._resolved(content["examples"]["default"])["value"]
        return json.dumps(functools.reduce(lambda inner, key: inner[key], place, value))

    @functools.cache  # noqa: B019  # one contract lives as long as the tests
    def _named(self, name: str) -> dict[str, Any]:
        for methods in self._api["paths"].values():
            for document in methods.values():
                if isinstance(document, dict) and document.get("operationId") == name:
                    return document
        raise KeyError(name)

    @functools.cache  # noqa: B019
    def _parameters(self, name: str) -> dict[tuple[str, str], dict[str, Any]]:
        found = [self._resolved(one) for one in self._named(name).get("parameters", [])]
        return {(one["in"], one["name"]): one for one in found}

    def _operation(self, document: dict[str, Any]) -> Operation:
        name = document["operationId"]
        return Operation(name, document, self._parameters(name))

    def _body(self, operation: Operation, headers: dict[str, str], body: bytes) -> None:
        wanted = operation.document.get("requestBody")
        if wanted is None:
            if body:
                raise Violation(f"{operation.name} takes no body")
            return
        kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        if kind.partition(";")[0] != "application/json":
            raise Violation(f"{operation.name} was sent {kind or 'nothing'}")
        self._held(wanted["content"]["application/json"]["schema"], json.loads(body), f"the body of {operation.name}")

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self._api
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def _held(self, schema: dict[str, Any], value: Any, what: str) -> None:
        error = next(self._validator(json.dumps(schema)).iter_errors(value), None)
        if error is not None:
            place = "/".join(str(part) for part in error.absolute_path)
            raise Violation(f"{what}: {place}: {error.message[:300]}")

    @functools.cache  # noqa: B019
    def _validator(self, schema: str) -> Draft202012Validator:
        return Draft202012Validator({**_draft(json.loads(schema)), **self._components})


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{one}>[^/]+)" if odd % 2 else re.escape(one) for odd, one in enumerate(parts)) + "$"
    )


def _draft(node: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema says it: there `nullable` stands for one more type."""
    if isinstance(node, list):
        return [_draft(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _draft(value) for name, value in node.items() if name not in ("nullable", "example", "examples")}
    return {"anyOf": [kept, {"type": "null"}]} if node.get("nullable") is True else kept


def _typed(text: str, schema: dict[str, Any]) -> Any:
    """A parameter as what its schema says it is, where it reads like one."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


@functools.cache
def github() -> Contract:
    """GitHub's own; where it cannot be had the test is skipped, by name."""
    return Contract(published(API))
