"""The architecture, read from the imports: a line imports lines above it only, and strangers stay strangers.

Imports at module level and inside functions count alike; those under `if TYPE_CHECKING` name types and bind nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lockgate

ROOT = Path(lockgate.__file__).parent

# A package stands for its modules. Within a line, a module may import those to the left of it.
LINES: dict[int, tuple[str, ...]] = {
    1: ("errors", "units", "digest", "escaping", "cutting", "config", "plugins"),
    2: ("evidence", "requirement", "arrays", "slice_names", "slice_spec", "comparisons", "slices", "registry"),
    3: (
        "votes",
        "owners",
        "signoff",
        "overriding",
        "serving",
        "repeats",
        "way_back",
        "ledger",
        "consent",
        "soak",
        "projection",
        "disagreement",
        "ledger_copy",
        "stats",
        "satisfiable",
        "schema_diff",
    ),
    4: (
        "target",
        "webhook",
        "model",
        "load",
        "lockstep",
        "sources",
        "remote",
        "dataset",
        "classes",
        "class_scores",
        "output",
        "columns",
        "outcomes",
        "ids",
        "memberships",
        "rows",
        "scored",
        "merging",
        "metrics",
        "queries",
        "beside",
        "example",
        "replay",
    ),
    5: (
        "ranked",
        "binned",
        "summable",
        "cells",
        "runs",
        "ranked_slices",
        "tally",
        "sliced",
        "slice_rows",
        "significance",
        "estimate",
        "flips",
        "machine",
        "timing_limits",
        "timing",
        "schedule",
        "timing_rates",
        "turns",
        "raw",
        "measured",
        "timing_exhibits",
        "exhibits",
        "sentences",
        "obstacles",
        "bars",
        "judge",
        "plan_error",
        "plan_limits",
        "plan",
        "plan_gaps",
        "plan_requests",
        "gaps",
        "answers",
        "found_slices",
    ),
    6: ("gate", "interleaved"),
    7: ("yamlfile", "wording", "variables", "extends", "crosscheck", "pipeline", "schema"),
    8: ("gates", "targets", "registries", "channels", "reports"),
    9: (
        "selection",
        "runfolder",
        "looks",
        "run",
        "repeat",
        "switch",
        "published",
        "recheck",
        "promotion",
        "callers",
        "standby",
        "archive",
        "audit",
        "history",
        "verify",
        "repair",
        "notify",
    ),
    10: ("wiring",),
    11: ("demo", "cli", "commands", "testing"),
}
INTERCHANGEABLE = LINES[8]
# The parts of one member, which may use each other: files of one registry, of one target; a summary is a report cut.
PARTS = {
    "channels": ("github",),
    "registries": ("mlflow", "mlflow_"),
    "reports": ("markdown", "summary"),
    "targets": (
        *("process", "link", "child", "faults", "environment", "declared", "host", "load"),
        *("server", "serve", "http", "refusals", "jsonrows", "invocations", "v2", "v1", "template"),
    ),
}
# Commands show reports and speak to git and ssh themselves; the demo fills a registry of its own; what a lock may name
# is told by the pipeline's own keys. The MLflow client takes its timeouts from the environment and from nowhere else.
NAMED_BY_COMMANDS = ("channels", "reports")
EXCEPTIONS = {
    ("commands.demo", "registries.mlflow_demo"),
    ("registries.mlflow_demo", "demo"),
    ("crosscheck", "pipeline"),
}
TOUCH_THE_ENVIRONMENT = ("registries.mlflow_client",)

Import = tuple[str, str]


def modules() -> dict[str, Path]:
    """Every module by its name below `lockgate`; a package by the name of its folder."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


MODULES = modules()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything but what stands under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for otherwise in child.orelse:
                yield otherwise
                yield from nodes(otherwise)
            continue
        yield child
        yield from nodes(child)


