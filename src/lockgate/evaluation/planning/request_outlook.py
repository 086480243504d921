"""Power of requirements on requests before a run: latency, failures, and counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from lockgate.evaluation.estimation.estimate import CONFIDENCE
from lockgate.evaluation.judging.number_format import safely_rounded, short
from lockgate.evaluation.judging.rows_needed import POWER
from lockgate.evaluation.latency.request_limits import PERCENTILES, least_requests
from lockgate.evaluation.planning.outlook import Outlook
from lockgate.evaluation.requirements.requirement import Requirement
from lockgate.evaluation.requirements.subject import Subject
from lockgate.hashing import number
from lockgate.models.load_spec import Load
from lockgate.stats.proportions import binomial_at_most

_MOST_REQUESTS = 10**8  # more than anybody sends


def counted_outlook(name: str, line: Requirement, *, units: int | None, unit: str) -> Outlook:
    """Of a requirement that is counted on the run. units: how many are counted among, where known and more than one."""
    words = "counted: a fact of the run, without an error rate"
    blank = Outlook(name, (), units or 0, None, "decidable", words, counted_in=unit, basis="counted")
    if not units or units < 2 or line.op != "<=" or line.limit.relative:
        return blank
    # None among n: a share with (1 − share)^n = alpha is still possible.
    unseen = 1 - (1 - CONFIDENCE) ** (1 / units)
    words = f"counted among {units:,} {unit}; none among them leaves up to {short(100 * unseen)} % unseen"
    return replace(blank, words=words, figures={"unseen": number(unseen)})


def timed_outlook(name: str, line: Requirement, subject: Subject, *, load: Load) -> Outlook:
    """Of a requirement on latency or failures, of which each model gets the requests of this load."""
    requests, stall = load.planned, load.stall or 1  # None where time alone ends the load
    blank = Outlook(name, (), requests or 0, None, "unknown", "", counted_in="requests")
    if subject.counted:
        return counted_outlook(name, line, units=requests if line.subject == "errors" else None, unit="requests")
    if line.claim == "point":
        return blank.not_planned()
    least = least_requests(line, stall=stall)
    if requests is None:
        fewest = "" if least is None else f"; it takes {least:,} at least"
        return blank.not_planned(
            f"how many requests a closed loop sends in its time is not known{fewest}", "closed_loop", fewest=least
        )
    if least is not None and requests < least:
        few = blank.underpowered(f"{requests:,} requests bound nothing; {least:,} are the fewest that can")
        return replace(few, enough=least)
    beyond = 1 - PERCENTILES[line.subject] if line.subject in PERCENTILES else line.limit.value
    longest = None if least is None else requests * stall // least
    figures = {} if longest is None else {"allowed_stall": load.stall, "longest_stall": longest}
    unseen = "" if longest is None else f"; {_unseen(load.stall, longest)}"
    if line.limit.relative or line.op != "<=" or least is None:
        each = f"{load.blocks} blocks of {max(requests // max(load.blocks, 1), 1):,} requests"
        tail = f" ({round(requests * beyond):,} requests beyond it in all)" if line.subject in PERCENTILES else ""
        return blank.not_planned(
            f"how much {each} a model differ{tail} is known when they were sent{unseen}", "blocks", **figures
        )
    most = most_beyond(requests, beyond, alpha=1 - (line.confidence or CONFIDENCE), stall=stall)
    outcome = "take longer" if line.subject in PERCENTILES else "fail"
    rate = true_rate(requests / stall, most / stall)
    words = (
        f"has power: passes while at most {most:,} of {requests:,} requests {outcome}, with 90 % power where at most "
        f"{safely_rounded(100 * rate, up=False, figures=2):.6g} % truly do; fewer count where requests resemble each other{unseen}"
    )
    figures |= {"most": most, "beyond_limit": line.subject in PERCENTILES}
    return replace(blank, status="decidable", words=words, observed=most / requests, basis="requests", figures=figures)


def _unseen(stall: int | None, longest: int) -> str:
    """What is allowed for of stalls, or how long one may be that nothing is said of."""
    if stall is not None:
        return f"stalls of up to {stall:,} requests in a row are allowed for"
    return f"a rare stall of over {longest:,} requests in a row would go unseen: see load.stall"


def most_beyond(requests: int, share: float, *, alpha: float, stall: float = 1) -> int:
    """The most requests beyond a limit with which the share beyond it is still shown to be small enough; −1 where none is.

    stall: how many of them count as one. Source: the order-statistic bound, as MLPerf LoadGen stops early.
    """
    return edge(requests, lambda beyond: binomial_at_most(beyond / stall, requests / stall, share) > alpha) - 1


def requests_to_pass(requests: int, over: int, share: float, *, alpha: float, effect: float) -> int | None:
    """How many requests pass where as large a part of them lies over the limit as of these; None where no number does.

    effect: how many of them count as one.
    """
    if over >= share * requests:
        return None

    def passes(more: int) -> bool:
        return most_beyond(more, share, alpha=alpha, stall=effect) >= over * more / requests

    high = requests
    while not passes(high):
        if high > _MOST_REQUESTS:
            return None
        high *= 2
    return bisect_left(range(high + 1), x=True, lo=high // 2, key=passes) if high > requests else requests


def edge(top: int, holds: Callable[[int], bool]) -> int:
    """The smallest number from 0 to top + 1 from which on it holds."""
    return bisect_left(range(top + 1), x=True, key=holds)


def true_rate(units: float, most: float) -> float:
    """The largest true rate with which at most so many of the units occur with 90 % power."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_at_most(most, units, middle) >= POWER else (low, middle)
    return low


def seconds_of(load: Load | None, *, models: int) -> float | None:
    """How long a load takes, where it says how long, or how many a second."""
    if load is not None and load.duration is not None:
        return load.duration.total_seconds() * len(load.sizes) * models
    if load is not None and load.planned is not None and load.arrival_rate is not None:
        return load.planned / load.arrival_rate * len(load.sizes) * models
    return None
