"""Every error says what, where and what to do, and which exit code the command ends with."""

from __future__ import annotations

import inspect

import pytest

from lockgate import errors
from lockgate.errors import LockgateError, PipelineError, guess, machine_fault

CODES = {
    "LockgateError": 4,
    "UsageError": 2,
    "PipelineError": 2,
    "Refused": 1,
    "Waiting": 3,
    "DataError": 4,
    "NotHere": 4,
    "NotPulled": 4,
    "DataMisfits": 4,
    "ModelFault": 4,
    "VersionFault": 1,
    "GateBroken": 4,
    "RegistryError": 4,
    "NotFound": 4,
    "Denied": 4,
    "Unavailable": 4,
    "UnknownOutcome": 4,
    "Edited": 4,
    "MachineFault": 4,
    "ServingFault": 4,
}


def test_each_class_has_its_exit_code() -> None:
    """0 pass · 1 refused · 2 usage · 3 waiting · 4 broke: the whole page."""
    found = {
        name: cls.exit_code
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, LockgateError) and cls.__module__ == errors.__name__
    }

    assert found == CODES


def test_the_remedy_follows_the_reason() -> None:
    """One sentence; without a remedy, the reason alone."""
    assert str(LockgateError("the disk is full", remedy="make room")) == "the disk is full; make room"
    assert str(LockgateError("the disk is full")) == "the disk is full"


def test_a_pipeline_error_holds_every_complaint() -> None:
    """A line each."""
    error = PipelineError(["a.yaml:1:1: x", "a.yaml:2:1: y"])

    assert error.complaints == ("a.yaml:1:1: x", "a.yaml:2:1: y")
    assert str(error) == "a.yaml:1:1: x\na.yaml:2:1: y"
    assert PipelineError("one").complaints == ("one",)


@pytest.mark.parametrize(
    ("word", "said"), [("latncy", "; did you mean 'latency'?"), ("met", "; did you mean 'metrics'?"), ("xyz", "")]
)
def test_a_near_miss_is_guessed(word: str, said: str) -> None:
    """And nothing is guessed for what resembles nothing."""
    assert guess(word, ["metrics", "latency"]) == said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(28, "No space left on device", "/d/x"),
            "the system refused: /d/x: No space left on device; make room",
        ),
        (
            OSError(30, "Read-only file system", "/d/x"),
            "the system refused: /d/x: Read-only file system; let this user",
        ),
        (
            FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
            "the system refused: [Errno 2] No usable",
        ),
        (ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2"), "psycopg2 cannot be imported: No module"),
        (
            UnicodeEncodeError("utf-8", "caf\udce9.csv", 3, 4, "surrogates not allowed"),
            "'caf\\udce9.csv' holds what is no",
        ),
        (MemoryError(), "the memory is used up; give it more memory"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(error: Exception, sentence: str) -> None:
    """With exit code 4."""
    fault = machine_fault(error)

    assert fault is not None
    assert str(fault).startswith(sentence)
    assert fault.exit_code == 4


@pytest.mark.parametrize(
    "error", [ValueError("x"), ImportError("cannot import name 'y'", name="lockgate.text"), RecursionError()]
)
def test_a_defect_is_not_blamed_on_the_machine(error: Exception) -> None:
    assert machine_fault(error) is None