def imports(path: Path) -> Iterator[str]:
    """Full names of what a file imports: `lockgate.stats.influence`, `numpy`."""
    for node in nodes(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole.removeprefix("lockgate.") in MODULES else str(node.module)


def own() -> Iterator[Import]:
    """(importing module, imported module) among our own."""
    for name, path in MODULES.items():
        for imported in imports(path):
            target = imported.removeprefix("lockgate.")
            if imported.startswith("lockgate.") and target in MODULES:
                yield name, target


def place(name: str) -> tuple[int, int]:
    """(line, place within it) of a module."""
    head = name.split(".")[0]
    return next((line, members.index(head)) for line, members in LINES.items() if head in members)


def outside(*names: str) -> set[str]:
    """Modules of ours that import one of these packages."""
    return {
        name for name, path in MODULES.items() for one in imports(path) if any(one == of or one.startswith(f"{of}.") for of in names)
    }  # fmt: skip


def same_member(one: str, other: str) -> bool:
    """Whether two modules of line 8 are the set itself and a member, or parts of one member."""
    (head, _, tail), (head2, _, tail2) = one.partition("."), other.partition(".")
    if head != head2:
        return False
    known = PARTS.get(head, ())
    return not tail or not tail2 or bool(known and tail.startswith(known) and tail2.startswith(known))


def test_every_module_has_its_line() -> None:
    """One table of all modules, each once, none that is gone."""
    heads = {name.split(".")[0] for name in MODULES}
    listed = [name for members in LINES.values() for name in members]

    assert sorted(listed) == sorted(heads)


def test_a_line_imports_lines_above_it_only() -> None:
    """And within a line, a module those to the left of it: there is no cycle anywhere."""
    wrong = [
        f"{name} imports {target}"
        for name, target in own()
        if place(target) > place(name) and (name, target) not in EXCEPTIONS
    ]

    assert wrong == []


def test_the_five_sets_are_strangers_to_each_other() -> None:
    """A gate knows no registry, and no other gate."""
    wrong = [
        f"{name} imports {target}"
        for name, target in own()
        if name.split(".")[0] in INTERCHANGEABLE
        and target.split(".")[0] in INTERCHANGEABLE
        and not same_member(name, target)
    ]

    assert wrong == []


def test_only_wiring_names_gates_targets_and_registries() -> None:
    """Everything else finds them by entry point. Reports and channels are also named by the commands, at the edge."""
    wrong = [
        f"{name} imports {target}"
        for name, target in own()
        if (head := target.split(".")[0]) in INTERCHANGEABLE
        and not name.startswith(head)
        and name != "wiring"
        and not (head in NAMED_BY_COMMANDS and name.startswith("commands."))
        and (name, target) not in EXCEPTIONS
    ]

    assert wrong == []


def test_mlflow_lives_in_its_registry_and_beside_the_model() -> None:
    """Swapping the registry touches `registries/` alone."""
    allowed = {name for name in MODULES if name.startswith("registries.mlflow")} | {"targets.host"}

    assert outside("mlflow") <= allowed
    assert "registries.mlflow_client" in outside("mlflow")


def test_pandas_is_imported_beside_the_model_and_in_testing() -> None:
    """It costs a fresh process more than our work does; the demo's registry builds a model's example with it."""
    assert outside("pandas") <= {"targets.host", "testing", "registries.mlflow_demo", "registries.mlflow_demo_model"}


def test_scipy_stats_is_imported_nowhere() -> None:
    """It takes 0.7 seconds; scipy.special is enough."""
    found = [
        name
        for name, path in MODULES.items()
        for node in nodes(parsed(path))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and any(
            full.startswith("scipy.stats")
            for full in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [f"{node.module}.{alias.name}" for alias in node.names]
            )
        )
    ]

    assert found == []


def edge(name: str) -> bool:
    return name in ("cli", "targets.host", "targets.load_engine") or name.split(".")[0] == "commands"


def test_only_the_edge_prints_exits_and_reads_the_environment() -> None:
    """`print`, `exit` and `environ` live in cli, commands and in what runs as a process of its own."""
    found = []
    for name, path in MODULES.items():
        if edge(name) or name in TOUCH_THE_ENVIRONMENT:
            continue
        for node in nodes(parsed(path)):
            called = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "exit")
            )
            touched = (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and f"{node.value.id}.{node.attr}" in ("os.environ", "os.getenv", "sys.exit", "os._exit", "sys.stdout")
            )
            if called or touched:
                found.append(f"{name}:{getattr(node, 'lineno', 0)}")

    assert found == []


def test_the_host_imports_nothing_of_ours() -> None:
    """It runs under the model's own interpreter, where we are not installed."""
    assert [one for one in imports(MODULES["targets.host"]) if one.startswith("lockgate")] == []


def test_the_load_engine_imports_nothing_of_ours() -> None:
    """It is a process of its own, with as little in it as a load needs."""
    assert [one for one in imports(MODULES["targets.load_engine"]) if one.startswith("lockgate")] == []


def test_numpy_is_imported_by_what_computes() -> None:
    """Gates, the pipeline and all that `gate check` loads name it inside functions only."""
    heavy = ("numpy", "scipy", "pyarrow", "mlflow", "pandas", "requests", "jinja2")
    light = [
        *LINES[1],
        "gate",
        *LINES[7],
        "evidence",
        "requirement",
        "slice_names",
        "slice_spec",
        "slices",
        "registry",
        "satisfiable",
        "estimate",
        "judge",
    ]
    found = []
    for name, path in MODULES.items():
        if name.split(".")[0] not in (*light, "gates", "cli", "commands"):
            continue
        for node in parsed(path).body:
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            found += [f"{name} imports {one}" for one in named if one.split(".")[0] in heavy]

    assert found == []
