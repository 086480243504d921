"""A command with all that it is handed: its folders, rows, variables and models."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from lockgate.errors import LockgateError, UsageError
from lockgate.evaluation.case import Case, Contender
from lockgate.evaluation.command import variables
from lockgate.evaluation.command.project_files import ProjectFiles
from lockgate.evaluation.data_handover import hand_over
from lockgate.evidence.run_folder import salt
from lockgate.models.environment import job_python
from lockgate.models.isolation.interpreter_paths import interpreter_behind
from lockgate.models.isolation.isolation_spec import Isolation
from lockgate.models.program.program_runner import Program, ProgramEnd, ProgramRunner
from lockgate.models.target_spec import Serve

_ROLES = ("candidate", "champion")
_SHEBANG = re.compile(rb"#!\s*(?P<program>\S+)(?:[ \t]+(?P<argument>\S+))?")


@dataclass(frozen=True)
class Command:
    """A command as a pipeline declares it; the fields are those of the gate."""

    run: Sequence[str]
    findings: str
    env: Mapping[str, str]
    data: Sequence[str]
    labels: bool
    files: Sequence[str]
    timeout: timedelta
    trusted: bool
    isolation: Isolation

    @property
    def variables(self) -> list[str]:
        """What it mentions, each once."""
        return variables.mentioned((*self.run, *self.env.values()))


class Prepared:
    """A command that can be run. stack: removes its folders.

    out: the folder that is `$OUT`. program: the path of what is run. origins: name → SHA-256 of the files of the project that
    it reads. left_out: data → columns that it is not handed.
    """

    def __init__(self, command: Command, case: Case, programs: ProgramRunner, stack: ExitStack) -> None:
        self.command, self.case = command, case
        self.programs = replace(programs, isolation=command.isolation)
        # apart from the project: what looks for its settings upwards from where it works meets none that is closed
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="lockgate-", ignore_cleanup_errors=True))
        self._scratch = Path(os.path.realpath(scratch))
        self._handed = programs.working_folder()
        stack.callback(shutil.rmtree, self._handed, ignore_errors=True)
        self.out = self._scratch / "out"
        self.out.mkdir()
        self.left_out: dict[str, list[str]] = {}
        self._folder, self.origins = self._project()
        self._values = {variables.OUT: str(self.out), **self._rows(), **self._versions()}
        self._environ = self._variables()
        self.arguments = [variables.filled(word, self._values) for word in command.run]
        self.program = self._find_program()

    def run(self) -> ProgramEnd:
        """Raises ModelFault where it does not end by itself."""
        python = _interpreter(Path(self.program), self._environ["PATH"]) or self.programs.python(None)
        files = [each.files for each in self.case.contenders if variables.role_variable(each.role) in self._values]
        addresses = (self._values.get(variables.role_variable(role, variables.URL)) for role in _ROLES)
        program = Program(
            name=self.command.run[0], command=(self.program, *self.arguments[1:]), python=python,
            timeout_s=self.command.timeout.total_seconds(), boxed=not self.command.trusted, begins_in=self._folder,
            reads=(Path(os.path.realpath(self.program)), self._handed, *files), variables=self._environ,
            ports=tuple(port for address in addresses if address and (port := urlsplit(address).port)),
        )  # fmt: skip
        return self.programs.run(program, self._scratch)

    def _project(self) -> tuple[Path, dict[str, str]]:
        """The folder that it works in, and the digests of the files there: copies, but for a trusted one."""
        files = ProjectFiles(self.programs.root, self.command.run, self.command.files, closed=self.programs.closed)
        if self.command.trusted:
            return self.programs.root, files.origins()
        folder = self._scratch / "work"
        folder.mkdir()
        files.copy(folder)
        return folder, ProjectFiles(folder, self.command.run, self.command.files).origins()

    def _rows(self) -> dict[str, str]:
        """Variable → path of a file of rows."""
        secret = {
            name for name, role in self.case.roles.items() if role == "label" or role.startswith("recorded score")
        }
        paths = {}
        for name in self.command.data:
            path, dataset = self._handed / f"{name}.parquet", self.case.dataset(name)
            self.left_out[name] = [] if self.command.labels else [each for each in dataset.columns if each in secret]
            if self.command.labels and not dataset.spec.asks("candidate"):
                self.case.replayed(name)  # so that it is known who gave the answers that it is handed
            hand_over(dataset, path, without=self.left_out[name], salt=salt(self.programs.root))
            paths[variables.data_variable(name)] = str(path)
        return paths

    def _versions(self) -> dict[str, str]:
        """The variables of both roles that it mentions; empty texts of a champion that is not there."""
        contenders = {str(contender.role): contender for contender in self.case.contenders}
        values: dict[str, str] = {}
        for role in _ROLES:
            for suffix in variables.OF_ROLE:
                name = variables.role_variable(role, suffix)
                if name in self.command.variables:
                    values[name] = self._fact(contenders[role], suffix) if role in contenders else ""
        return values

    def _fact(self, contender: Contender, suffix: str) -> str:
        if suffix == variables.VERSION:
            return contender.version.version
        return self._serve(contender) if suffix == variables.URL else str(contender.loadable_files)

    def _serve(self, contender: Contender) -> str:
        """The address of a version behind `mlflow models serve`, in a box of its own."""
        return contender.model_at(Serve(serve="mlflow")).load().url or ""

    def _variables(self) -> dict[str, str]:
        """What is added to the job's own variables, without the secret ones of these."""
        path = self.programs.environ.get("PATH", os.defpath)
        with suppress(LockgateError):  # programs of the job's own environment come first, activated or not
            path = os.pathsep.join([os.path.dirname(job_python(self.programs.environ)), path])  # noqa: PTH120
        own = {name: variables.filled(text, self._values) for name, text in self.command.env.items()}
        return {"PATH": path, **self._values, **own}

    def _find_program(self) -> str:
        """The program behind the first word: a file of the project, or one on PATH. Raises UsageError."""
        name = self.arguments[0]
        # what lies in an environment below the project is installed there, and no copy of ours
        paths = (str(self._folder / name), str(self.programs.root / name)) if "/" in name else (name,)
        program = next(filter(None, (shutil.which(path, path=self._environ["PATH"]) for path in paths)), None)
        if program is None:
            raise UsageError(
                f"run: {name} is no program here",
                remedy="install it in the job's environment, or name an executable file of the project as ./checks/drift.py",
            )
        return program if self.command.trusted else _behind_shim(program, self._environ)


def _behind_shim(program: str, environ: Mapping[str, str]) -> str:
    """The program that a shim of pyenv or asdf starts: in a box the shim could not read what it chooses by."""
    python = Path(program).with_name("python")
    with suppress(OSError):
        chosen = Path(interpreter_behind(str(python), environ)).with_name(Path(program).name)
        if chosen.parent != python.parent and chosen.exists():
            return str(chosen)
    return program


def _interpreter(program: Path, path: str) -> str | None:
    """The Python that runs a program, and in whose environment it lies; None where it is none of Python's."""
    if program.name.startswith("python"):
        return str(program)
    beside = program.with_name("python")
    if beside.exists():
        return str(beside)
    with suppress(OSError), program.open("rb") as file:
        if (first := _SHEBANG.match(file.readline(300))) is not None:
            name = os.fsdecode(first["program"])
            if name.endswith("/env") and first["argument"]:
                name = shutil.which(os.fsdecode(first["argument"]), path=path) or name
            return name if Path(name).name.startswith("python") else None
    return None
