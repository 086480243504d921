"""Expectations of pandera and Great Expectations, each checked for real in the environment that has it."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from environments.build import environment
from helpers.fakes import ask, case_of, pipeline_of
from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.errors import UsageError
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_folder import salt
from lockgate.gates.data_quality import DataQuality
from lockgate.models.program.program_runner import ProgramRunner

AGES = [30.0, 17.0, 120.0, 41.0, None, 28.0, 33.0, 52.0, 61.0, 19.0]
ROWS = {
    "id": [f"c{number}" for number in range(10)],
    "age": AGES,
    "country": ["AT", "DE", "DE", "XX", "AT", "AT", "DE", None, "AT", "DE"],
    "score": [0.0] * 10,
    "note": pa.nulls(10, pa.string()),
    "empty": pa.nulls(10, pa.string()),
    "label": [0, 1] * 5,
}
MENDED = {**ROWS, "age": [30.0] * 10, "country": ["AT"] * 10, "note": ["x"] * 10}
PAGE = (Path(__file__).parents[2] / "docs" / "gates" / "data_quality.md").read_text(encoding="utf-8")
# What a reader of the page copies.
(SHOWN_SCHEMA,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(SHOWN_YAML,) = re.findall(r"```yaml\n(schema_type.*?)```", PAGE, re.DOTALL)
(SHOWN_SUITE,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
SCHEMA = f"""{SHOWN_SCHEMA}
pages = schema.columns
pages["age"].checks.append(pa.Check(lambda ages: ages > 0, name="positive"))
pages["country"].checks += [pa.Check.str_length(2), pa.Check.ne("XX", raise_warning=True)]
schema = pa.DataFrameSchema(
    {{
        **pages,
        "note": pa.Column(str, pa.Check.str_length(1, 3), nullable=True),
        "label": pa.Column(int, [pa.Check.ge(0), pa.Check.ge(1)]),
        "amount": pa.Column(float, pa.Check.gt(0)),
        "^sc": pa.Column(float, pa.Check.ge(0), regex=True),
    }},
    checks=[pa.Check(lambda rows: rows["score"].mean() > 0, name="scores")],
    strict=True,
    unique=["nowhere", "country"],
    add_missing_columns=True,
    drop_invalid_rows=True,
)
"""
RAISES = """
import pandera.pandas as pa

class Schema(pa.DataFrameModel):
    age: float = pa.Field(ge=0, nullable=True)

    @pa.check("age", name="compared")
    def compared(cls, ages):
        raise ValueError("c3 has the value 41.0, not 'secret'")

    class Config:
        strict = "filter"
        unique = ["country"]
"""


def expectation(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs}


def suite(*expectations: dict[str, Any]) -> str:
    return json.dumps({"name": "customers", "expectations": expectations, "meta": {}, "id": None})


MISSPELT = suite(
    expectation("expect_column_values_to_be_in_set", column="empty", value_set=["a"]),
    expectation("expect_column_values_to_be_between", column="age", min_value=18, max_value=100),
    expectation("expect_column_values_to_be_between", column="agge", min_value=18, max_value=100),
    expectation("expect_column_values_to_be_betwixt", column="age", min_value=18, max_value=100),
    expectation("expect_column_values_to_be_in_set", column="country", value_set=["AT", "DE"]),
)


def checked(
    folder: Path, name: str, text: str, *, rows: Any = ROWS, data: dict[str, Any] | None = None, **known: Any
) -> GateResult:
    """What the gate says of rows. name: of the file of expectations."""
    files = {"s.py": "./s.py:schema", "model.py": "./model.py:Schema"}
    library = "great_expectations" if name.startswith("suite") else "pandera"
    case = case_of(folder)
    (folder / name).write_text(text)
    pq.write_table(pa.table(rows), folder / "d.parquet")
    spec = DatasetSpec.model_validate({"path": "d.parquet", "label": "label", **(data or {})})
    environ = {**os.environ, **known.pop("environ", {})}
    case = replace(
        case, datasets=("holdout",), dataset=lambda _: Dataset("holdout", spec, folder),
        programs=ProgramRunner(root=folder, environ=environ, scratch=folder / "scratch", closed=(folder / "d.parquet",)),
    )  # fmt: skip
    fields = {"gate": "data_quality", "data": "holdout", library: files.get(name, f"./{name}"), **known}
    return ask(case, DataQuality.model_validate(fields))


def python_of(library: str) -> str:
    return str(environment(library) / "bin" / "python")


def said(result: GateResult) -> dict[str, tuple[str, float | None, int]]:
    """Finding → verdict, value, rows."""
    return {
        finding.id.removeprefix("data_quality/r1/"): (str(finding.verdict), finding.observed, finding.rows)
        for finding in result.findings
    }


def test_a_schema_of_pandera_fails_bad_data_with_the_counts_of_each_expectation(tmp_path: Path) -> None:
    """One finding each: what only warns passes, what saw no value or no column is undecided, what would be dropped counts."""
    result = checked(tmp_path, "s.py", SCHEMA, python=python_of("pandera"), data={"id": "id"})
    found = said(result)

    assert result.verdict is Verdict.FAIL
    assert {name: each for name, each in found.items() if "expectation=dtype" not in name and "dataframe" not in name} == {
        "column=age&expectation=not_nullable": ("fail", 1.0, 10),
        "column=age&expectation=in_range": ("fail", 2.0, 9),
        "column=age&expectation=positive": ("pass", 0.0, 9),
        "column=country&expectation=isin": ("fail", 1.0, 9),
        "column=country&expectation=str_length": ("pass", 0.0, 9),
        "column=country&expectation=not_equal_to": ("pass", 1.0, 9),
        "column=note&expectation=str_length": ("inconclusive", 0.0, 0),
        "column=label&expectation=not_nullable": ("pass", 0.0, 10),
        "column=label&expectation=greater_than_or_equal_to": ("pass", 0.0, 10),
        "column=label&expectation=greater_than_or_equal_to&number=2": ("fail", 5.0, 10),
        "column=amount&expectation=not_nullable": ("inconclusive", 0.0, 0),
        "column=amount&expectation=greater_than": ("inconclusive", 0.0, 0),
        "column=score&expectation=not_nullable": ("pass", 0.0, 10),
        "column=score&expectation=greater_than_or_equal_to": ("pass", 0.0, 10),
        "expectation=scores": ("fail", 1.0, 1),
        "expectation=multiple_fields_uniqueness": ("inconclusive", 0.0, 0),
        "expectation=column_in_schema": ("fail", 1.0, 1),
    }  # fmt: skip
    assert found["column=amount&expectation=column_in_dataframe"] == ("fail", 1.0, 1)
    by_id = {finding.id: finding for finding in result.findings}
    ages = by_id["data_quality/r1/column=age&expectation=in_range"]
    assert ages.reason == "age: in_range(18, 100): 2 of 9 rows do not meet it"
    hashed = [_hashed(tmp_path, name) for name in ("c1", "c2")]
    assert ages.detail["ids"] == hashed
    others = by_id["data_quality/r1/expectation=column_in_schema"]
    assert others.reason == "column_in_schema (no other columns, and there is 'id', 'empty'): not met"
    assert result.context["expectations"]["file"] == "./s.py:schema"
    assert result.context["expectations"]["checked_with"]["pandera"] == "0.35.0"


def _hashed(root: Path, name: str) -> str:
    import hashlib

    return hashlib.sha256(salt(root) + name.encode()).hexdigest()


def test_a_schema_that_pandera_wrote_passes_mended_data(tmp_path: Path) -> None:
    """As YAML, by the same names of findings; what the schema does not name is not checked."""
    result = checked(tmp_path, "s.yaml", SHOWN_YAML, rows=MENDED, python=python_of("pandera"))

    assert (result.verdict, result.reason) == (Verdict.PASS, "all 7 requirements met")
    assert said(result)["column=age&expectation=in_range"] == ("pass", 0.0, 10)


def test_an_expectation_that_raises_is_an_error_that_names_it_and_no_value(tmp_path: Path) -> None:
    """Neither a pass nor a fail; what else was found stands beside it."""
    result = checked(tmp_path, "model.py", RAISES, python=python_of("pandera"))

    assert result.verdict is Verdict.ERROR
    assert result.reason == "age: compared raised ValueError: c3 has the value …, not '…'"
    assert said(result)["column=age&expectation=greater_than_or_equal_to"] == ("pass", 0.0, 9)
    assert said(result)["column=age&expectation=compared"] == ("inconclusive", 0.0, 0)
    assert said(result)["expectation=multiple_fields_uniqueness"] == ("fail", 8.0, 10)  # of a column not in the schema


def test_a_suite_of_great_expectations_fails_bad_data_with_its_own_verdicts(tmp_path: Path) -> None:
    """`mostly` lets some rows offend; rows are named by their numbers where they have no ids."""
    result = checked(tmp_path, "suite.json", SHOWN_SUITE, python=python_of("gx"))

    assert result.verdict is Verdict.FAIL
    assert said(result) == {
        "column=age&expectation=expect_column_values_to_be_between": ("fail", 2.0, 9),
        "column=country&expectation=expect_column_values_to_be_in_set": ("fail", 1.0, 9),
        "column=age&expectation=expect_column_mean_to_be_between": ("pass", 0.0, 10),
    }
    ages, countries, mean = result.findings
    assert ages.reason == (
        "age: expect_column_values_to_be_between (min_value=18, max_value=100): 2 of 9 rows do not meet it, the first is row 2"
    )
    assert countries.reason.endswith("1 of 9 rows do not meet it; mostly 0.95 allows 0, the first is row 4")
    assert countries.detail["rows_named"] == ["row 4"]
    assert mean.reason.endswith("none of 10 rows offends, it is 44.5556")


def test_mended_data_meet_a_suite_of_which_a_misspelt_expectation_is_an_error(tmp_path: Path) -> None:
    """A column that is not there, and an expectation that Great Expectations itself would leave out in silence."""
    result = checked(tmp_path, "suite.json", MISSPELT, rows=MENDED, python=python_of("gx"))
    found = said(result)

    assert result.verdict is Verdict.ERROR
    assert "agge: expect_column_values_to_be_between (min_value=18, max_value=100) raised" in result.reason
    assert 'The column "agge" in BatchData does not exist' in result.reason
    assert "age: expect_column_values_to_be_betwixt (min_value=18, max_value=100) raised" in result.reason
    assert found["column=age&expectation=expect_column_values_to_be_between"] == ("pass", 0.0, 10)
    assert found["column=country&expectation=expect_column_values_to_be_in_set"] == ("pass", 0.0, 10)
    assert found["column=empty&expectation=expect_column_values_to_be_in_set"] == ("inconclusive", 0.0, 0)


def test_a_suite_without_an_expectation_is_inconclusive(tmp_path: Path) -> None:
    """It would let all data pass; no process is started for it."""
    result = checked(tmp_path, "suite.json", suite(), python="no-such-python")

    assert (result.verdict, result.findings[0].code) == (Verdict.INCONCLUSIVE, "no_expectations")
    assert result.reason == "./suite.json holds no expectation, so that nothing is shown of the data"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "./suite.json is no JSON"),
        ("[]", "./suite.json is no suite: it has no list of expectations"),
        ('{"expectations": [1]}', "./suite.json is no suite: it has no list of expectations"),
        ('{"expectation_suite_name": "s", "expectations": []}', "./suite.json is a suite of Great Expectations 0.x"),
    ],
)
def test_a_file_that_is_no_suite_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    """Whatever is no list of expectations of 1.x; nothing of it is run."""
    result = checked(tmp_path, "suite.json", text, python="no-such-python")

    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith(reason)


# What a package `pandera` does in the process that imports it → what the gate says.
DEATHS = {
    "import os; os._exit(3)": "the process that checks ./s.py:schema ended with exit code 3",
    "import os; os.kill(os.getpid(), 11)": "the process that checks ./s.py:schema crashed while running",
    "import time; time.sleep(60)": "the process that checks ./s.py:schema did not end within 1 s, and was killed",
    "import os; open('result.json', 'w').write('{}{'); os._exit(0)": "the checks left results of another form",
    "import os; os._exit(0)": "the checks left no results",
    "raise ImportError('no libfoo')": f"./s.py:schema cannot be checked under {sys.executable}: this python has no pandera that can be ",
}


@pytest.mark.parametrize("code", DEATHS)
def test_a_process_that_gives_no_answer_is_an_error_and_never_a_verdict(tmp_path: Path, code: str) -> None:
    """Death, silence, garbage, and a Python without the library."""
    (tmp_path / "lib" / "pandera").mkdir(parents=True)
    (tmp_path / "lib" / "pandera" / "__init__.py").write_text(code)
    environ = {"PYTHONPATH": str(tmp_path / "lib")}
    known = {"timeout": "1s" if "sleep" in code else "60s", "python": sys.executable, "environ": environ}

    result = checked(tmp_path / "project", "s.py", "schema = None", **known)

    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith(DEATHS[code])
    assert result.findings == ()


def test_expectations_outside_of_the_project_are_not_read(tmp_path: Path) -> None:
    """Nor is anything run of a file that a link leads to."""
    (tmp_path / "project").mkdir()
    (tmp_path / "suite.json").write_text(suite())
    (tmp_path / "project" / "suite-link.json").symlink_to(tmp_path / "suite.json")
    gate = DataQuality.model_validate(
        {"gate": "data_quality", "data": "holdout", "great_expectations": "./suite-link.json"}
    )

    with pytest.raises(UsageError, match="there is no such file below the project's root"):
        gate.origins(tmp_path / "project")


@pytest.mark.parametrize("path", ["/etc/s.json", "../s.json", "./suites/../../s.json"])
def test_a_pipeline_that_names_expectations_elsewhere_is_refused(path: str) -> None:
    """Before anything is run."""
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", "great_expectations": path})

    ((place, complaint),) = gate.complaints(pipeline_of(gate))
    assert place == ("great_expectations",)
    assert complaint.endswith("leads out of the project, so it is not read; keep the file in the project")


@pytest.mark.parametrize(
    ("library", "path"),
    [("pandera", "./schemas/s.py:schema"), ("pandera", "s.yaml"), ("great_expectations", "./s.json")],
)
def test_a_change_of_the_expectations_is_one_of_what_the_gate_finds(library: str, path: str) -> None:
    """So a pull request that changes them is looked at, and no comment promotes by it."""
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", library: path})

    assert gate.own_code == (path.removeprefix("./").partition(":")[0],)
    assert not gate.repeatable


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """As what cannot be read, so that a run says so instead of breaking."""
    with (tmp_path / "s.yaml").open("wb") as file:
        file.truncate(2**27)
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", "pandera": "./s.yaml"})

    with pytest.raises(UsageError, match=r"pandera './s.yaml' cannot be read: it has more than 67,108,864 bytes"):
        gate.origins(tmp_path)


def test_the_digest_of_the_expectations_is_among_what_the_gate_comes_from(tmp_path: Path) -> None:
    """So that a resumed run takes up nothing that other expectations decided."""
    (tmp_path / "s.py").write_text(SCHEMA)
    gate = DataQuality.model_validate({"gate": "data_quality", "data": "holdout", "pandera": "./s.py:schema"})
    before = gate.origins(tmp_path)
    (tmp_path / "s.py").write_text(SCHEMA + "\n")

    assert list(before) == ["./s.py:schema"]
    assert gate.origins(tmp_path) != before


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"pandera": "./s.py:schema", "great_expectations": "./suite.json"},
        {"pandera": "./s.py"},
        {"great_expectations": "./suite.py:suite"},
    ],
)
def test_expectations_are_named_once_and_in_a_form_that_can_be_read(known: dict[str, str]) -> None:
    """By one library, a file of Python with the name of its schema."""
    with pytest.raises(ValueError, match=r"pandera|great_expectations"):
        DataQuality.model_validate({"gate": "data_quality", "data": "holdout", **known})
