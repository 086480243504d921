"""A python whose processes begin with libraries imported: each is forked from one that imported them once.

Importing MLflow takes more processor time than what most tests do with it. Where the start of a process is not the
subject of a test, `WarmPython.path` stands for the interpreter: a program whose process, with its arguments,
environment, folder and descriptors, ends as that of a real one does, by the same exit code or signal. Signals are passed
on; whoever kills it ends what was forked for it; for anything but a script, a module or a text it is the real one.
What it starts by `sys.executable` is the real one, or the program that the variable OWN names.

The program asks over a Unix socket, with its descriptors beside the message, and gets `started PID` or `no`, then
`ended CODE`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

MODELS = (
    "mlflow.pyfunc",
    "mlflow.pyfunc.scoring_server",
    "mlflow.sklearn",
    "pandas",
    "pyarrow.pandas_compat",
    "skops.io",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "uvicorn",
    "mlflow.utils.requirements_utils:_init_packages_to_modules_map",  # what each installed package is imported as
)
GATE = (
    "lockgate.*",
    "alembic.command",
    "uvicorn",  # before MLflow's server, which asks whether it is there
    "mlflow.server.fastapi_app",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.tracking",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
)
OWN = "LOCKGATE_WARM_EXECUTABLE"
_ROOM = "LOCKGATE_WARM_ROOM"  # in the server's environment, which its children overwrite with their own
_ROOM_BYTES = 100_000
_MESSAGE_BYTES = 150_000  # less than what a socket takes
_DESCRIPTORS = 200
_HIGH = 512


class WarmPython:
    """A server that imports `modules`, and the program that asks it. folder: for both, of one's own.

    `module:function` is called besides, `package.*` is all that is in it. The server ends with the process `owner`.
    Where the system cannot do this, `path` is the real interpreter.
    """

    def __init__(self, folder: Any, *modules: str, owner: int | None = None) -> None:
        import subprocess

        self.path = sys.executable
        door, program = Path(folder) / "door", Path(folder) / "python"
        too_long = len(str(door)) > 99 or len(sys.executable) > 120  # for a socket's address, and for a first line
        if not hasattr(os, "pidfd_open") or too_long or " " in sys.executable:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, (Path(folder) / "log").open("wb") as log:
            listener.bind(f"{door}-")
            Path(f"{door}-").rename(door)  # the box of a model hides sockets under the names that they were bound to
            listener.listen(16)
            lifeline = os.pidfd_open(owner or os.getpid())
            subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno()), str(lifeline), *modules],
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", _ROOM: "." * _ROOM_BYTES},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno(), lifeline],
                start_new_session=True,
            )
            os.close(lifeline)
        client = Path(__file__).with_name("warm_client.py").read_text()
        program.write_text(f"#!{sys.executable} -IS\n" + client.replace('DOOR = ""', f"DOOR = {str(door)!r}", 1))
        program.chmod(0o755)
        (Path(folder) / "uvicorn").symlink_to(
            program
        )  # MLflow calls it by name; beside the interpreter it is looked for
        self.path = str(program)


class Server:
    """Forks for everyone who asks."""

    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        import select

        self.listener, self.lifeline = listener, lifeline
        self.imported_under = os.environ.copy()
        self.clients: dict[int, tuple[socket.socket, int, int]] = {}  # under a client's socket, and its child's pidfd
        self.poll = select.poll()
        for descriptor in (lifeline, listener.fileno()):
            self.poll.register(descriptor, select.POLLIN)

    def serve(self) -> dict[str, Any] | None:
        """Serve until our owner ends: None. In a child: return the message that it was forked for."""
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor == self.lifeline:
                    for _, child, _ in self.clients.values():
                        _kill(child)
                    return None
                if descriptor == self.listener.fileno():
                    client, _ = self.listener.accept()
                    message = self._fork(client)
                    if message is not None:
                        return message
                elif descriptor in self.clients:
                    self._end(descriptor)

    def _fork(self, client: socket.socket) -> dict[str, Any] | None:
        """Fork for a client; return its message in the child alone."""
        import marshal
        import select

        text, passed, _, _ = socket.recv_fds(client, _MESSAGE_BYTES, _DESCRIPTORS)
        message = marshal.loads(text) if text else {"environ": {}}
        child = os.fork() if text and self._imports_alike(message) else None
        if child == 0:
            for ours in {client, self.listener, *(one for one, _, _ in self.clients.values())}:
                ours.detach()  # else its number is closed once more when it is another's
            _become(message, passed)
            return message
        for descriptor in passed:
            os.close(descriptor)
        if child is None:
            with contextlib.suppress(OSError):
                client.send(b"no")
            client.close()
            return None
        pidfd = os.pidfd_open(child)
        for descriptor in (client.fileno(), pidfd):
            self.clients[descriptor] = (client, child, pidfd)
            self.poll.register(descriptor, select.POLLIN)
        with contextlib.suppress(OSError):
            client.send(b"started %d" % child)
        return None

    def _imports_alike(self, message: dict[str, Any]) -> bool:
        """Whether its libraries would be what ours are. Of an isolated interpreter no variable PYTHON… counts."""
        isolated = message["arguments"][0] == "-I"
        theirs, ours = (_read_by_imports(one, isolated=isolated) for one in (message["environ"], self.imported_under))
        return theirs == ours

    def _end(self, descriptor: int) -> None:
        """Reap a child that ended, or whose client did."""
        client, child, pidfd = self.clients[descriptor]
        if descriptor != pidfd:
            _kill(child)
        _, status = os.waitpid(child, 0)
        for watched in (client.fileno(), pidfd):
            del self.clients[watched]
            self.poll.unregister(watched)
        with contextlib.suppress(OSError):
            client.send(b"ended %d" % os.waitstatus_to_exitcode(status))
        client.close()
        os.close(pidfd)


def _become(message: dict[str, Any], passed: list[int]) -> None:
    """Take over the client's descriptors, folder and environment, in a session of our own."""
    import fcntl

    os.setsid()
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _HIGH) for descriptor in passed]
    os.closerange(0, _HIGH)
    for descriptor, number in zip(high, message["descriptors"], strict=True):
        os.dup2(descriptor, number)
    os.closerange(_HIGH, 2 * _HIGH)
    os.umask(message["umask"])
    os.chdir(message["folder"])
    _take_environment(message["environ"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all children draw the same


def _take_environment(environ: dict[str, str]) -> None:
    """Have these variables alone, in /proc too, where tests and the gate look for what they started."""
    import ctypes

    for name in list(os.environ):
        del os.environ[name]
    os.environ.update(environ)
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # proc(5): env_start and env_end, counted after the name
    block = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environ.items())
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, block, min(len(block), end - start))


