"""What a process in the box cannot do, and that nothing which it starts outlives it."""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lockgate.models.child_process import ChildProcess
from lockgate.models.isolation import box as boxes
from lockgate.models.isolation.box import Box, kernel, make_box
from lockgate.models.isolation.isolation_spec import Isolation

pytestmark = pytest.mark.skipif(not kernel().landlock, reason="this kernel has no Landlock")

ATTEMPT = """
import os, socket, sys
def attempt(name, action):
    try:
        action()
        print(name, "works")
    except OSError as error:
        print(name, type(error).__name__)
"""
PATIENCE_S = 20.0


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box around a model in a project that holds data, keys and history."""
    for name in ("project/.git", "project/.gate", "project/data", "model", "scratch"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "project/.git/config",
        "project/.gate/state",
        "project/data/holdout.csv",
        "project/module.py",
        "model/MLmodel",
    ):
        (tmp_path / name).write_text("content\n")
    box = make_box(
        Isolation(), python=sys.executable, environ=dict(os.environ, PYTHONPATH=str(tmp_path / "project")),
        folder=tmp_path / "model", scratch=tmp_path / "scratch", root=tmp_path / "project",
        forbidden=[tmp_path / "project/data/holdout.csv"],
    )  # fmt: skip
    assert box is not None
    return box


def run(box: Box, code: str, *, cwd: Path) -> str:
    """What python code prints that runs in the box."""
    child = ChildProcess([sys.executable, "-S", "-c", ATTEMPT + code], env=dict(os.environ), cwd=cwd, box=box)
    try:
        while child.returncode is None:
            time.sleep(0.01)
        child.wait()
        return child.stderr
    finally:
        child.end()


def test_a_model_reads_what_it_needs_and_nothing_else(box: Box, tmp_path: Path) -> None:
    """Data, history, runs, keys and other folders are closed, though an import path leads to the project."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111
    (tmp_path / "elsewhere").write_text("content\n")
    paths = ["model/MLmodel", "project/module.py", "project/data/holdout.csv", "project/.git/config", "project/.gate/state",
             "elsewhere"]  # fmt: skip
    code = "".join(f"attempt({name!r}, lambda: open({str(tmp_path / name)!r}).read())\n" for name in paths)
    code += f"attempt('own', lambda: open({str(tmp_path / 'scratch/x')!r}, 'w'))\n"
    code += f"attempt('model', lambda: open({str(tmp_path / 'model/MLmodel')!r}, 'a'))\n"
    code += f"attempt('home', lambda: os.listdir({str(home / '.ssh')!r}))\n"
    code += "attempt('shadow', lambda: open('/etc/shadow').read())\n"
    answers = dict(line.split() for line in run(box, code, cwd=tmp_path / "scratch").splitlines())

    assert answers == {
        "model/MLmodel": "works", "project/module.py": "works", "project/data/holdout.csv": "PermissionError",
        "project/.git/config": "PermissionError", "project/.gate/state": "PermissionError", "elsewhere": "PermissionError",
        "own": "works", "model": answers["model"], "home": answers["home"], "shadow": "PermissionError",
    }  # fmt: skip
    assert answers["home"] in ("PermissionError", "FileNotFoundError")


