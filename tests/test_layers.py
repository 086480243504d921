"""The rooms of the house, read from the imports: a line imports lines below it only, rooms of a line are strangers.

Imports at module level and inside functions count alike; those under `if TYPE_CHECKING` name types and bind nothing.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import lockgate

ROOT = Path(lockgate.__file__).parent

# From the roof down. A room stands for everything in it.
LINES = (
    ("cli",),
    ("testing",),
    ("runs",),
    ("integrations",),
    ("pipeline",),
    ("gates", "promotion", "reports"),
    ("evaluation",),
    ("models", "registries"),
    ("signoff", "data"),
    ("evidence", "stats"),
    ("plugins", "config"),
    ("references",),
    ("git",),
    ("foreign", "hashing", "text", "units"),
    ("errors",),
)
LINE = {room: number for number, rooms in enumerate(reversed(LINES)) for room in rooms}

# The parts of these rooms are interchangeable: found by entry point or by name, and named by the rooms that put them
# together alone.
WALLS = {
    "gates.gate": ("gates", "pipeline", "runs", "testing", "cli.commands.kinds"),
    "registries.mlflow": ("cli.demo", "registries.unregistered"),
    "models.process": ("runs",),
    "models.server": ("runs",),
    "integrations": ("runs", "cli"),
}
# What runs as a process of its own knows nothing of ours.
APART = (
    "models.model_host",
    "evaluation.data_quality.hosts",
    "runs.selftest.planted_model",
    "models.isolation.launcher",
    "models.isolation.limits",
    "models.isolation.namespaces",
    "models.server.load_generator",
    "models.server.kept_answers",
    "models.server.socket_pollers",
)
# The MLflow client takes its timeouts from the environment and from nowhere else.
READS_THE_ENVIRONMENT = ("cli", *APART, "registries.mlflow.client", "registries.mlflow.session")


def modules() -> dict[str, Path]:
    """Every module by its name below `lockgate`; a package by the name of its folder."""
    named = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del named[""]
    return named


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


def named_by(node: ast.AST) -> Iterator[str]:
    """Full names of what a statement imports: `lockgate.stats.influence`, `numpy`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno} imports relatively"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            named = whole.removeprefix("lockgate.") in MODULES or whole == "scipy.stats"
            yield whole if named else str(node.module)


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Full names of everything that a file imports, wherever in it."""
    return tuple(whole for node in nodes(parsed(path)) for whole in named_by(node))


@functools.cache
def arrows() -> list[tuple[str, str]]:
    """Who imports whom, module by module."""
    return [
        (name, target)
        for name, path in MODULES.items()
        for whole in imports(path)
        if whole.startswith("lockgate.") and (target := whole.removeprefix("lockgate.")) in MODULES
    ]


def within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def importers(*packages: str) -> set[str]:
    """Modules of ours that import one of these packages."""
    return {name for name, path in MODULES.items() for whole in imports(path) if within(whole, *packages)}


def test_every_module_is_in_a_room() -> None:
    """One table of all rooms, each once, none that is gone."""
    assert sorted(LINE) == sorted({name.split(".")[0] for name in MODULES})


def test_a_line_imports_lines_below_it_only() -> None:
    """No arrow upwards, and none between two rooms of one line."""
    upwards = [
        f"{name} imports {target}"
        for name, target in arrows()
        if (here := name.split(".")[0]) != (there := target.split(".")[0]) and LINE[there] >= LINE[here]
    ]

    assert upwards == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Whatever can be taken out of the graph because all that it imports is taken out, is."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, target in arrows():
        if name != target:
            graph[name].add(target)
    while free := [name for name, targets in graph.items() if not targets]:
        for name in free:
            del graph[name]
        for targets in graph.values():
            targets.difference_update(free)

    assert graph == {}


def test_interchangeable_parts_are_named_where_things_are_put_together() -> None:
    """Everything else finds gates, registries and models by entry point, through a port; a shipped gate nobody names."""
    shipped = {name: () for name in MODULES if within(name, "gates") and name not in ("gates", "gates.gate")}
    through = [
        f"{name} imports {target}"
        for name, target in arrows()
        for wall, doors in {**WALLS, **shipped}.items()
        if within(target, wall) and not within(name, wall, *doors)
    ]

    assert through == []


def test_gates_are_strangers_to_each_other() -> None:
    """A gate is one file that knows `gate`, and no other gate."""
    acquainted = [
        f"{name} imports {target}"
        for name, target in arrows()
        if within(name, "gates") and within(target, "gates") and target not in ("gates", "gates.gate")
    ]

    assert acquainted == []


def test_mlflow_lives_in_its_registry_and_beside_the_model() -> None:
    """Swapping the registry touches `registries/` alone; the demo registers models of its own."""
    assert all(within(name, "registries.mlflow", "models.model_host", "cli.demo") for name in importers("mlflow"))
    assert "registries.mlflow.client" in importers("mlflow")


def test_pandas_is_imported_beside_the_model_and_the_data_and_in_testing() -> None:
    """It costs a fresh process more than our work does; the demo builds a model's example with it."""
    beside = ("models.model_host", "evaluation.data_quality.hosts", "testing", "cli.demo")
    assert all(within(name, *beside) for name in importers("pandas"))