def _read_by_imports(environ: Any, *, isolated: bool) -> dict[str, str]:
    """Variables that change what a library is when it is imported."""
    heeded = ("OMP_",) if isolated else ("OMP_", "PYTHON")
    return {name: value for name, value in environ.items() if name.startswith(heeded) or name.endswith("_NUM_THREADS")}


def _kill(child: int) -> None:
    """Kill a child that is not reaped yet, and its group, where it has one already."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            kill(child, signal.SIGKILL)


def use_a_registry() -> None:
    """Have the statements compiled by which a registry of MLflow is read and written, as each child would."""
    import tempfile

    from lockgate.hashing import sha256
    from lockgate.registries.mlflow.registry import MlflowRegistry

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        (folder / "files" / "evidence.json").write_text("{}")
        registry = MlflowRegistry(f"sqlite:///{folder / 'm.db'}")
        models = registry._client._stores.models
        models.create_registered_model("fraud")
        version = models.create_model_version("fraud", source=str(folder / "files")).version
        registry.set_alias("fraud", "production", str(version))
        registry.set_tags("fraud", str(version), {"a": "b"})
        registry.by_alias("fraud", "production"), registry.versions("fraud"), registry.loaded("fraud")
        ledger, evidence = registry.ledger("fraud"), registry.evidence("fraud")
        ledger.put_if_absent("a", "b")
        ledger.show_holder("a")
        ledger.keys(), ledger.holder()
        digest = sha256(b"{}")
        evidence.publish(digest, folder / "files", files=["evidence.json"], facts={"version": str(version)})
        evidence.votes_and_newest(digest, str(version)), evidence.all(), evidence.fetch(digest, folder / "fetched")


def read_pipelines() -> None:
    """Have the schemas made by which pipelines are checked; which plugins there are each child looks up itself."""
    from lockgate import plugins
    from lockgate.errors import LockgateError
    from lockgate.pipeline.loader import load

    for path in Path(__file__).parents[2].glob("gates/*.yaml"):
        with contextlib.suppress(LockgateError):  # a test says what is wrong with them
            load(path, environ=None)
    plugins.installed.cache_clear()


def import_all(modules: list[str]) -> None:
    """Import them, and leave what they made where the collector, which would copy it in each child, does not look."""
    import importlib
    import pkgutil

    for name in modules:
        module, _, function = name.removesuffix(".*").partition(":")
        loaded = importlib.import_module(module)
        if hasattr(loaded, function):  # a library of another version does without
            getattr(loaded, function)()
        if name.endswith(".*"):
            for inner in pkgutil.walk_packages(loaded.__path__, f"{module}."):
                if not inner.name.endswith("__main__"):
                    importlib.import_module(inner.name)
    keep_from_the_collector()


def keep_from_the_collector() -> None:
    import gc

    gc.collect()
    gc.freeze()


def _run(arguments: list[str]) -> None:
    """Do what the interpreter does with such arguments."""
    import runpy
    import types

    sys.executable = os.environ.pop(OWN, sys.executable)
    if "-m" in arguments[:2]:
        if arguments[0] == "-I":
            del arguments[0], sys.path[0]
        else:
            sys.path[0] = str(Path.cwd())
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), vars(main))
    else:
        sys.argv, sys.path[0] = list(arguments), str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")


def _end(code: object) -> None:
    """End as the interpreter does, but take nothing apart: that would copy every page of what was imported."""
    import atexit
    import threading

    number = code if isinstance(code, int) else int(code is not None)
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            number = 120  # as the interpreter says that what was written is lost
    os._exit(number & 0xFF)


def main() -> None:
    """Import, serve, and in each child be the program that was asked for."""
    import unsynced

    unsynced.begin()
    del sys.path[0]  # the folder of this file; children have another in its place
    import_all(sys.argv[3:])
    if "lockgate.registries.mlflow.registry" in sys.modules:
        read_pipelines()
        use_a_registry()
        keep_from_the_collector()
    sys.path.insert(0, "")
    message = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).serve()
    if message is not None:
        try:
            _run(message["arguments"])
        except SystemExit as ended:
            _end(ended.code)
        _end(None)


if __name__ == "__main__":
    main()
