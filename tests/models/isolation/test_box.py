"""What a box is made of: the rules of a pipeline, and the folders of an interpreter, read and not executed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lockgate.errors import UsageError
from lockgate.models.isolation import box as boxes
from lockgate.models.isolation.box import Kernel, make_box
from lockgate.models.isolation.interpreter_paths import interpreter_behind, interpreter_paths
from lockgate.models.isolation.isolation_spec import Isolation

BARE = Kernel(landlock=4, namespace=False, seccomp=True)


def make(tmp_path: Path, isolation: Isolation, **more: object) -> boxes.Box | None:
    return make_box(
        isolation, python=sys.executable, environ={}, folder=tmp_path, scratch=tmp_path, root=tmp_path, **more
    )  # type: ignore[arg-type]


def test_editable_installs_are_read_without_running_them(tmp_path: Path) -> None:
    """Both kinds: a line of a path, and a finder with a mapping; what would be executed is not."""
    site = tmp_path / "site"
    for name in ("site", "first/src", "second/package"):
        (tmp_path / name).mkdir(parents=True)
    canary = tmp_path / "canary"
    (site / "first.pth").write_text(f"# a comment\n{tmp_path / 'first/src'}\nimport os; open({str(canary)!r}, 'w')\n")
    (site / "__editable___second_finder.py").write_text(
        f"open({str(canary)!r}, 'w')\nMAPPING: dict[str, str] = {{'package': {str(tmp_path / 'second/package')!r}}}\n"
    )
    (site / "__editable___broken_finder.py").write_text("MAPPING = {(((")

    paths = interpreter_paths(sys.executable, {"PYTHONPATH": str(site)})

    assert {str(site), str(tmp_path / "first/src"), str(tmp_path / "second/package")} <= set(paths)
    assert not canary.exists()


def test_packages_that_a_model_declares_open_no_other_folders(tmp_path: Path) -> None:
    """A line of a path in one of them could name the data."""
    site = tmp_path / "site"
    for name in ("site", "data"):
        (tmp_path / name).mkdir()
    (site / "hostile.pth").write_text(f"{tmp_path / 'data'}\n")

    paths = interpreter_paths(sys.executable, {"PYTHONPATH": str(site)}, editable=False)

    assert str(site) in paths
    assert str(tmp_path / "data") not in paths


def test_an_environment_below_what_is_closed_is_open_and_nothing_beside_it(tmp_path: Path) -> None:
    """Those that models declare are built in `.gate`; what `read:` names there stays closed."""
    if not boxes.kernel().landlock:
        pytest.skip("this kernel has no Landlock")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".gate/environments/venv"], check=True)
    box = make_box(
        Isolation(read=(".gate/runs", "lookup")), python=str(tmp_path / ".gate/environments/venv/bin/python"), environ={},
        folder=tmp_path / "model", scratch=tmp_path / "scratch", root=tmp_path,
    )  # fmt: skip
    assert box is not None
    below = {path for _, path in box.paths if path.startswith(str(tmp_path))}

    assert str(tmp_path / ".gate/environments/venv") in below
    assert str(tmp_path / "lookup") in below
    assert not {str(tmp_path / ".gate"), str(tmp_path / ".gate/runs")} & below


def test_an_environment_of_its_own_is_read_with_the_interpreter_below_it(tmp_path: Path) -> None:
    """A venv's python is a link, and its libraries are elsewhere."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)

    paths = interpreter_paths(str(tmp_path / "venv/bin/python"), {})

    assert str(tmp_path / "venv") in paths
    assert os.path.realpath(sys.base_prefix) in paths


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="this system does not say what it loaded")
def test_a_library_that_the_interpreter_is_linked_with_is_read_wherever_it_lies(tmp_path: Path) -> None:
    """Else the loader takes another of the same name, and what was installed is not imported."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in ("bin", "lib"):
        (tmp_path / folder).mkdir()
    python = shutil.copy(os.path.realpath(sys.executable), tmp_path / "bin" / version)
    (tmp_path / "lib" / version).symlink_to(Path(os.__file__).parent)
    maps = subprocess.run(
        [python, "-S", "-c", "print(open('/proc/self/maps').read())"], capture_output=True, check=True
    )
    linked = {line.split()[-1] for line in maps.stdout.decode().splitlines() if ".so" in line}

    assert linked <= set(interpreter_paths(python, {}))


@pytest.mark.parametrize("first", ["#!/usr/bin/env bash", "#!/bin/sh", "#! /usr/bin/env -S bash -e"])
def test_a_shim_is_asked_which_interpreter_it_starts(tmp_path: Path, first: str) -> None:
    """In the box it could not look for one; other programs stay as they are."""
    shim = tmp_path / "python"
    shim.write_text(f'{first}\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)

    assert Path(interpreter_behind(str(shim), {"PATH": "/usr/bin:/bin"})).samefile(sys.executable)
    assert interpreter_behind("python", {"PATH": str(tmp_path) + ":/usr/bin:/bin"}) != "python"
    assert interpreter_behind(sys.executable, {"PATH": "/usr/bin"}) == sys.executable
    assert interpreter_behind("no-such-python", {"PATH": "/usr/bin"}) == "no-such-python"


def test_an_interpreter_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    """With its own last words."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no libpython >&2\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(OSError, match="no libpython"):
        interpreter_paths(str(broken), {})


def test_a_machine_without_a_box_is_told_where_one_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Best effort goes on without, and off asks for nothing."""
    monkeypatch.setattr(boxes, "kernel", lambda: Kernel(0, namespace=False, seccomp=False))

    with pytest.raises(UsageError, match="Landlock") as error:
        make(tmp_path, Isolation(require="box"))
    assert "best_effort" in str(error.value.remedy)
    assert make(tmp_path, Isolation()) is None


def test_off_is_no_box(tmp_path: Path) -> None:
    """Wherever it runs."""
    assert make(tmp_path, Isolation(require="off")) is None


def test_the_box_says_what_it_leaves_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel, and by what the pipeline opens."""
    monkeypatch.setattr(boxes, "kernel", lambda: BARE)
    plain, reaching = make(tmp_path, Isolation()), make(tmp_path, Isolation(connect=("features.example.org:443",)))
    monkeypatch.setattr(boxes, "kernel", lambda: Kernel(1, namespace=False, seccomp=True))
    old = make(tmp_path, Isolation())

    assert plain is not None and reaching is not None and old is not None  # noqa: PT018
    assert plain.facts == {
        "landlock": 4,
        "network": "tcp",
        "open": [
            "sockets of the file system",
            "files in /dev/shm, which stay behind",
            "modes, owners, times and attributes of files of the same user",
            "signals to processes of the same user",
        ],
    }
    without_a_filter = replace(plain, kernel=replace(BARE, seccomp=False)).facts["open"]
    assert {"UDP and raw sockets", "scheduling and limits of processes of the same user"} <= set(without_a_filter)
    assert reaching.connect == (443,)
    assert "UDP, and other hosts on the ports of `connect`" in reaching.facts["open"]
    assert "network" in old.facts["open"]


@pytest.mark.parametrize(
    "address", ["example.org", "example.org:0", "http://example.org:80", "a b:1", ":443", "x:99999"]
)
def test_an_address_is_a_host_with_its_port(address: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="no host with its port"):
        Isolation(connect=(address,))


def test_memory_is_a_size(tmp_path: Path) -> None:
    """As people write it."""
    assert Isolation.model_validate({"memory": "8GB"}).memory == 8 * 10**9
