"""Score the same batches by several models at the same time, none of them far ahead of the others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from queue import Empty, Queue, SimpleQueue
from typing import Any, Generic, TypeVar

from lockgate.errors import ModelFault

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")

_AHEAD = 1  # batches that wait for a model, so that it never idles and memory stays small
_END: Any = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _ScoringThread(Generic[Batch, Answer]):
    """One model in a thread of its own. It can be fed without limit of time: once it has ended it swallows what comes."""

    def __init__(self, role: str, score: Callable[[Iterator[Batch]], Iterator[Answer]]) -> None:
        self.role = role
        self._score = score
        self.inbox: Queue[Any] = Queue(_AHEAD)
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._ready: deque[Any] = deque()
        self._fed = True
        self.thread = threading.Thread(target=self._run, name=f"score {role}", daemon=True)
        self.thread.start()

    def answers_ready(self) -> bool:
        """Whether `answer` returns at once; raises what the model raised."""
        while not self._outbox.empty():
            self._ready.append(self._outbox.get())
        if self._ready and isinstance(self._ready[-1], _Failure):
            raise self._ready[-1].error
        return bool(self._ready)

    def answer(self) -> Any:
        """The next answer, `_END` after the last one. Raises what the model raised."""
        answer = self._ready.popleft() if self._ready else self._outbox.get()
        if isinstance(answer, _Failure):
            raise answer.error
        return answer

    def stop(self) -> None:
        """No more batches: what waits is taken back, and the thread ends after the batch that it is at."""
        try:
            while True:
                self.inbox.get_nowait()
        except Empty:
            self.inbox.put(_END)
        self.thread.join()

    def _batches(self) -> Iterator[Batch]:
        while (batch := self.inbox.get()) is not _END:
            yield batch
        self._fed = False

    def _run(self) -> None:
        try:
            for answer in self._score(self._batches()):
                self._outbox.put(answer)
            self._outbox.put(_END)
        except BaseException as error:  # it is raised again where the answers are awaited
            self._outbox.put(_Failure(error))
        while self._fed and self.inbox.get() is not _END:
            pass


def in_lockstep(
    batches: Iterable[Batch | None], scorers: Mapping[str, Callable[[Iterator[Batch]], Iterator[Answer]]]
) -> Generator[dict[str, Answer], None, None]:
    """For each batch, in order, what each role answered.

    Each scorer runs in a thread, takes batches at its own pace and at most a few of them ahead of the others. None among the
    batches is a halt: the next one is taken when all before it are answered, and what came of them was looked at. What one of
    them raises is raised here and ends the others after the batch that they are at. Raises ModelFault where one answers
    fewer or more times than there are batches.
    """
    threads = [_ScoringThread(role, score) for role, score in scorers.items()]
    sent = answered = 0

    def row() -> dict[str, Answer]:
        answers = {thread.role: thread.answer() for thread in threads}
        early = [role for role, answer in answers.items() if answer is _END]
        if early:
            raise ModelFault(f"the {early[0]} ended after {answered:,} batches of at least {sent:,}")
        return answers

    try:
        for batch in batches:
            if batch is None:
                while answered < sent:
                    yield row()
                    answered += 1
                continue
            for thread in threads:
                thread.inbox.put(batch)
            sent += 1
            ready = [thread.answers_ready() for thread in threads]
            while answered < sent and all(ready):
                yield row()
                answered += 1
                ready = [thread.answers_ready() for thread in threads]
        for thread in threads:
            thread.inbox.put(_END)
        while answered < sent:
            yield row()
            answered += 1
        for thread in threads:
            if thread.answer() is not _END:
                raise ModelFault(f"the {thread.role} answered more than the {sent:,} batches that it was given")
    finally:
        for thread in threads:
            thread.stop()
