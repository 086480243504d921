"""List the packages that are installed where a version serves, as a pipeline says where that is."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.errors import DataError, UsageError
from lockgate.foreign.files import read_regular
from lockgate.models.model_host import LIBRARIES
from lockgate.models.packages.serving_spec import Serving, ServingAnswer, ServingPython
from lockgate.models.target_spec import Server
from lockgate.pipeline.pipeline import Pipeline
from lockgate.runs.model_factory import interpreter_of, server_client

if TYPE_CHECKING:
    from lockgate.evaluation.case import Contender
    from lockgate.models.packages.package_list import PackageList


def serving_packages(
    pipeline: Pipeline,
    contender: Contender,
    serving: Serving | None,
    python: str | None = None,
    *,
    environ: Mapping[str, str],
    cancelled: Callable[[], bool] | None = None,
) -> PackageList:
    """The packages of `serving`; where that is None, of where the version answers in this run.

    python: its version there, where a list does not say it.

    Raises DataError, ModelFault, UsageError where nothing says them.
    """
    from lockgate.models.packages.installed import installed_packages
    from lockgate.models.packages.package_list import PackageList

    target, role = pipeline.target, contender.role
    if isinstance(serving, str):
        return _of_file(pipeline.resolve(serving), source=serving, python=python)
    if isinstance(serving, ServingAnswer):
        return _of_server(pipeline, serving.server, role=role, python=python, cancelled=cancelled)
    if serving is None and isinstance(target, Server):
        reported = contender.model.load().versions
        versions = {name: (version,) for name, version in reported.items() if name in LIBRARIES}
        return PackageList(f"the server of the {role}", versions, python=python, whole=False)
    if isinstance(serving, ServingPython):
        named = str(pipeline.resolve(serving.python)) if "/" in serving.python else serving.python
        return installed_packages(named, environ, source=serving.python)
    own, environ = interpreter_of(pipeline, contender.files, role=role, environ=environ, cancelled=cancelled)
    return installed_packages(own, environ, source=f"the environment in which the {role} answers")


def _of_file(path: Path, *, source: str, python: str | None) -> PackageList:
    from lockgate.models.packages.package_list import read_package_list

    try:
        data = read_regular(path)
    except OSError as error:
        raise DataError(
            f"the packages that serve are not in {source}: {error.strerror or error}",
            remedy=f"write them there: pip list --format=json > {source}, where the model serves",
        ) from error
    encoding = "utf-16" if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8"  # the first is how PowerShell writes
    return read_package_list(data.decode(encoding, "replace"), source=source, python=python)


def _of_server(
    pipeline: Pipeline, path: str, *, role: str, python: str | None, cancelled: Callable[[], bool] | None
) -> PackageList:
    from lockgate.models.packages.package_list import read_package_list

    if not isinstance(pipeline.target, Server):
        raise UsageError(f"serving: {{server: {path}}} asks the servers of target, and target names none")
    client = server_client(pipeline, pipeline.target, role=role, cancelled=cancelled)
    try:
        text = client.text(path)
        if text is None:
            raise DataError(
                f"the server of the {role} lists no packages: {client.url(path)} does not answer with 200",
                remedy="let it answer there with what pip list --format=json says in its process",
            )
        return read_package_list(text, source=client.url(path), python=python)
    finally:
        client.close()
