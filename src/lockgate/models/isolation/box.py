"""The box of a model: rules for its processes, made of what it needs and without what it must not see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lockgate.errors import UsageError
from lockgate.models.isolation.interpreter_paths import interpreter_paths
from lockgate.models.isolation.isolation_spec import Isolation

LAUNCHER = Path(__file__).with_name("launcher.py")
_SYSTEM = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/etc",
    "/nix/store",
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/run/systemd/resolve",
]
_SYSTEM_SECRETS = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/kubernetes",
    "/etc/docker",
    "/etc/krb5.keytab",
    "/etc/wireguard",
    "/etc/NetworkManager",
]
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NVIDIA = [
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
    "/dev/nvidia-caps",
    "/dev/dri",
]
_PROBE_S = 20.0

Network = Literal["namespace", "tcp", "open"]


@dataclass(frozen=True)
class Kernel:
    """What this machine can hold a process to. landlock: its ABI, 0 without it. namespace: whether this user may make them."""

    landlock: int
    namespace: bool
    seccomp: bool


@dataclass(frozen=True)
class Box:
    """Rules for the processes of one model. paths: (right, path), the rights `read`, `write`, `device` and `list`."""

    paths: tuple[tuple[str, str], ...]
    _: KW_ONLY
    kernel: Kernel
    network: Network
    scratch: Path
    bind: tuple[int, ...] = ()
    connect: tuple[int, ...]
    memory: int | None
    disk: int
    hosts: tuple[str, ...]
    closed: frozenset[Path] = frozenset()

    def keeps_closed(self, path: Path) -> bool:
        """Whether a path is, is in or holds what stays closed to models: data, evidence, keys, hidden files but caches."""
        path = Path(os.path.realpath(path))
        hidden = any(part.startswith(".") and part != ".cache" for part in path.parts)
        return (
            hidden
            or not self.closed.isdisjoint([path, *path.parents])
            or any(path in each.parents for each in self.closed)
        )

    def serving(self, port: int) -> Box:
        """The same box, from which a server listens on a port of the machine's own loopback."""
        network: Network = "tcp" if self.kernel.landlock >= 4 else "open"
        return replace(self, network=network, bind=(port,), connect=(*self.connect, port))

    def reaching(self, ports: Sequence[int]) -> Box:
        """The same box, from which servers on these ports are reached, of this machine where it may reach no others."""
        if not ports:
            return self
        network: Network = "tcp" if self.kernel.landlock >= 4 else "open"
        return replace(self, network=network, connect=(*self.connect, *ports))

    def launch(self, *, rules: int, lifeline: int) -> list[str]:
        """The beginning of a command that runs what follows in the box. rules, lifeline: inherited descriptors."""
        return [sys.executable, "-I", "-S", str(LAUNCHER), str(rules), str(lifeline)]

    @property
    def rules(self) -> bytes:
        """What the launcher reads."""
        udp = self.network == "namespace" or bool(self.hosts)
        return json.dumps(
            {
                "paths": self.paths,
                "network": self.network,
                "namespaces": self.kernel.namespace,
                "udp": udp,
                "bind": self.bind,
                "connect": self.connect,
                "memory": self.memory,
                "disk": self.disk,
                "scratch": str(self.scratch.resolve()),
            }
        ).encode()

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables of a process in the box: its home and its temporary files are in its scratch folder."""
        temporary = self.scratch / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        return {**environ, "HOME": str(self.scratch), "TMPDIR": str(temporary)}

    @property
    def facts(self) -> dict[str, Any]:
        """What is in force, for the evidence; `open` names what is not."""
        abi = self.kernel.landlock
        left_open = ["sockets of the file system"]
        if self.kernel.namespace:
            left_open = ["sockets of the file system that are bound after its start, or by a relative path"]
        else:
            left_open.append("files in /dev/shm, which stay behind")
            left_open.append("modes, owners, times and attributes of files of the same user")
        if self.network == "open":
            left_open.append("network")
        elif self.network == "tcp" and not self.kernel.seccomp:
            left_open.append("UDP and raw sockets")
        elif self.network == "tcp" and self.hosts:
            left_open.append("UDP, and other hosts on the ports of `connect`")
        if abi < 6:
            left_open.append("signals to processes of the same user")
        if not self.kernel.seccomp:
            left_open.append("scheduling and limits of processes of the same user")
        return {"landlock": abi, "network": self.network, "open": left_open}


@cache
def kernel() -> Kernel:
    """Find out what this machine can hold a process to; a machine that does not say can nothing."""
    if not sys.platform.startswith("linux"):
        return Kernel(0, namespace=False, seccomp=False)
    try:
        answer = subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCHER), "probe"], capture_output=True, check=False, timeout=_PROBE_S
        )
        return Kernel(**json.loads(answer.stdout))
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired):
        return Kernel(0, namespace=False, seccomp=False)


def boxed(isolation: Isolation) -> bool:
    """Whether models are held in a box on this machine."""
    return isolation.require != "off" and kernel().landlock > 0


def make_box(
    isolation: Isolation,
    *,
    python: str,
    environ: Mapping[str, str],
    folder: Path,
    scratch: Path,
    root: Path,
    forbidden: Iterable[Path] = (),
    hosts: Sequence[Path] = (),
    editable: bool = True,
) -> Box | None:
    """The box of the model in `folder`, which works in `scratch`; None where there is none, or `isolation` says off.

    root: of the project. forbidden: files and folders that stay closed though they lie below something that is needed.
    hosts: files of ours that the process reads. editable: whether the environment may name folders outside of itself.
    Raises UsageError where a box is required and this machine has none, OSError
    where the interpreter does not start.
    """
    machine = kernel()
    if isolation.require == "box" and not machine.landlock:
        raise UsageError(
            "isolation: {require: box} needs Landlock, which this machine does not have",
            remedy="run on Linux 5.13 or newer with Landlock among its security modules, or require best_effort",
        )
    if not boxed(isolation):
        return None
    closed = {Path(os.path.realpath(path)) for path in (*forbidden, *_closed_in(root), *map(Path, _SYSTEM_SECRETS))}
    holding = {parent for path in closed for parent in path.parents}
    needed = [*_SYSTEM, *interpreter_paths(python, environ, editable=editable)]
    paths = [rule for path in needed for rule in _readable(Path(os.path.realpath(path)), closed, holding, root)]
    opened = [Path(os.path.realpath(root / path)) for path in isolation.read]
    paths += [
        rule for path in opened if closed.isdisjoint(path.parents) for rule in _readable(path, closed, holding, root)
    ]
    paths += [("read", str(path.resolve())) for path in (folder, *hosts)]
    paths += [("write", str(scratch.resolve())), ("write", "/dev/shm")]  # noqa: S108  # shared memory of its processes
    paths += [("device", path) for path in _DEVICES]
    if "nvidia" in isolation.devices:
        paths += [("device", path) for path in (*_NVIDIA, *map(str, Path("/dev").glob("nvidia[0-9]*")))]
        paths += [
            ("read", path) for path in ("/sys/bus/pci", "/sys/class/drm", "/sys/devices", "/run/nvidia-persistenced")
        ]
    return Box(
        tuple(dict.fromkeys(paths)),
        kernel=machine,
        network=_network(machine, isolation),
        scratch=scratch,
        connect=isolation.ports,
        memory=isolation.memory,
        disk=isolation.disk,
        hosts=isolation.connect,
        closed=frozenset(closed),
    )


def _network(machine: Kernel, isolation: Isolation) -> Network:
    if machine.namespace and not isolation.connect:
        return "namespace"
    return "tcp" if machine.landlock >= 4 else "open"


def _closed_in(root: Path) -> Iterator[Path]:
    """What no model reads of a project: its history, runs, stores and hidden files, wherever an import path leads."""
    yield from (root / ".git", root / ".gate", root / "mlruns", root / "mlartifacts", root / ".dvc")


def _readable(path: Path, closed: set[Path], holding: set[Path], root: Path) -> Iterator[tuple[str, str]]:
    """Rules that let `path` be read without what is closed: in a folder that holds something closed, its neighbours are named.

    A folder that holds the project is an import path of the user's own code, of which packages and modules are needed.
    """
    if path in closed:
        return
    if path not in holding or not path.is_dir():
        yield "read", str(path)
        return
    yield "list", str(path)
    holds_project = root.resolve().is_relative_to(path)
    for child in _children(path):
        if holds_project and (
            child.name.startswith(".") or (child.is_file() and child.suffix not in (".py", ".so", ".pyc"))
        ):
            continue
        if not child.is_symlink():
            yield from _readable(child, closed, holding, root)


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []
