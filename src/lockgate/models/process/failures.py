"""Messages and remedies for each way in which a model's process can fail."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from lockgate.errors import ModelFault
from lockgate.models.child_process import MODEL_OUTPUT, MORE_MEMORY, Attempt, killed_by_signal
from lockgate.models.isolation.box import Box
from lockgate.models.process.host_connection import ConnectionLost
from lockgate.models.process.host_errors import Reported

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}

# By the fault of which an exception is: what is wrong with rows is put right there, and not in the model's code.
_REMEDIES = {
    "columns": "give the data that column, name the one that holds it with inputs: {wanted: column of the data}, or log the "
    "model with a signature of all that it takes",
    "schema": "the rows are not as its signature says: correct the data, map columns with inputs:, or log the model with "
    "infer_signature of what it is given; a signature gate names what differs",
    "named_tensor": "its signature names its tensor, so that MLflow gives it a dict of that name: log it with "
    "TensorSpec(type, shape), without a name, where it takes an array",
    "library": "its library refuses these rows: give it the columns, types and cells that it was trained on, or log what "
    "prepares them with the model, as in a scikit-learn Pipeline; the last lines of its stderr say more",
    "code": "the last lines of its stderr show where in its own code; call predict with a row of the data where it is logged "
    f"({MODEL_OUTPUT}=FILE keeps all that it writes)",
}


def denied_by_box(fault: ModelFault, path: str, box: Box, *, functions: bool) -> ModelFault:
    """Return the same fault with the line that would open a path of this machine; else as it is.

    functions: whether those of per_row were denied, which may read what the model may not. What no model may read is not
    advised to be opened, whatever its process says.
    """
    if not Path(path).exists():  # so that no value of the data is taken for a path
        return fault
    if box.keeps_closed(Path(path)):
        remedy = "log what it needs with the model, which should not read this path itself"
    elif functions:
        remedy = f"write read: [{path}] beside the function; it writes into its own working folder only"
    else:
        remedy = f"log what it needs with the model, or write isolation: {{read: [{path}]}} if it may read there; "
        remedy += "a model writes into its own working folder only"
    return ModelFault(
        f"{fault.message}; its box does not let it open {path}", remedy=remedy, stderr=fault.stderr, alive=fault.alive
    )


def model_error(attempt: Attempt, error: Reported, stderr: str) -> ModelFault:
    """Return the fault of a model whose process lives and reported `error`.

    Where data or answer were refused in a sentence of our own, it says all: the last lines would show our own code.
    """
    name, model, doing, kind = attempt.name, attempt.model or attempt.name, attempt.doing, error.kind
    stderr = "" if kind in ("input", "answer") and not error.quotes else stderr
    text = f"{error.type}: {error.text}" if error.text else error.type
    if kind == "import":
        return _not_importable(attempt, error, text, stderr)
    alive = kind not in ("memory", "input") and (kind in ("answer", "metric") or doing != "loading")
    if kind == "memory":
        message, remedy = f"{name} ran out of memory while {doing} ({text})", MORE_MEMORY
    elif kind == "input":
        message = f"{name} cannot predict: {error.text}"
        remedy = error.remedy or "change the data or the model's signature, or map columns with inputs:"
    elif kind == "answer":
        message = f"{model} gave no usable answer while {doing}: {error.text}"
        remedy = error.remedy or "let predict return one value, or one row of values, for each row"
    elif kind == "file":
        message, remedy = f"{name} could not be loaded: {error.text}", error.remedy or "save the model again"
    elif kind == "metric":
        message = f"beside {model}, while {doing}: {error.text}"
        remedy = "repair the function that per_row names"
    elif doing == "loading":
        message = f"{name} could not be loaded: {text}"
        remedy = f"try mlflow.pyfunc.load_model on it under {attempt.python}; where it was logged under other versions of its "
        remedy += "libraries, environment: declared installs those"
        if error.type == "AttributeError" and "__main__" in error.text:
            remedy = "a function or class of the script or notebook that trained it is part of it: move that into a file of its "
            remedy += "own, import it from there, and log the model with code_paths=[that file]"
    else:
        message = f"{name} raised {text}, while {doing}"
        remedy = _REMEDIES.get(str(error.fault), _REMEDIES["code"])
    return ModelFault(message, remedy=remedy, stderr=stderr, alive=alive)


def connection_lost(attempt: Attempt, lost: ConnectionLost, stderr: str) -> ModelFault:
    """Return the fault of a model whose process is gone, or was ended because the connection was of no more use."""
    name, doing, code = attempt.name, attempt.doing, lost.returncode
    if lost.reason == "cancelled":
        return ModelFault(f"{name} was cancelled while {doing}", stderr=stderr)
    if lost.reason == "ended" and code is not None and code < 0:
        return killed_by_signal(attempt, -code, stderr, limit=lost.limit)
    if lost.reason == "silent":
        message = f"{name} did not answer within {attempt.seconds:g} s while {doing}, and was killed"
        remedy = "the last lines of its stderr show where it hangs; raise the time limit if it only needs longer"
    elif lost.reason == "ended":
        message = f"{name} ended its process with exit code {code} while {doing}"
        remedy = "its code must not call exit; raise an exception instead"
    else:
        did = "wrote into" if lost.reason == "garbage" else "closed"
        message = f"{name} {did} the line between its process and lockgate while {doing}, and was killed"
        remedy = "its code must leave file descriptors alone that it did not open"
    return ModelFault(message, remedy=remedy, stderr=stderr)


def false_clock(name: str, problem: str, stderr: str) -> ModelFault:
    """Return the fault of a model whose process reports times that cannot be those that passed."""
    return ModelFault(
        f"the times that {name}'s process reports cannot be true: {problem}",
        remedy="its code must leave clocks alone; on a machine that was suspended meanwhile, run again",
        stderr=stderr,
    )


def _closed_packages(python: str, module: str) -> Path | None:
    """The packages among which our own Python has a module that a model's process under the same Python does not find; else None.

    Its box opens the folders that the environment names as text, and runs no code of a `.pth` file to learn of others.
    """
    if Path(sys.prefix) not in Path(python).parents or os.path.realpath(python) != os.path.realpath(sys.executable):
        return None
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    folder = folder.parent if spec.submodule_search_locations else folder
    return folder if folder.name in ("site-packages", "dist-packages") else None


def _not_importable(attempt: Attempt, error: Reported, text: str, stderr: str) -> ModelFault:
    module = error.module
    if error.type != "ModuleNotFoundError" or not module:
        message = f"{attempt.name} could not import what it needs while {attempt.doing} ({text})"
        return ModelFault(message, remedy=f"repair the libraries of {attempt.python}", stderr=stderr)
    top = module.split(".")[0]
    if (folder := _closed_packages(attempt.python, top)) is not None:
        return ModelFault(
            f"{attempt.name} needs the module {module!r}, which its box does not let it read: {folder}, of which only code that "
            f"{attempt.python} runs when it starts knows (while {attempt.doing})",
            remedy=f"write isolation: {{read: [{folder}]}}, or name that folder in PYTHONPATH",
            stderr=stderr,
        )
    install = f"`{attempt.python} -m pip install {_DISTRIBUTIONS.get(top, top)}`"
    return ModelFault(
        f"{attempt.name} needs the module {module!r}, which {attempt.python} does not have (while {attempt.doing})",
        remedy=f"where the module is your own code, log the model with code_paths, or set PYTHONPATH; else {install}",
        stderr=stderr,
    )