def test_scipy_stats_is_imported_inside_textbook_methods_alone() -> None:
    """It takes 0.7 seconds: a function of `stats.reference` imports it when it is called, and no verdict rests on those."""
    at_once = [
        name
        for name, path in MODULES.items()
        for statement in parsed(path).body
        for whole in named_by(statement)
        if within(whole, "scipy.stats")
    ]

    assert at_once == []
    assert all(within(name, "stats.reference") for name in importers("scipy.stats"))
    assert all(within(name, "stats.reference") for name in importers("lockgate.stats.reference"))


def test_only_the_edge_prints_exits_and_reads_the_environment() -> None:
    """`print`, `exit` and `environ` live in cli and in what runs as a process of its own."""
    touched = []
    for name, path in MODULES.items():
        if within(name, *READS_THE_ENVIRONMENT):
            continue
        for node in nodes(parsed(path)):
            calls = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "exit")
            reads = isinstance(node, ast.Attribute) and ast.unparse(node) in (
                *("os.environ", "os.getenv", "sys.exit", "os._exit", "sys.stdout"),
            )
            if calls or reads:
                touched.append(f"{name}:{getattr(node, 'lineno', 0)}")

    assert touched == []


def test_what_runs_apart_imports_nothing_of_ours() -> None:
    """The host runs under the model's own interpreter, where we are not installed; a load needs little in its process."""
    assert [(name, whole) for name in APART for whole in imports(MODULES[name]) if within(whole, "lockgate")] == []


def test_numpy_is_imported_by_what_computes() -> None:
    """Gates, the pipeline and all that `gate check` loads name it inside functions only."""
    heavy = ("numpy", "scipy", "pyarrow", "mlflow", "pandas", "requests", "jinja2")
    light = (
        *("errors", "units", "hashing", "text", "config", "plugins", "cli", "pipeline", "gates", "evidence", "signoff"),
        "references",
        *("data.slices.names", "data.slices.spec", "data.slices.slice", "registries.ports", "evaluation.requirements"),
        *(
            f"evaluation.metrics.{name}"
            for name in ("catalog", "declaration", "classification", "regression", "custom")
        ),
        *(f"evaluation.metrics.{name}" for name in ("flip_rate", "multiclass_arguments", "ranking_subjects")),
        *("evaluation.uncertainty.comparison", "evaluation.uncertainty.metric_value"),
        *("evaluation.estimation.estimate", "evaluation.judging"),
        *("evaluation.scoring.row_metrics", "evaluation.latency.request_limits"),
        *("models.model", "models.output", "models.target_spec", "models.load_spec", "models.row_functions"),
    )
    # cli/demo makes data and models, cli/drafting/answers.py asks one: `gate demo` and `gate init` alone import them.
    named = [
        f"{name} imports {whole}"
        for name, path in MODULES.items()
        if within(name, *light) and not within(name, "cli.demo", "cli.drafting.answers")
        for node in parsed(path).body
        for whole in named_by(node)
        if within(whole, *heavy)
    ]

    assert named == []
