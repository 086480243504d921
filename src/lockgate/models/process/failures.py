"""The sentence, the last lines and the remedy for each way in which a model can break."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.errors import ModelFault
from lockgate.models.process.host_connection import LinkDown

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}
_MEMORY = "give the job more memory, or send smaller batches"


@dataclass(frozen=True)
class Scene:
    """Who was asked what: `doing` as in `while predicting 500 rows`, and where its answer would have come from."""

    name: str
    doing: str
    python: str
    seconds: float


def no_python(name: str, python: str, error: OSError) -> ModelFault:
    """The fault of a model whose process does not even start."""
    what = f"{name} has no python to answer under: {python} does not start ({error.strerror})"
    return ModelFault(what, remedy="name one that does with environment: {python: PATH}")


def raised(scene: Scene, error: Mapping[str, Any], stderr: str) -> ModelFault:
    """The fault of a model whose process lives and reported `error`."""
    kind, text = error["kind"], f"{error['type']}: {error['text']}" if error["text"] else str(error["type"])
    if kind == "memory":
        return ModelFault(f"{scene.name} ran out of memory while {scene.doing} ({text})", remedy=_MEMORY, stderr=stderr)
    if kind == "import":
        return _not_importable(scene, error, text, stderr)
    if kind == "input":
        what = f"{scene.name} cannot be asked: {error['text']}"
        return ModelFault(
            what, remedy="change the data or the model's signature, or map columns with inputs:", stderr=stderr
        )
    if kind == "answer":
        what = f"{scene.name} gave no usable answer while {scene.doing}: {error['text']}"
        return ModelFault(
            what, remedy="let predict return one value, or one row of values, for each row", stderr=stderr, alive=True
        )
    if kind == "metric":
        what = f"beside {scene.name}, while {scene.doing}: {error['text']}"
        return ModelFault(what, remedy="repair the function that per_row names", stderr=stderr, alive=True)
    if scene.doing == "loading":
        what = f"{scene.name} could not be loaded: {text}"
        return ModelFault(what, remedy=f"try mlflow.pyfunc.load_model on it under {scene.python}", stderr=stderr)
    what = f"{scene.name} raised {text}, while {scene.doing}"
    return ModelFault(what, remedy="the last lines of its stderr show where; repair predict", stderr=stderr, alive=True)


def down(scene: Scene, link: LinkDown, stderr: str) -> ModelFault:
    """The fault of a model whose process is gone, or was ended because it could not be talked to."""
    name, doing = scene.name, scene.doing
    if link.why == "cancelled":
        return ModelFault(f"{name} was cancelled while {doing}", stderr=stderr)
    if link.why == "silent":
        what = f"{name} did not answer within {scene.seconds:g} s while {doing}, and was killed"
        remedy = "the last lines of its stderr show where it stood; raise the time limit if it only needs longer"
        return ModelFault(what, remedy=remedy, stderr=stderr)
    if link.why in ("garbage", "closed"):
        did = "wrote into" if link.why == "garbage" else "closed"
        what = f"{name} {did} the line between its process and lockgate while {doing}, and was killed"
        return ModelFault(
            what, remedy="the model must leave file descriptors alone that it did not open", stderr=stderr
        )
    code = link.returncode
    if code is not None and code < 0:
        return _signalled(scene, -code, stderr)
    what = f"{name} ended its process with exit code {code} while {doing}"
    return ModelFault(what, remedy="the model's code must not call exit; raise an exception instead", stderr=stderr)


def _signalled(scene: Scene, number: int, stderr: str) -> ModelFault:
    try:
        sign = signal.Signals(number).name
    except ValueError:
        sign = f"signal {number}"
    if number == signal.SIGKILL:
        what = f"{scene.name} was killed by SIGKILL while {scene.doing}, often the kernel's out-of-memory killer"
        return ModelFault(what, remedy=f"{_MEMORY}; the kernel's log names what it killed", stderr=stderr)
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        means = "segmentation fault, " if number == signal.SIGSEGV else ""
        what = f"{scene.name} crashed while {scene.doing} ({means}{sign})"
        remedy = "a native library broke; the last lines of stderr name the call, and its version may not fit the model"
        return ModelFault(what, remedy=remedy, stderr=stderr)
    what = f"{scene.name} was killed by {sign} while {scene.doing}"
    return ModelFault(what, remedy="find out what sends it; nothing of lockgate did", stderr=stderr)


def _not_importable(scene: Scene, error: Mapping[str, Any], text: str, stderr: str) -> ModelFault:
    module = error["module"]
    if error["type"] != "ModuleNotFoundError" or not module:
        what = f"{scene.name} could not import what it needs while {scene.doing} ({text})"
        return ModelFault(what, remedy=f"repair the libraries of {scene.python}", stderr=stderr)
    top = module.split(".")[0]
    install = f"`{scene.python} -m pip install {_DISTRIBUTIONS.get(top, top)}`"
    return ModelFault(
        f"{scene.name} needs the module {module!r}, which {scene.python} does not have (while {scene.doing})",
        remedy=f"{install}; if the module is your own code, log the model with code_paths, or set PYTHONPATH",
        stderr=stderr,
    )
