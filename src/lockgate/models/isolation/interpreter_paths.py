"""The folders that an interpreter imports from, found without running any code of its environment."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

_SHELL = re.compile(rb"#!\s*(\S*/)?(env\s+(-S\s+)?)?(ba|da|k|z|a)?sh\b")
_PROBE = """
import sys, json
try:
    with open("/proc/self/maps") as file:
        loaded = [line.split(None, 5)[5].strip() for line in file if "/" in line]
except OSError:
    loaded = []
own = [path for path in dict.fromkeys(sys.path + loaded) if path]
print(json.dumps([sys.executable, sys.base_prefix, sys.base_exec_prefix, "%d.%d" % sys.version_info[:2], own]))
"""


def interpreter_paths(python: str, environ: Mapping[str, str], *, editable: bool = True) -> tuple[str, ...]:
    """Return what `python` must read to start and to import: prefixes, libraries that it is linked with elsewhere,
    `PYTHONPATH`, user site, editable installs.

    editable: false for an environment that a model declares: its packages, which are the model's, name no other folders.

    Only the bare interpreter is run (`-I -S`). Lines of `.pth` files are read as paths and not executed, and the finders of
    editable installs are read as text, because code in an environment that a model declares is the model's.
    Raises OSError where the interpreter does not start.
    """
    executable, base, base_exec, version, own = _bare(python, environ.get("PATH", os.defpath))
    prefixes = [Path(base), Path(base_exec), *map(Path, own)]
    venv = next((folder for folder in (Path(executable).parent.parent,) if (folder / "pyvenv.cfg").is_file()), None)
    prefixes += [Path(executable).parent if venv is None else venv]
    sites = [
        folder for prefix in (*prefixes, Path("/usr/local")) for folder in _site_packages(prefix, f"python{version}")
    ]
    if venv is None and (home := environ.get("HOME")):
        sites += [Path(home) / ".local" / "lib" / f"python{version}" / "site-packages"]
    extra = [Path(entry) for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    libraries = [Path(entry) for entry in environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    named = [path for site in (*sites, *extra) for path in _named_by(site)] if editable else []
    program = shutil.which(python, path=environ.get("PATH", os.defpath)) or python
    paths = (Path(program), *prefixes, *sites, *extra, *libraries, *named)
    return tuple(dict.fromkeys(os.path.realpath(path) for path in paths if path.exists() and path != Path("/")))


def interpreter_behind(python: str, environ: Mapping[str, str]) -> str:
    """Return the interpreter that a shell script such as a shim of pyenv or asdf starts; any other program as it is.

    In a box the script could not read what it chooses by. Raises OSError where the interpreter does not start.
    """
    path = environ.get("PATH", os.defpath)
    program = shutil.which(python, path=path)
    if program is None:
        return python
    with Path(program).open("rb") as file:
        first = file.readline(200)
    return _bare(program, path)[0] if _SHELL.match(first) else python


@lru_cache(maxsize=64)
def _bare(python: str, path: str) -> tuple[str, str, str, str, tuple[str, ...]]:
    answer = subprocess.run(
        [python, "-I", "-S", "-c", _PROBE], env={"PATH": path}, capture_output=True, check=False, timeout=60
    )
    try:
        executable, base, base_exec, version, own = json.loads(answer.stdout)
    except ValueError:
        raise OSError(f"{python} does not start: {answer.stderr.decode(errors='replace')[-500:]}") from None
    return executable, base, base_exec, version, tuple(own)


def _site_packages(prefix: Path, version: str) -> Iterator[Path]:
    for library in ("lib", "lib64", "local/lib"):
        for packages in ("site-packages", "dist-packages"):
            folder = prefix / library / version / packages
            if folder.is_dir():
                yield folder


def _named_by(site: Path) -> Iterator[Path]:
    """Folders and files outside of a site folder that its `.pth` files and editable finders name."""
    for file in sorted(site.glob("*.pth")):
        for line in _text(file).splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield site / line.strip()
    for file in sorted(site.glob("__editable__*finder.py")):
        yield from _mapped_by(_text(file))


def _mapped_by(finder: str) -> Iterator[Path]:
    """The values of `MAPPING` and `NAMESPACES` in a finder as setuptools writes it."""
    try:
        tree = ast.parse(finder)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and target.id in ("MAPPING", "NAMESPACES"):
            value = getattr(node, "value", None)
            for leaf in ast.walk(value) if value is not None else ():
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str) and os.sep in leaf.value:
                    path = Path(leaf.value)
                    yield path if path.exists() else path.with_suffix(".py")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.stat().st_size < 2**20 else ""
    except OSError:
        return ""
