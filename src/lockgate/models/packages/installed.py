"""List the packages of an interpreter's environment; no code of that environment is run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from lockgate.errors import ModelFault
from lockgate.models.packages.package_list import PackageList, read_package_list

# Run by the bare interpreter (-I -S): a `.pth` file may run code, and that of an environment is whoever's who built it.
_LIST = """
import json, os, platform, site, sys
from importlib import metadata
home = os.path.dirname(os.path.dirname(sys.executable))
prefixes = [sys.base_prefix, sys.base_exec_prefix]
try:
    with open(os.path.join(home, "pyvenv.cfg")) as file:
        settings = dict([part.strip().lower() for part in line.split("=", 1)] for line in file if "=" in line)
    system = settings.get("include-system-site-packages") == "true"
    prefixes = [home, *(prefixes if system else [])]
except OSError:
    system = True
folders = sys.argv[1:] + ([site.getusersitepackages()] if system else []) + site.getsitepackages(prefixes)
first = {}
for each in metadata.distributions(path=folders):
    first.setdefault(each.metadata["Name"], each.version)
packages = [{"name": name, "version": version} for name, version in first.items() if name and version]
print(json.dumps({"python": platform.python_version(), "packages": packages}))
"""
_LIST_S = 60.0


def installed_packages(python: str, environ: Mapping[str, str], *, source: str) -> PackageList:
    """The packages that `python` would import, those of PYTHONPATH first. source: what its environment is called.

    Raises ModelFault where it does not start.
    """
    remedy = "name an interpreter that starts, or the list of its packages"
    first = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    variables = {name: environ[name] for name in ("PATH", "HOME") if name in environ}
    try:
        ended = subprocess.run(
            [python, "-I", "-S", "-c", _LIST, *first], env=variables, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=_LIST_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelFault(f"{python} does not say which packages it has: {error}", remedy=remedy) from error
    if ended.returncode:
        stderr = ended.stderr.decode("utf-8", "replace")[-2000:]
        message = f"{python} does not say which packages it has: it ended with exit code {ended.returncode}"
        raise ModelFault(message, remedy=remedy, stderr=stderr)
    return read_package_list(ended.stdout.decode("utf-8", "replace"), source=source)