@pytest.mark.skipif(not kernel().namespace, reason="this user may not make namespaces")
def test_a_model_changes_no_modes_or_times_but_its_own(box: Box, tmp_path: Path) -> None:
    """By path, by an open descriptor, by a namespace of its own; devices and its folder work, by a relative path too."""
    code = f"""
import ctypes, struct
data, own, libc = {str(tmp_path / "project/module.py")!r}, {str(tmp_path / "scratch/own")!r}, ctypes.CDLL(None)
attempt("mode", lambda: os.chmod(data, 0o644))
attempt("owner", lambda: os.chown(data, -1, os.getgid()))
attempt("times", lambda: os.utime(data))
attempt("attribute", lambda: os.setxattr(data, "user.a", b""))
attempt("opened", lambda: os.fchmod(os.open(data, 0), 0o644))
libc.unshare(0x10020000)
libc.mount(None, b"/", None, 0x1020, None)
attempt("namespace", lambda: os.utime(data))
open("own", "w").close()
attempt("own", lambda: (os.chmod(own, 0o600), os.utime("own"), os.replace("own", "other")))
attempt("device", lambda: open("/dev/null", "w").write("x"))
attempt("shared memory", lambda: open("/dev/shm/x", "w").close())
"""
    answers = dict(line.rsplit(" ", 1) for line in run(box, code, cwd=tmp_path / "scratch").splitlines())

    assert answers == {
        **dict.fromkeys(("mode", "owner", "times", "attribute", "opened", "namespace"), "OSError"),
        **dict.fromkeys(("own", "device", "shared memory"), "works"),
    }


def test_a_model_reaches_no_other_process(box: Box, tmp_path: Path) -> None:
    """Not its parent's variables, memory or life; its own `/proc` is open, for its children too."""
    code = f"""
parent = {os.getpid()}
attempt("environ", lambda: open(f"/proc/{{parent}}/environ", "rb").read())
attempt("memory", lambda: open(f"/proc/{{parent}}/mem", "rb"))
attempt("signal", lambda: os.kill(parent, 0))
attempt("launcher", lambda: os.kill(os.getppid(), 0))
attempt("itself", lambda: open("/proc/self/status").read())
attempt("child", lambda: os.popen("cat /proc/self/status").read().index("Name"))
"""
    answers = dict(line.split() for line in run(box, code, cwd=tmp_path).splitlines())

    assert answers.pop("environ") == answers.pop("memory") == "PermissionError"
    if kernel().landlock >= 6:
        assert answers.pop("signal") == answers.pop("launcher") == "PermissionError"
    assert answers["itself"] == answers["child"] == "works"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers below are those of x86_64")
def test_a_model_sets_nothing_of_another_process(box: Box, tmp_path: Path) -> None:
    """Scheduling, processors, priorities, limits, memory, of gate as of the champion; its own it may."""
    code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
calls = {{"sched_setparam": 142, "sched_setscheduler": 144, "sched_setattr": 314, "prlimit64": 302,
         "migrate_pages": 256, "move_pages": 279, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "ptrace": 101,
         "perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "pidfd_getfd": 438, "process_madvise": 440,
         "mount_setattr": 442}}
by_kind = {{"setpriority": (141, 0), "setpriority of a group": (141, 1), "setpriority of a user": (141, 2), "ioprio_set": (251, 1),
           "ioprio_set of a user": (251, 3)}}
for name, call in {{**{{name: (call, {os.getpid()}) for name, call in calls.items()}},
                   **{{name: (*call, {os.getpid()}) for name, call in by_kind.items()}},
                   "setpriority of its own group": (141, 1, 0), "ioprio_set of its own user": (251, 3, 0)}}.items():
    if (libc.syscall(*call, 0, 0, 0), ctypes.get_errno()) != (-1, {errno.EPERM}):
        print(name, "is not refused")
