"""What stands for the interpreter: it asks `DOOR` for a process, and ends as that process does.

`warm_python.py` writes it out as a program of its own, which in the box of a model can read nothing beside itself. It
imports only what is built into the interpreter: it is started a thousand times.
"""

from __future__ import annotations

import _signal as signal
import _socket as socket
import marshal
import os
import sys

DOOR = ""  # the program has the server's in its place
_ROOM_BYTES = 100_000  # as much as a server can pass on
_DESCRIPTORS = 200  # SCM_RIGHTS takes 253
_HIGH = 512  # a child's descriptors lie from here on while they are put where they belong


def ask(door: str, arguments: list[str]) -> int:
    """Wait for a process that the server forks for us; return its exit code, or end by the signal that ended it."""
    children: list[int] = []
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if not children:  # it may run, and its caller know that, before we are told its number
            early.append(number)
        for child in children:
            try:  # noqa: SIM105
                (os.killpg if number == signal.SIGTERM else os.kill)(child, number)
            except ProcessLookupError:
                pass

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, pass_on)
    descriptors = _open_descriptors()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not _forked(server, door, arguments, descriptors):
        server.close()
        os.execv(sys.executable, [sys.executable, *arguments])
    children.append(int(server.recv(64).split()[1]))
    for number in early:
        pass_on(number, None)
    for descriptor in descriptors:
        os.close(descriptor)  # who reads the other end of a pipe waits for the child alone
    ended = server.recv(64).split()
    if not ended:
        return 70  # the server is gone, and the child with it
    code = int(ended[1])
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def _forked(server: socket.socket, door: str, arguments: list[str], descriptors: list[int]) -> bool:
    """Hand over what we were started with; return whether the server forks for it."""
    if not arguments or not (
        arguments[0].endswith(".py") or arguments[0] in ("-c", "-m") or arguments[:2] == ["-I", "-m"]
    ):
        return False
    umask = os.umask(0)
    os.umask(umask)
    message = {
        "arguments": arguments,
        "environ": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "umask": umask,
        "descriptors": descriptors,
    }
    text = marshal.dumps(message)
    if len(text) > _ROOM_BYTES or len(descriptors) > _DESCRIPTORS or descriptors[-1] >= _HIGH:
        return False
    try:
        server.connect(door)
        numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in descriptors)
        server.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
        return server.recv(64, socket.MSG_PEEK).startswith(b"started")
    except OSError:
        return False


def _open_descriptors() -> list[int]:
    """In order. The one through which we look is gone by then."""
    return sorted(number for name in os.listdir("/proc/self/fd") if _is_open(number := int(name)))  # noqa: PTH208


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _arguments(argv: list[str]) -> list[str]:
    """Return those of the interpreter, also where a module's own program is called."""
    name = argv[0].rpartition("/")[2]
    return argv[1:] if name == "python" else ["-m", name, *argv[1:]]


if __name__ == "__main__":
    sys.exit(ask(DOOR, _arguments(sys.argv)))
