"""MLServer and BentoML, started for real, each from its own environment, and ended with everything they started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.build import environment

HERE = Path(__file__).parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: list[str | Path], *, cwd: Path, **environ: str) -> Iterator[None]:
    """A server in a process group of its own; what it wrote is in `server.log`."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    with (cwd / "server.log").open("wb") as log:
        server = subprocess.Popen(
            list(map(str, command)), cwd=cwd, env={**env, **environ}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            finally:
                os.killpg(server.pid, signal.SIGKILL) if server.poll() is None else None
                server.wait()


@contextmanager
def mlserver(folder: Path, models: dict[str, Path]) -> Iterator[str]:
    """One MLServer that holds several versions of `fraud`, version → files; its address."""
    http, grpc, metrics = free_port(), free_port(), free_port()
    ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **ports}))
    for version, files in models.items():
        (folder / version).mkdir()
        settings = {
            "name": "fraud",
            "implementation": "mlserver_mlflow.MLflowRuntime",
            "parameters": {"uri": str(files), "version": version},
        }
        (folder / version / "model-settings.json").write_text(json.dumps(settings))
    with running([environment("mlserver") / "bin" / "mlserver", "start", "."], cwd=folder):
        yield f"http://127.0.0.1:{http}"


@contextmanager
def bentoml(folder: Path, model: Path) -> Iterator[str]:
    """A BentoML service of a joblib file; its address."""
    port = free_port()
    folder.mkdir()
    shutil.copyfile(HERE / "bento_service.py", folder / "service.py")
    bento = environment("bentoml") / "bin" / "python"
    command = [bento, "-m", "bentoml", "serve", "service:Fraud", "--host", "127.0.0.1", "--port", str(port)]
    more = {"BENTO_MODEL": str(model), "BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(folder / "home")}
    with running(command, cwd=folder, **more):
        yield f"http://127.0.0.1:{port}"