import resource
affinity = os.sched_getaffinity({os.getpid()})
print("pinned", libc.syscall(203, {os.getpid()}, 8, b"\\x01" + bytes(7)), os.sched_getaffinity({os.getpid()}) == affinity)
attempt("affinity", lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))
attempt("scheduling", lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
attempt("nice", lambda: os.nice(1))
attempt("limits", lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
attempt("input", lambda: libc.syscall(251, 1, 0, 0x4007) == 0 or os.open("", 0))
"""
    answers = run(box, code, cwd=tmp_path).splitlines()

    assert answers == ["pinned 0 True"] + [
        f"{name} works" for name in ("affinity", "scheduling", "nice", "limits", "input")
    ]


@pytest.mark.parametrize("network", ["namespace", "tcp"])
def test_a_model_connects_to_nobody(box: Box, network: str, tmp_path: Path) -> None:
    """Neither over TCP nor UDP nor below them, with a namespace of its own or without."""
    if network == "namespace" and not kernel().namespace:
        pytest.skip("this user may not make a network namespace")
    import socket
    from dataclasses import replace

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"""
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {port}), 1))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("pair", lambda: socket.socketpair())
"""
        answers = dict(line.split() for line in run(replace(box, network=network), code, cwd=tmp_path).splitlines())  # type: ignore[arg-type]

    assert answers.pop("pair") == "works"
    assert "works" not in answers.values()
    assert set(answers) == {"tcp", "udp", "raw", "packet"}


def test_a_named_port_can_be_reached_and_no_other(box: Box, tmp_path: Path) -> None:
    """As a feature store's, or a server's own."""
    import socket
    from dataclasses import replace

    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [listener.getsockname()[1] for listener in (named, other)]
        code = "".join(
            f"attempt({name!r}, lambda: socket.create_connection(('127.0.0.1', {port}), 1))\n"
            for name, port in zip(("named", "other"), ports, strict=True)
        )
        answers = run(replace(box, network="tcp", connect=(ports[0],)), code, cwd=tmp_path)

    assert answers.splitlines() == ["named works", "other PermissionError"]


LEAVES = """
import ctypes, os, runpy, sys, time
line, lifeline, host, until = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
runpy.run_path(host)["_die_with_parent"](lifeline)
(reading, writing), libc = os.pipe(), ctypes.CDLL(None)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writing, b"x")
        DAEMON
    os._exit(0)
os.read(reading, 1)
os.write(line, b"x")
"""
DAEMONS = {
    "a daemon that holds the lifeline": """
        held = os.open(f"/proc/self/fd/{lifeline}", os.O_WRONLY)
        os.set_inheritable(held, True)
        os.execve("/bin/sleep", ["sleep", "60"], {})
""".strip(),
    "a daemon": 'os.execve("/bin/sleep", ["sleep", "60"], {})',
    "a race of forks": """
        libc.fork(), libc.fork(), libc.fork()
        while time.monotonic() < until:
            libc.setsid()
            if libc.fork():
                libc._exit(0)
""".strip(),
}
GATE = """
import sys, time
from pathlib import Path
from lockgate.models.child_process import MODEL_HOST, ChildProcess
from lockgate.models.isolation import box as boxes
from lockgate.models.isolation.isolation_spec import Isolation
folder, line, code, until, boxes.LAUNCHER = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5], Path(sys.argv[5])
box = boxes.make_box(
    Isolation(), python=sys.executable, environ={}, folder=folder, scratch=folder, root=folder, hosts=[MODEL_HOST]
)
child = ChildProcess(
    [sys.executable, "-S", "-c", code], env={}, cwd=folder, inherited=(line,), after=[str(MODEL_HOST), until], box=box
)
"""


def all_ended(line: int) -> bool:
    """Whether everybody lets go of the other end of a pipe."""
    while select.select([line], [], [], PATIENCE_S)[0]:
        if not os.read(line, 1):
            return True
    return False


@pytest.fixture(params=["this kernel", "a kernel that does not scope signals"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The launcher, also as it is where Landlock is older."""
    if request.param == "this kernel":
        return boxes.LAUNCHER
    launcher = shutil.copytree(boxes.LAUNCHER.parent, tmp_path / "older") / "launcher.py"
    launcher.write_text(launcher.read_text().replace("return max(0, int(", "return min(5, int("))
    return launcher


@pytest.mark.parametrize("left", DAEMONS)
@pytest.mark.parametrize("killed", [False, True], ids=["the model ends", "the gate is killed"])
def test_nothing_outlives_a_model_or_the_gate(launcher: Path, left: str, killed: bool, tmp_path: Path) -> None:
    """Forked twice, in a session of its own, with an empty environment; or forked anew faster than anybody can look."""
    if left == "a race of forks" and (launcher != boxes.LAUNCHER or kernel().landlock < 6):
        pytest.skip("a kernel that does not scope signals cannot stop it")
    reading, writing = os.pipe()
    code = LEAVES.replace("DAEMON", DAEMONS[left]) + ("time.sleep(60)" if killed else "")
    gate = subprocess.Popen(
        [sys.executable, "-c", GATE + ("time.sleep(60)" if killed else "child._process.wait()"),
         str(tmp_path), str(writing), code, str(time.monotonic() + 1.5 * PATIENCE_S), str(launcher)],
        pass_fds=(writing,),
    )  # fmt: skip
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"x"
        if killed:
            gate.kill()
        assert all_ended(reading)
    finally:
        os.close(reading)
        gate.kill()
        gate.wait()


@pytest.mark.parametrize(("code", "expected"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 11)", -signal.SIGSEGV)])
def test_the_launcher_ends_as_the_command_does(box: Box, code: str, expected: int, tmp_path: Path) -> None:
    """By its exit code, or by its signal."""
    child = ChildProcess([sys.executable, "-S", "-c", ATTEMPT + code], env=dict(os.environ), cwd=tmp_path, box=box)

    assert child._process.wait(20) == expected
    child.end()


def test_a_model_that_holds_more_memory_than_it_may_is_killed(box: Box, tmp_path: Path) -> None:
    """Resident memory, with that of its children."""
    from dataclasses import replace

    code = "import time\nmemory = [bytearray(b'x' * 2**20) for _ in range(200)]\ntime.sleep(60)"
    child = ChildProcess([sys.executable, "-S", "-c", code], env={}, cwd=tmp_path, box=replace(box, memory=10**8))

    assert child._process.wait(20) == -signal.SIGKILL
    assert "isolation.memory is 100,000,000" in child.stderr
    child.end()


def test_a_model_that_fills_the_disk_is_killed(box: Box, tmp_path: Path) -> None:
    """By what lies in its scratch folder; nowhere else can it write."""
    from dataclasses import replace

    code = "import time\nopen('full', 'wb').write(bytes(10**7))\ntime.sleep(60)"
    child = ChildProcess(
        [sys.executable, "-S", "-c", code], env={}, cwd=tmp_path / "scratch", box=replace(box, disk=10**6)
    )

    assert child._process.wait(20) == -signal.SIGKILL
    assert "isolation.disk is 1,000,000" in child.stderr
    child.end()


@pytest.mark.skipif(not kernel().namespace, reason="this user may not make namespaces")
def test_what_outlives_processes_is_its_own_and_ends_with_it(box: Box, tmp_path: Path) -> None:
    """Files in /dev/shm, no larger than its memory, and System V objects; those of others are not there."""
    from dataclasses import replace

    theirs = Path("/dev/shm") / f"theirs-{os.getpid()}"
    theirs.touch()
    code = f"""
import ctypes
def fill():
    with open("/dev/shm/{theirs.name}-not", "wb") as file:
        file.write(bytes(10**6))
        print("written", flush=True)
        file.write(bytes(10**8))
attempt("theirs", lambda: open({str(theirs)!r}))
print("shmget", ctypes.CDLL(None).shmget({os.getpid()}, 4096, 0o1600) >= 0)
attempt("fill", fill)
"""
    try:
        answers = run(replace(box, memory=5 * 10**7), code, cwd=tmp_path).splitlines()
        left = [path.name for path in theirs.parent.glob(f"{theirs.name}*")]
    finally:
        theirs.unlink()

    assert answers[:3] == ["theirs FileNotFoundError", "shmget True", "written"]
    # A full /dev/shm and its own pages are more than it may hold: who watches its memory may see that before it goes on.
    assert answers[3:]
    assert all(line == "fill OSError" or line.startswith("the model's processes hold") for line in answers[3:])
    assert left == [theirs.name]
    assert str(os.getpid()) not in [line.split()[0] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers below are those of x86_64")
@pytest.mark.parametrize("network", ["tcp", "open"])
def test_nothing_of_the_kernel_outlives_it_where_it_has_no_namespaces(box: Box, network: Any, tmp_path: Path) -> None:
    """Keyrings of the user, System V objects, queues; elsewhere they are its own."""
    from dataclasses import replace

    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, call in {"keyctl": (250, 0, -4, 0), "add_key": (248, b"user", b"name", b"x", 1, -4), "shmget": (29, 0, 4096, 0o1600),
                   "semget": (64, 0, 1, 0o1600), "msgget": (68, 0, 0o1600), "mq_open": (240, b"name", 0o102, 0o600, 0)}.items():
    print(name, libc.syscall(*call), ctypes.get_errno())
print(sum(map(abs, range(3))))
"""
    bare = replace(box, kernel=replace(box.kernel, namespace=False), network=network)
    answers = run(bare, code, cwd=tmp_path).splitlines()

    assert answers == [
        f"{name} -1 {errno.ENOSYS}" for name in ("keyctl", "add_key", "shmget", "semget", "msgget", "mq_open")
    ] + ["3"]


@pytest.mark.skipif(not kernel().namespace, reason="this user may not make namespaces")
def test_sockets_of_the_file_system_are_hidden_but_for_those_that_are_named(box: Box, tmp_path: Path) -> None:
    """A container engine's, an agent's; its own work."""
    import socket
    from dataclasses import replace

    with socket.socket(socket.AF_UNIX) as engine, socket.socket(socket.AF_UNIX) as named:
        for name, listener in (("engine", engine), ("named", named)):
            listener.bind(str(tmp_path / name))
            listener.listen()
        code = f"""
listener = socket.socket(socket.AF_UNIX)
listener.bind("own")
listener.listen()
for path in ({str(tmp_path / "engine")!r}, {str(tmp_path / "named")!r}, "own"):
    attempt(os.path.basename(path), lambda: socket.socket(socket.AF_UNIX).connect(path))
"""
        opened = replace(box, paths=(*box.paths, ("read", str(tmp_path / "named"))))
        answers = run(opened, code, cwd=tmp_path / "scratch").splitlines()

    assert answers == ["engine ConnectionRefusedError", "named works", "own works"]


def test_a_command_that_is_not_there_is_no_box_that_broke(box: Box, tmp_path: Path) -> None:
    """The same error as without a box."""
    with pytest.raises(FileNotFoundError):
        ChildProcess(["no-such-python"], env={"PATH": "/usr/bin"}, cwd=tmp_path, box=box)


def test_threads_and_processes_work(box: Box, tmp_path: Path) -> None:
    """What numerical libraries do: threads, forks, shared memory, semaphores."""
    code = """
import concurrent.futures, multiprocessing.shared_memory, threading
threading.Thread(target=print).start()
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    print(sum(pool.map(abs, range(-3, 3))))
memory = multiprocessing.shared_memory.SharedMemory(create=True, size=10)
memory.close(); memory.unlink()
print(subprocess.run(["uname"], capture_output=True, check=True).stdout.decode())
"""
    assert run(box, "import subprocess" + code, cwd=tmp_path / "scratch").split() == ["9", os.uname().sysname]


def test_the_launcher_starts_in_milliseconds() -> None:
    """It imports nothing heavy: what it costs is a bare interpreter."""
    from lockgate.models.isolation.box import LAUNCHER

    code = f"import sys, runpy; sys.argv[1:] = ['probe']; runpy.run_path({str(LAUNCHER)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"asyncio", "typing_extensions", "numpy", "pydantic", "subprocess"} & set(loaded.split())
