"""Make the model of a version where its pipeline's target says, once its files may be loaded: a process, a served process or a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.data.locate import fixed_part
from lockgate.data.remote import local
from lockgate.errors import LockgateError, ModelFault, UsageError
from lockgate.evaluation.case import LoadingObstacle
from lockgate.evidence.finding import Finding, Verdict
from lockgate.evidence.run_folder import own_folder
from lockgate.gates.gate import Gate
from lockgate.models import environment
from lockgate.models.child_process import MODEL_HOST
from lockgate.models.isolation.box import Box, boxed, make_box
from lockgate.models.isolation.interpreter_paths import interpreter_behind
from lockgate.models.program.program_runner import ProgramRunner
from lockgate.models.target_spec import Serve, Server, Target
from lockgate.pipeline.pipeline import Pipeline, PythonEnvironment
from lockgate.text import cut

if TYPE_CHECKING:
    from lockgate.evaluation.case import Case
    from lockgate.models.model import Model
    from lockgate.models.server.client import HttpClient
    from lockgate.models.server.model import ServerProtocol

_LONGEST = 300  # signs of what a gate says of files


def start_model(
    pipeline: Pipeline,
    files: Path,
    *,
    role: str,
    environ: Mapping[str, str],
    scratch: Path,
    cancelled: Callable[[], bool] | None = None,
    target: Target | None = None,
    signature: Callable[[], Any] = lambda: None,
) -> Model:
    """The model of those files at `target`, else at the pipeline's target. It may still be loading.

    signature: returns the input columns of the version; called for servers only, which have no other way to know them.
    """
    target = target or pipeline.target
    if isinstance(target, Server):
        return _server_model(pipeline, target, role=role, cancelled=cancelled, signature=signature())
    python, environ = interpreter_of(pipeline, files, role=role, environ=environ, cancelled=cancelled)
    if boxed(pipeline.isolation):
        with suppress(OSError):  # said where the process is started
            python = interpreter_behind(environment.interpreter(python), environ)
    folder = Path(tempfile.mkdtemp(prefix="work-", dir=scratch))  # no path tells a model which role it plays
    box = _box(pipeline, files, python=python, environ=environ, scratch=folder, role=role)
    if box is None:  # the files are hashed again afterwards: compiled code beside them would be a change
        environ = {**environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if isinstance(target, Serve):
        from lockgate.models.server.mlflow_serve import MlflowServeModel

        return MlflowServeModel(
            files, python=python, environ=environ, name=role, scratch=folder, cancelled=cancelled, box=box,
            signature=signature(), timeout_s=target.timeout.total_seconds(), ready_s=target.ready.total_seconds(),
        )  # fmt: skip
    from lockgate.models.process.model import ProcessModel
    from lockgate.models.process.row_function_process import RowFunctionProcess

    functions = None
    if pipeline.per_row:
        apart = Path(tempfile.mkdtemp(prefix="work-", dir=scratch))
        closed = _box(pipeline, files, python=python, environ=environ, scratch=apart, role=role, functions=True)
        functions = RowFunctionProcess(
            apart, python=python, environ=environ, name=f"per_row beside {role}", model=role, scratch=apart,
            cancelled=cancelled, box=closed, signature=signature(),
        )  # fmt: skip
    return ProcessModel(
        files, python=python, environ=environ, name=role, scratch=folder, cancelled=cancelled, box=box,
        functions=functions,
    )  # fmt: skip


def _box(
    pipeline: Pipeline,
    files: Path,
    *,
    python: str,
    environ: Mapping[str, str],
    scratch: Path,
    role: str,
    functions: bool = False,
) -> Box | None:
    """The box of a model, closed to the data that it is judged on; or of the functions that measure it, closed to the model.

    Raises UsageError, ModelFault.
    """
    forbidden = _data_files(pipeline)
    isolation, hosts = pipeline.isolation, [MODEL_HOST]
    truth = [path for metric in pipeline.per_row.values() for path in metric.read]
    if functions:
        forbidden.append(files)
        hosts += [metric.file(pipeline.root).path for metric in pipeline.per_row.values()]
        isolation = isolation.model_copy(update={"read": (*isolation.read, *truth)})
    else:
        forbidden += [pipeline.root / path for path in truth]
    try:
        return make_box(
            isolation, python=environment.interpreter(python), environ=environment.model_environment(environ),
            folder=scratch if functions else files, scratch=scratch, root=pipeline.root, forbidden=forbidden, hosts=hosts,
            editable=pipeline.environment != "declared",
        )  # fmt: skip
    except OSError as error:
        raise ModelFault(
            f"{role} has no python to answer under: {python} does not start ({error.strerror or error})",
            remedy="name one that does with environment: {python: PATH}",
        ) from error


def program_runner(
    pipeline: Pipeline, environ: Mapping[str, str], scratch: Path, cancelled: Callable[[], bool] | None
) -> ProgramRunner:
    """What runs programs of the project: closed to the data and to what `per_row` compares with, unless handed over."""

    def default_python() -> str:
        named = pipeline.environment
        return (
            _named_python(pipeline, named) if isinstance(named, PythonEnvironment) else environment.job_python(environ)
        )

    truth = [pipeline.root / path for metric in pipeline.per_row.values() for path in metric.read]
    return ProgramRunner(
        root=pipeline.root, environ=environ, scratch=scratch, isolation=pipeline.isolation,
        closed=(*_data_files(pipeline), *truth), default_python=default_python, cancelled=cancelled,
    )  # fmt: skip


def _data_files(pipeline: Pipeline) -> list[Path]:
    """Where the data of a pipeline lie, as far as their paths are fixed; of a glob at its root the files, not the project."""
    root, paths = pipeline.root, list[Path]()
    for spec in pipeline.data.values():
        fixed = root / fixed_part(local(spec.path))
        paths += root.glob(spec.path) if fixed.resolve() == root.resolve() and spec.path != "." else [fixed]
    return paths


def _named_python(pipeline: Pipeline, named: PythonEnvironment) -> str:
    return str(pipeline.resolve(named.python)) if "/" in named.python else named.python


def _server_model(
    pipeline: Pipeline, target: Server, *, role: str, cancelled: Callable[[], bool] | None, signature: Any
) -> Model:
    from lockgate.models.server.model import ServerModel
    from lockgate.models.server.pace import Pace

    client = server_client(pipeline, target, role=role, cancelled=cancelled)
    protocol = _protocol(pipeline, target, role)
    pace = None if target.rate is None else Pace(target.rate, cancelled=client.cancelled)
    return ServerModel(client, protocol, signature=signature, ready_s=target.ready.total_seconds(), pace=pace)


def server_address(pipeline: Pipeline, target: Server, role: str) -> str:
    """Where the rows of a role are posted, without user and password. Raises UsageError where the target names no server."""
    client = server_client(pipeline, target, role=role, cancelled=None)
    return client.url(_protocol(pipeline, target, role).path)


def server_client(pipeline: Pipeline, target: Server, *, role: str, cancelled: Callable[[], bool] | None) -> HttpClient:
    """A client of the role's server. Raises UsageError where the target names none."""
    from lockgate.models.server.client import HttpClient

    address = target.url(role)
    if address is None:
        raise UsageError(f"target does not say where the {role} answers", remedy=f"write {role}: URL into target")
    return HttpClient(
        address,
        name=role,
        headers={name: value.get_secret_value() for name, value in target.headers.items()},
        timeout_s=target.timeout.total_seconds(),
        ca_file=None if target.ca is None else str(pipeline.resolve(target.ca)),
        cancelled=cancelled,
    )


