"""Check rows against a suite of Great Expectations, expectation by expectation."""

from __future__ import annotations

import json
import os
from typing import Any

record: Any = None  # the module check_record, which quality_host sets


def checks(request: dict[str, Any]) -> dict[str, Any]:
    """Validate the suite in memory, and tell what each expectation came to; one that cannot be made says why alone."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with open(request["source"], encoding="utf-8") as file:  # noqa: PTH123
        written = json.load(file)["expectations"]
    try:
        import great_expectations as gx
    except ImportError as error:
        raise record.Refused(
            f"this python has no great_expectations that can be imported ({error}); install great-expectations into it, "
            "or name another by python:"
        ) from error
    if not gx.__version__.startswith("1."):
        raise record.Refused(f"this python has great_expectations {gx.__version__}; install 1.0 or newer into it")
    frame = record.read_frame(request["data"])
    sources = gx.get_context(mode="ephemeral").data_sources
    asset = sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    checks: dict[int, dict[str, Any]] = {}
    numbered: list[dict[str, Any]] = []
    for number, each in enumerate(written):
        kwargs = {key: value for key, value in (each.get("kwargs") or {}).items() if key != "batch_id"}
        expectation = {**each, "kwargs": kwargs, "meta": {"lockgate": number}}
        expectation.pop("id", None)
        checks[number] = record.check(
            str(each.get("type")), _column(kwargs), len(frame), words=_words(kwargs), mostly=_mostly(kwargs)
        )
        try:
            made = gx.ExpectationSuite(name="rows", expectations=[expectation]).expectations
        except Exception as error:  # its own, or of pydantic
            checks[number]["raised"] = [type(error).__name__, str(error)[: record.TEXT]]
            continue
        if made:
            numbered.append(expectation)
        else:  # dropped in silence
            checks[number]["raised"] = [
                "ExpectationNotFoundError",
                "Great Expectations has no expectation of this type",
            ]
    for suite in _suites(gx, batch, numbered, checks):
        for result in suite["results"]:
            number = result["expectation_config"]["meta"]["lockgate"]
            checks[number].update(_came_to(result))
    return {"versions": record.versions("great_expectations", "pandas"), "checks": list(checks.values())}


def _suites(gx: Any, batch: Any, expectations: list[dict[str, Any]], checks: dict[int, dict[str, Any]]) -> Any:
    """Results of all at once; where that raises, of one after the other, and what raises then is noted with its check."""

    def validated(some: list[dict[str, Any]]) -> Any:
        suite = gx.ExpectationSuite(name="rows", expectations=some)
        return batch.validate(suite, result_format={"result_format": "COMPLETE"}).to_json_dict()

    try:
        yield validated(expectations)
        return
    except Exception:  # noqa: S110  # said by the one that raises it
        pass
    for expectation in expectations:
        try:
            yield validated([expectation])
        except Exception as error:
            checks[expectation["meta"]["lockgate"]]["raised"] = [type(error).__name__, str(error)[: record.TEXT]]


def _came_to(result: dict[str, Any]) -> dict[str, Any]:
    """What an expectation came to, by its result."""
    raised = _exception(result.get("exception_info"))
    if raised is not None:
        return {"success": None, "raised": raised}
    counts = result.get("result") or {}
    answer: dict[str, Any] = {"success": result["success"] if isinstance(result["success"], bool) else None}
    if isinstance(counts.get("element_count"), int):
        answer["rows"] = counts["element_count"] - int(counts.get("missing_count") or 0)
        answer["offenders"] = counts.get("unexpected_count")
        numbers = [each for each in counts.get("unexpected_index_list") or () if isinstance(each, int)]
        answer["first"] = sorted(set(numbers))[: record.FIRST]
    observed = counts.get("observed_value")
    if isinstance(observed, (int, float)) and observed == observed and abs(observed) != float("inf"):
        answer["observed"] = float(observed)
    return answer


def _exception(info: Any) -> list[str] | None:
    """[type, text] of what an expectation raised: of an object for it, or one for each of its metrics; None for nothing."""
    if not isinstance(info, dict):
        return None
    for each in (info, *(value for value in info.values() if isinstance(value, dict))):
        if each.get("raised_exception"):
            trace = str(each.get("exception_traceback") or "").strip().splitlines()
            kind = trace[-1].partition(":")[0].rpartition(".")[2] if trace else ""
            return [kind if kind.isidentifier() else "Error", str(each.get("exception_message"))[: record.TEXT]]
    return None


def _column(kwargs: dict[str, Any]) -> str | None:
    if kwargs.get("column") is not None:
        return str(kwargs["column"])
    several = [kwargs[key] for key in ("column_A", "column_B") if kwargs.get(key) is not None]
    several = several or kwargs.get("column_list") or []
    return ", ".join(map(str, several)) or None


def _mostly(kwargs: dict[str, Any]) -> float | None:
    share = kwargs.get("mostly")
    return float(share) if isinstance(share, (int, float)) and not isinstance(share, bool) else None


def _words(kwargs: dict[str, Any]) -> str:
    """`min_value=0, max_value=100`, in the order in which the suite has them."""
    of_columns = ("column", "column_A", "column_B", "column_list", "mostly")
    words = (f"{key}={value}" for key, value in kwargs.items() if key not in of_columns and value is not None)
    return ", ".join(words)[: record.WORDS]
