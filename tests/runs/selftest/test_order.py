"""Which gates are run on a copy with a planted defect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lockgate.gates.data_quality import DataQuality
from lockgate.gates.metadata import Metadata
from lockgate.gates.signature import Signature
from lockgate.runs.selftest import session
from lockgate.runs.selftest.defects import DEFECTS


def test_a_gate_that_looks_at_data_alone_is_run_on_no_copy() -> None:
    """Nothing that is planted into a model changes the data, and its library takes seconds to load each time."""
    quality = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", "pandera": "./s.yaml"})
    gates = {gate.title: gate for gate in (quality, Metadata(), Signature())}
    anything: Any = None
    test = session._Test(anything, anything, Path(), {}, gates, passing=dict.fromkeys(gates, anything))

    for defect in DEFECTS:
        assert {gate.title for gate in test._order(defect)} == {"metadata", "signature"}
