"""Ask an interpreter which packages its environment has; nothing of a model is loaded there."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from lockgate.errors import ModelFault
from lockgate.models.environment import model_environment
from lockgate.models.packages.package_list import PackageList, read_package_list

# Like the host of a model, it may find packages by PYTHONPATH, and none in the working folder.
_LIST = """
import sys; sys.path = [each for each in sys.path if each]
import json, platform
from importlib import metadata
first = {}
for each in metadata.distributions():
    first.setdefault(each.metadata["Name"], each.version)
packages = [{"name": name, "version": version} for name, version in first.items() if name and version]
print(json.dumps({"python": platform.python_version(), "packages": packages}))
"""
_LIST_S = 60.0


def installed_packages(python: str, environ: Mapping[str, str], *, source: str) -> PackageList:
    """The packages of an interpreter's environment. source: what it is called. Raises ModelFault."""
    remedy = "name an interpreter that starts, or the list of its packages"
    try:
        ended = subprocess.run(
            [python, "-c", _LIST], env=model_environment(environ), stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=_LIST_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelFault(f"{python} does not say which packages it has: {error}", remedy=remedy) from error
    if ended.returncode:
        stderr = ended.stderr.decode("utf-8", "replace")[-2000:]
        message = f"{python} does not say which packages it has: it ended with exit code {ended.returncode}"
        raise ModelFault(message, remedy=remedy, stderr=stderr)
    text = ended.stdout.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    return read_package_list(text, source=source)