def _protocol(pipeline: Pipeline, target: Server, role: str) -> ServerProtocol:
    """The protocol of a server, for the model and version that it serves in this role, at the paths that its target names."""
    protocol = _own_protocol(pipeline, target, role)
    protocol.path = target.path or protocol.path
    protocol.health = target.health or protocol.health
    return protocol


def _own_protocol(pipeline: Pipeline, target: Server, role: str) -> ServerProtocol:
    name = pipeline.model if role == "candidate" else pipeline.production_model
    model, version = target.named("model", role) or name, target.named("version", role)
    if target.protocol == "v2":
        from lockgate.models.server.protocol_v2 import V2Protocol

        return V2Protocol(model, version=version, tensor=target.tensor)
    if target.protocol == "v1":
        from lockgate.models.server.protocol_v1 import V1Protocol

        return V1Protocol(model, version=version)
    if target.protocol == "mlflow":
        from lockgate.models.server.protocol_mlflow import MlflowProtocol

        return MlflowProtocol()
    from lockgate.models.server.protocol_json import JsonProtocol

    return JsonProtocol(body=target.body, output=target.output, one_row=target.one_row)


def interpreter_of(
    pipeline: Pipeline,
    files: Path,
    *,
    role: str,
    environ: Mapping[str, str],
    cancelled: Callable[[], bool] | None,
) -> tuple[str, Mapping[str, str]]:
    """(the pipeline's python, the environment variables it starts with)."""
    if pipeline.environment == "declared":
        from lockgate.models.process.declared_environment import declared_python, without_job_packages

        cache = own_folder(pipeline.root, "environments")
        python = declared_python(files, cache=cache, environ=environ, name=role, cancelled=cancelled)
        return python, without_job_packages(environ)
    if isinstance(pipeline.environment, PythonEnvironment):
        return _named_python(pipeline, pipeline.environment), environ
    return environment.job_python(environ), environ


def loading_guard(
    pipeline: Pipeline, case: Callable[[], Case], began: datetime | None
) -> Callable[[], LoadingObstacle | None]:
    """Why nothing of the case's candidate may be loaded, None where it may. began: the moment of the run, by which waivers hold."""

    def guard() -> LoadingObstacle | None:
        day = (began or datetime.now(UTC)).date()
        objections = (_objection(gate, pipeline, case(), day) for gate in pipeline.gates if _guards(gate))
        return next((each for each in objections if each is not None), None)

    return guard


def unguarded(pipeline: Pipeline) -> Pipeline:
    """The pipeline for a version that holds Production: it is loaded and answers there, whatever a new gate says of its files."""
    return pipeline.model_copy(update={"gates": tuple(gate for gate in pipeline.gates if not gate.guards_loading)})


def _guards(gate: Gate) -> bool:
    return gate.guards_loading and gate.severity != "warn"


def _objection(gate: Gate, pipeline: Pipeline, case: Case, day: date) -> LoadingObstacle | None:
    if pipeline.waiver(gate.title, day) is not None:
        return None
    try:
        findings = [each for each in gate.check(case) if isinstance(each, Finding)]
    except Exception as error:  # in its own place the gate says what broke; nothing is loaded meanwhile
        message = error.message if isinstance(error, LockgateError) else type(error).__name__
        return LoadingObstacle(gate.title, f"it ended in error: {message}")
    counting = [each for each in findings if pipeline.waiver(each.id, day) is None]
    stopping = next((each for each in counting if each.verdict is not Verdict.PASS), None)
    if stopping is None and findings:
        return None
    reason = "it finds nothing" if stopping is None else stopping.reason
    return LoadingObstacle(gate.title, cut(reason, _LONGEST))
