"""What is kept of the answers to a load: each once, then each shape and a sample."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lockgate.models.server import kept_answers
from lockgate.models.server.kept_answers import UNREAD, Answers

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: now\r\n\r\n"


def numbers(answers: Answers, *documents: Any, head: bytes = HEAD) -> list[int]:
    bodies = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in documents]
    return [answers.number(bytearray(head), bytearray(body)) for body in bodies]


def test_equal_answers_are_kept_once() -> None:
    """Whatever their other headers say."""
    answers = Answers()
    first = numbers(answers, {"p": [1]}, {"p": [2]}, {"p": [1]})
    again = numbers(answers, {"p": [2]}, head=HEAD.replace(b"now", b"later"))

    assert (first, again) == ([0, 1, 0], [1])
    assert answers.kept[1] == (("", "application/json"), b'{"p": [2]}')


def test_how_a_body_is_to_be_read_is_part_of_it() -> None:
    """Of the last of several responses, and whatever the case of the names."""
    answers = Answers()
    numbers(
        answers,
        b"x",
        head=b"HTTP/1.1 100 Continue\r\nContent-Encoding: a\r\n\r\nHTTP/1.1 200\r\ncontent-encoding: gzip\r\n\r\n",
    )
    numbers(
        answers, b"x", head=b"HTTP/1.1 200\r\nVia: HTTP/1.1 proxy\r\nContent-Encoding: a\r\nContent-Encoding: b\r\n\r\n"
    )

    assert [head for head, _ in answers.kept] == [("gzip", ""), ("a, b", "")]


def test_beyond_many_a_new_shape_is_kept_and_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and texts make no new shape; other keys, a null, another number of values do."""
    monkeypatch.setattr(kept_answers, "KEPT", 3)
    monkeypatch.setattr(kept_answers, "SAMPLED", 4)
    answers = Answers()
    numbers(answers, 1, 2, 3)

    same = numbers(answers, *({"id": f'{i}"x', "p": [i / 7, -1e-9 * i]} for i in range(4)))
    others = numbers(answers, {"id": "", "p": [0.1]}, {"id": "", "error": "late"})

    assert same == [3, 3, 3, 3]
    assert others == [4, 5]
    assert numbers(answers, {"id": "z", "p": [3, 4]}, {"id": "", "p": None}) == [3, UNREAD]


def test_a_sample_of_a_known_shape_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each so many-th, compressed or not."""
    monkeypatch.setattr(kept_answers, "KEPT", 5)
    monkeypatch.setattr(kept_answers, "SAMPLED", 2)
    answers = Answers()
    numbers(answers, *range(5))

    zipped = [gzip.compress(json.dumps({"p": i}).encode()) for i in range(4)]
    head = HEAD.replace(b"Date", b"Content-Encoding: gzip\r\nDate")

    assert numbers(answers, *zipped, head=head) == [5, 5, 6, 5]
    assert answers.kept[6][1] == zipped[2]


def test_an_error_that_says_something_is_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a code beside 0, and a text beside an empty one, have the same keys and types."""
    monkeypatch.setattr(kept_answers, "KEPT", 2)
    answers = Answers()

    assert numbers(answers, {"error": 0}, {"error": ""}, {"error": 1}, {"errors": "x"}) == [0, 1, 2, 3]
    assert numbers(answers, {"error": 502}, {"errors": "late"}) == [2, 3]
