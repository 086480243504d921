"""A plan says where rows would go, how many, and how fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.pipeline import loader
from lockgate.pipeline.pipeline import Pipeline
from lockgate.reports.plan_words import sent_words
from lockgate.runs.answers.sent_rows import SentRows, asked_again, least_seconds, sent_rows

SPARED = (Path(__file__).parents[2] / "pipelines/good/target_spared.yaml").read_text()
BOTH = ("candidate", "champion")


def sent(text: str, folder: Path) -> list[SentRows]:
    pipeline: Pipeline = loader.read(text, name="p.yaml", root=folder)
    return sent_rows(pipeline, pipeline.gates[0], roles=BOTH, rows=1200)


def test_each_server_with_its_rows_and_its_rate(tmp_path: Path) -> None:
    """An address as it is asked, without what may be secret in it; both are asked at the same time."""
    found = sent(SPARED.replace("https://models", "https://u:pw@models"), tmp_path)

    address = "https://models.example.org/{}/v2/models/fraud/infer"
    assert found == [
        SentRows("candidate", address.format("new"), sample=False, rows=1200, rate=50.0),
        SentRows("champion", address.format("old"), sample=False, rows=1200, rate=50.0),
    ]
    assert least_seconds(found) == 24.0
    assert sent_words([each.to_json() for each in found]) == (
        f"its rows go to {address.format('new')} (candidate), at most 50 a second; its rows go to {address.format('old')} "
        "(champion), at most 50 a second"
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("scores: {champion: p}", "its rows go to {new} (candidate); a sample of its rows goes to {old} (champion)"),
        ("scores: {champion: p}, recorded: trusted", "its rows go to {new} (candidate)"),
        ("scores: {candidate: q, champion: p}, recorded: trusted", None),
    ],
)
def test_recorded_answers_are_sent_nowhere_or_a_sample_of_them(more: str, words: str | None, tmp_path: Path) -> None:
    text = SPARED.replace('path: "logs/*.jsonl"', f'path: "logs/*.jsonl", {more}').replace("  rate: 50/s\n", "")
    found = sent(text, tmp_path)

    addresses = {role: f"https://models.example.org/{role}/v2/models/fraud/infer" for role in ("new", "old")}
    assert sent_words([each.to_json() for each in found]) == (words and words.format(**addresses))
    assert least_seconds(found) is None


def test_models_on_this_machine_are_sent_nothing_elsewhere(tmp_path: Path) -> None:
    assert sent(SPARED.partition("target:")[0], tmp_path) == []


@pytest.mark.parametrize(
    ("more", "versions"),
    [
        ("scores: {champion: p}", "the champion"),
        ("scores: {candidate: q, champion: p}", "the candidate and the champion"),
        ("scores: {champion: p}, recorded: trusted", None),
        ("id: r", None),
    ],
)
def test_a_plan_says_of_whom_a_sample_is_asked_again(more: str, versions: str | None, tmp_path: Path) -> None:
    """On this machine too: it is what a recording costs beside its own rows."""
    text = SPARED.partition("target:")[0].replace('path: "logs/*.jsonl"', f'path: "logs/*.jsonl", {more}')
    pipeline: Pipeline = loader.read(text, name="p.yaml", root=tmp_path)
    sentences = asked_again(pipeline, pipeline.gates[0], roles=BOTH)

    assert [sentence.partition(":")[0] for sentence in sentences] == (
        [f"the answers of {versions} are recorded, and asked again of a sample"] if versions else []
    )
    assert all("300 to 1,000 rows" in sentence for sentence in sentences)
