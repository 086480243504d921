"""Who carries an entry out renews a note while something takes long."""

from __future__ import annotations

import threading
from threading import Event

import pytest

from lockgate.errors import Unavailable
from lockgate.promotion.ledger.holder import renewing


@pytest.mark.parametrize("failure", [None, Unavailable("no answer", remedy="wait"), OSError("no network")])
def test_the_note_is_renewed_again_and_again_until_it_is_over(failure: Exception | None) -> None:
    """A renewal that fails is followed by the next; afterwards nobody writes any more."""
    renewals, often = list[int](), Event()

    def renew() -> None:
        renewals.append(threading.get_ident())
        if len(renewals) == 3:
            often.set()
        if failure is not None:
            raise failure

    with renewing(renew, every_s=0.0):
        assert often.wait(30.0)
    so_far = len(renewals)

    assert threading.get_ident() not in renewals, "what takes long goes on meanwhile"
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}
    assert len(renewals) == so_far


def test_what_is_over_before_a_renewal_is_due_renews_nothing_and_fails_as_it_would() -> None:
    """The heartbeat ends with it, whatever it raises."""
    renewals = list[int]()

    with pytest.raises(ZeroDivisionError), renewing(lambda: renewals.append(1), every_s=3600.0):
        raise ZeroDivisionError

    assert renewals == []
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}
