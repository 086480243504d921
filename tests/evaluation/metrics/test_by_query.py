"""A ranking judged by query: the query is what is counted, in numbers and in words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from lockgate.errors import UsageError
from lockgate.evidence.evidence import GateResult
from lockgate.evidence.finding import Finding, Verdict
from lockgate.testing import run_gate

DOCS = 8


def table(queries: int = 300, *, noise: float = 0.05, seed: int = 4) -> dict[str, Any]:
    """Searches of three markets, rows in any order; every user asks three; one query in four or so has nothing relevant."""
    draw = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries), DOCS)
    label = draw.poisson(0.2, query.size).astype(float)
    error = draw.normal(size=query.size)
    rows = {
        "q": np.array([f"q{number}" for number in query]),
        "label": label,
        "candidate": label + error + noise * draw.normal(size=query.size),
        "champion": label + error,
        "market": np.array(["BR", "LU", "US"])[query % 3],
        "user": query // 3,
        "words": query % 10,
        "w": 1.0 + query % 4,
    }
    order = draw.permutation(query.size)
    return {name: column[order] for name, column in rows.items()}


def ask(rows: dict[str, Any], *require: Any, **more: Any) -> GateResult:
    return run_gate("metrics", table=rows, query="q", require=require, **more)


def by_query(rows: dict[str, Any], role: str = "candidate") -> dict[str, float]:
    """scikit-learn's NDCG of each query that has something relevant, one by one."""
    found = {}
    for name in np.unique(rows["q"]):
        inside = rows["q"] == name
        if rows["label"][inside].any():
            found[str(name)] = ndcg_score([rows["label"][inside]], [rows[role][inside]], k=5)
    return found


def only(result: GateResult) -> Finding:
    (found,) = result.findings
    return found


def test_the_value_is_the_mean_over_queries_that_have_something_relevant() -> None:
    """Queries without are counted: no order of theirs is better than another."""
    rows = table()
    theirs, champions = by_query(rows), by_query(rows, "champion")
    found = only(ask(rows, "ndcg(5) >= champion - 0.05"))

    assert found.observed == pytest.approx(np.mean(list(theirs.values())), abs=1e-12)
    assert found.champion == pytest.approx(np.mean(list(champions.values())), abs=1e-12)
    assert found.rows == 300
    assert 0 < len(theirs) < 300
    assert found.detail["queries_left_out"] == 300 - len(theirs)
    assert found.detail["counted_in"] == "queries"


def test_the_error_is_that_of_a_mean_of_paired_differences() -> None:
    """One number a query, whatever the number of its rows and of the queries that are left out."""
    rows = table()
    differences = np.array(list(by_query(rows).values())) - np.array(list(by_query(rows, "champion").values()))
    found = only(ask(rows, "ndcg(5) >= champion - 0.05")).decided

    assert found is not None
    assert found.estimate == pytest.approx(differences.mean(), abs=1e-12)
    assert found.se == pytest.approx(differences.std(ddof=1) / np.sqrt(differences.size), rel=1e-9)
    assert found.method == "influence paired, t, skew-corrected"


def test_queries_without_relevant_rows_dilute_no_loss() -> None:
    """A thousand of them change neither the difference nor its interval."""
    rows = table(noise=2)
    empty = {
        "q": np.repeat([f"e{number}" for number in range(1000)], 2), "label": np.zeros(2000),
        "candidate": np.tile([1.0, 2.0], 1000), "champion": np.tile([1.0, 2.0], 1000),
    }  # fmt: skip
    more = {name: np.concatenate([rows[name], column]) for name, column in empty.items()}
    one, other = (only(ask(each, "ndcg >= champion - 0.05")).decided for each in (rows, more))

    assert one is not None
    assert other is not None
    assert (one.estimate, one.low, one.high) == pytest.approx((other.estimate, other.low, other.high), abs=1e-12)


def test_a_worse_order_is_stopped_and_said_in_queries() -> None:
    """On the slice where it is worse, by name; what is small is said in queries too."""
    rows = table(900)
    rows["candidate"] = np.where(rows["market"] == "BR", -rows["label"], rows["candidate"])
    found = ask(rows, "ndcg(5) >= champion - 0.05 on each market", slices=["market"])

    assert [(one.slice["market"], one.verdict) for one in found.findings if one.verdict is not Verdict.PASS] == [
        ("BR", Verdict.FAIL)
    ]
    assert [one.rows for one in found.findings] == [300, 300, 300]
    assert found.reason.startswith("ndcg(5) on market=BR is 0.")


def test_what_would_decide_is_said_in_queries() -> None:
    """More queries, not more rows."""
    found = only(ask(table(noise=0.5), "mrr >= champion - 0.005"))

    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.rows_needed is not None
    assert found.rows_needed > 300
    assert "more queries" in str(found.remedy)
    assert "300 queries are too few here" in found.detail["outlook"]
    assert "rows" not in f"{found.reason} {found.remedy} {found.detail['outlook']}"


def test_too_few_queries_are_counted_in_queries() -> None:
    """`min_rows` of slices counts queries: 2,400 rows are 100 queries a market."""
    rows = table()
    blocked = ask(rows, "mrr >= 0.1 on each market", slices=["market"], small_slices={"min_rows": 101})
    merged = ask(rows, "mrr >= 0.1 on each market", slices=["market"], small_slices={"min_rows": 101, "below": "merge"})

    assert {one.detail["too_few"] for one in blocked.findings} == {"100 queries; 101 are required"}
    assert only(merged).reason.endswith("(other pools small slices, with their queries: BR 100, LU 100, US 100)")
    assert only(ask(table(6), "mrr >= 0.1")).verdict is Verdict.PASS
    assert only(ask(table(6), "mrr >= 0.61")).verdict is Verdict.INCONCLUSIVE  # 0.05^(1/6), were all six right


def test_clusters_are_of_queries() -> None:
    """Queries of one user are not independent: their sums are what varies, beside those of all users."""
    rows = table()
    theirs = by_query(rows)
    mean, sums = np.mean(list(theirs.values())), np.zeros(100)
    for name, value in theirs.items():
        sums[int(name[1:]) // 3] += value - mean
    found = only(ask(rows, "ndcg(5) >= 0.1", cluster="user")).decided

    assert found is not None
    assert found.method == "influence, t, logit, by cluster"
    assert found.estimate == pytest.approx(mean, abs=1e-12)
    assert found.se == pytest.approx(np.sqrt((sums**2).sum() * 100 / 99) / len(theirs), rel=0.01)
    assert found.n_eff == pytest.approx((sums**2).sum() ** 2 / (sums**4).sum(), rel=1e-9)


@pytest.mark.parametrize(
    ("line", "claim"),
    [
        ("mrr >= champion - 0.05", "not_worse"),
        ({"metric": "mrr", "at_least": "champion + 0.3", "claim": "superior"}, "superior"),
        ({"metric": "mrr", "at_least": "champion", "claim": "no_harm"}, "no_harm"),
        ({"metric": "mrr", "at_least": "champion - 0.05", "claim": "point"}, "point"),
        ("mrr >= 0.2", "at_limit"),
    ],
)
def test_every_claim_is_made_of_queries(line: Any, claim: str) -> None:
    """A candidate that puts every relevant row first, beside a champion that orders by chance."""
    rows = table()
    rows["champion"], rows["candidate"] = rows["champion"] - rows["label"], rows["label"] + 0.0
    found = only(ask(rows, line))

    assert found.decided is not None
    assert (found.decided.claim, found.verdict, found.rows) == (claim, Verdict.PASS, 300)


def test_small_slices_are_watched_by_query() -> None:
    """No significant loss passes as watched, with the loss that would go unseen; a significant one fails."""
    rows = table()
    rows["candidate"] = np.where(rows["market"] == "BR", -rows["label"], rows["candidate"])
    found = ask(
        rows, "mrr >= champion - 0.05 on each market", slices=["market"],
        small_slices={"min_rows": 101, "below": "watch"},
    ).findings  # fmt: skip

    assert [(one.slice["market"], one.verdict, one.code) for one in found] == [
        ("BR", Verdict.FAIL, "worse_than_margin"), ("LU", Verdict.PASS, "watched"), ("US", Verdict.PASS, "watched"),
    ]  # fmt: skip
    assert "checked for harm alone (100 queries; 101 are required); a loss under" in found[1].reason


def test_weights_are_of_queries() -> None:
    """A query counts as often as its weight says, not as often as its weight times its rows."""
    rows = table()
    weights = {str(name): float(rows["w"][rows["q"] == name][0]) for name in np.unique(rows["q"])}
    theirs = by_query(rows)
    found = only(ask(rows, "ndcg(5) >= 0.1", weight="w"))

    expected = np.average(list(theirs.values()), weights=[weights[name] for name in theirs])
    assert found.observed == pytest.approx(expected, abs=1e-12)


def test_a_hit_is_a_share_and_bounded_exactly() -> None:
    """Yes or no a query: Clopper–Pearson for one model, Tango for two; equal scores at the cut make it a mean."""
    rows = table()
    tied = {**rows, "candidate": np.zeros(rows["label"].size)}
    one = ask(rows, "hit_rate(1) >= 0.1", "hit_rate(1) >= champion - 0.1").findings
    other = ask(tied, "hit_rate(1) >= 0.1", "hit_rate(1) >= champion - 0.1").findings

    assert [each.decided.method for each in one if each.decided] == ["clopper-pearson", "tango score"]
    assert [each.decided.method for each in other if each.decided] == [
        "influence, t, logit", "influence paired, t, skew-corrected",
    ]  # fmt: skip


def test_equal_models_are_equal_on_every_query() -> None:
    """What could have gone unseen on the queries bounds their difference."""
    rows = table()
    rows["candidate"] = rows["champion"]
    found = only(ask(rows, "map >= champion - 0.05"))

    assert found.decided is not None
    assert found.decided.method == "identical on every query, exact"
    assert found.verdict is Verdict.PASS


def test_gaps_and_found_slices_are_of_queries() -> None:
    """The widest pair of slices; the worst conjunction by the loss 1 − NDCG."""
    rows = table(900)
    rows["candidate"] = np.where(rows["market"] == "BR", -rows["label"], rows["candidate"])
    found = ask(
        rows, "ndcg(5) gap over market <= 0.9",
        slices=["market", {"column": "words", "quantiles": 2}, {"find": {"depth": 2, "min_rows": 50}}],
    )  # fmt: skip

    assert only(found).detail["pair"][1] == "BR"
    assert found.context["found_slices"]["loss"] == "1 - ndcg"
    assert found.context["found_slices"]["worst"]["slice"].startswith("market=BR")
    assert found.context["queries"] == 900


def test_quantiles_of_a_slice_are_of_queries() -> None:
    """A query with many rows does not move the edges."""
    rows = table(40)
    wide = np.flatnonzero(rows["words"] == 0).repeat(50)
    rows = {name: np.concatenate([column, column[wide]]) for name, column in rows.items()}
    found = ask(rows, "mrr >= 0.1 on each words", slices=[{"column": "words", "quantiles": 2}])

    assert [(one.slice["words"], one.rows) for one in found.findings] == [("(-inf,5)", 20), ("[5,inf)", 20)]


@pytest.mark.parametrize(
    ("column", "more"),
    [
        ("market", {"slices": ["market"]}),
        ("words", {"slices": [{"name": "long", "where": {"words": {"gt": 4}}}]}),
        ("w", {"weight": "w"}),
        ("user", {"cluster": "user"}),
    ],
)
def test_what_is_said_of_a_query_is_the_same_in_all_its_rows(column: str, more: dict[str, Any]) -> None:
    """Else it is refused, with the column and two rows."""
    rows = {
        "q": ["a", "b", "a", "b"], "label": [1, 0, 0, 1], "candidate": [1.0, 2.0, 3.0, 4.0],
        "market": ["BR", "US", "BR", "LU"], "words": [1, 2, 3, 9], "w": [1.0, 2.0, 1.0, 3.0], "user": [1, 2, 1, 1],
    }  # fmt: skip
    result = ask(rows, "mrr >= 0.1", **more)

    assert result.verdict is Verdict.ERROR
    what = {"market": "column of slice 'market'", "words": "column of slice 'long'", "w": "weight", "user": "cluster"}
    assert result.reason == (
        f"data 'table': the {what[column]} (column {column!r} of table) differs within a query: "
        "row 2 and row 4 are of one query"
    )


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ([-1.0, 1.0], "is negative or infinite in 1 row: row 1"),
        ([None, 1.0], "is missing in 1 row: row 1"),
        (["good", "bad"], "holds string, not numbers"),
    ],
)
def test_a_relevance_is_a_number_from_zero_on(label: list[Any], said: str) -> None:
    """Else nothing is measured, and the row is named."""
    result = ask({"q": ["a", "a"], "label": label, "candidate": [1.0, 2.0]}, "mrr >= 0.1")

    assert result.verdict is Verdict.ERROR
    assert said in result.reason
    assert only(ask({"q": ["a", "a"], "label": [True, False], "candidate": [1.0, 2.0]}, "mrr >= 0.1")).observed == 0.5


def test_a_missing_query_is_an_error() -> None:
    """A row that answers no query says nothing."""
    result = ask({"q": ["a", None], "label": [1, 0], "candidate": [1.0, 2.0]}, "mrr >= 0.1")

    assert result.verdict is Verdict.ERROR
    assert "the query (column 'q' of table) is missing in 1 row: row 2" in result.reason


def test_nothing_relevant_anywhere_is_never_a_pass() -> None:
    """With the reason."""
    found = only(ask({"q": ["a", "b"], "label": [0, 0], "candidate": [1.0, 2.0]}, "ndcg >= 0.1"))

    assert (found.verdict, found.code) == (Verdict.INCONCLUSIVE, "undefined")
    assert found.reason == "ndcg: no query has a relevant row (2 queries)"
    assert found.remedy == "give queries in which the metric is defined"


def test_no_queries_at_all_are_never_a_pass() -> None:
    """A search for slices among none finds none."""
    rows = {name: column[:0] for name, column in table(1).items()}
    found = ask(rows, "ndcg >= 0.1", slices=["market", {"find": {"depth": 1}}])

    assert (found.verdict, only(found).reason) == (Verdict.INCONCLUSIVE, "ndcg: there are no queries")
    assert found.context["found_slices"]["searched"] == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("recall_at >= 0.5", "recall_at needs k"),
        ("rmse <= 0.5", "rmse is for task regression, and this one is ranking"),
        ("ndcg(0) >= 0.5", "k must be a whole number, 1 or more, and is 0"),
        ("mrr(relevant=0) >= 0.5", "relevant must be a label above 0"),
        ("mrr(gain=linear) >= 0.5", "mrr takes k, relevant, not 'gain'"),
        ("ndcg(gain=cubic) >= 0.5", "gain must be linear or exponential, and is 'cubic'"),
    ],
)
def test_an_argument_that_says_nothing_is_refused(line: str, said: str) -> None:
    """Without a pipeline too."""
    with pytest.raises(UsageError, match=re.escape(said)):
        ask(table(10), line, task="ranking")


def test_a_ranking_without_queries_is_refused() -> None:
    """Every row would be a query of its own, and every order perfect."""
    with pytest.raises(UsageError, match="ndcg is judged by query, and the table names no query column"):
        run_gate("metrics", table=table(10), require=["ndcg >= 0.5"])


def test_a_candidate_at_the_margin_passes_one_time_in_twenty() -> None:
    """Of a mean over few queries: 50 and 200 of them, against its true value, and beside a champion that is truly better."""
    large = table(20_000, noise=1.0, seed=9)
    judged = np.unique(large["q"][large["label"] > 0])
    truth = only(ask(large, "ndcg(5) >= champion - 0.5"))
    assert truth.observed is not None
    assert truth.champion is not None
    lines = [f"ndcg(5) >= {truth.observed!r}", f"ndcg(5) >= champion - {truth.champion - truth.observed!r}"]
    order = np.argsort(large["q"], kind="stable").reshape(-1, DOCS)
    names = large["q"][order[:, 0]]
    draw, runs = np.random.default_rng(2), 300
    for queries in (50, 200):
        passed = np.zeros(2)
        for _ in range(runs):
            chosen = order[np.searchsorted(names, draw.choice(judged, queries))]
            rows = {name: large[name][chosen.ravel()] for name in ("label", "candidate", "champion")}
            rows["q"] = np.repeat(np.arange(queries), DOCS)
            passed += [one.verdict is Verdict.PASS for one in ask(rows, *lines).findings]

        assert (passed / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)).all()
