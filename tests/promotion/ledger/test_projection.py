"""What the registry must show follows from the ledger alone."""

from __future__ import annotations

from datetime import timedelta

from helpers.promoting import NOW
from lockgate.promotion.ledger.projection import all_tags, differing_aliases, differing_tags
from lockgate.units import utc_text
from promotion.ledger.test_soak import Record


def test_each_version_shows_its_state_and_who_made_it_production() -> None:
    """Last; what stood by and went keeps the tags of its promotion."""
    record = Record()
    record.add("adopted", "1", NOW)
    record.add("promoted", "2", NOW + timedelta(hours=1))
    record.add("rolled_back", "1", NOW + timedelta(hours=2))
    entries = record.chain.finished

    assert all_tags(entries) == {
        "1": {
            "lockgate.state": "production",
            "lockgate.evidence": entries[2].evidence,
            "lockgate.promoted_by": "ci (unverified)",
            "lockgate.promoted_at": utc_text(entries[2].at),
        },
        "2": {
            "lockgate.state": "withdrawn",
            "lockgate.evidence": entries[1].evidence,
            "lockgate.promoted_by": "ci (unverified)",
            "lockgate.promoted_at": utc_text(entries[1].at),
        },
    }


def test_only_what_differs_on_versions_that_exist_is_named() -> None:
    """Tags that are not ours do not matter."""
    wanted = {
        "1": {"lockgate.state": "standby"},
        "2": {"lockgate.state": "production"},
        "3": {"lockgate.state": "none"},
    }
    shown = {"1": {"lockgate.state": "standby", "team": "risk"}, "2": {"lockgate.state": "archived"}}

    assert differing_tags(wanted, shown) == {"2": {"lockgate.state": "production"}}


def test_an_alias_belongs_where_the_ledger_says() -> None:
    """Where the version that stands by is gone, nothing can point to it."""
    record = Record()
    record.add("adopted", "1", NOW)
    record.add("promoted", "2", NOW)
    wanted = record.chain.standing.aliases
    both = {"production": "2"}

    assert differing_aliases(wanted, both, ["1", "2"]) == {"previous": "1"}
    assert differing_aliases(wanted, both, ["2"]) == {}
    assert differing_aliases(wanted, {"production": "1"}, ["1", "2"]) == {
        "production": "2",
        "previous": "1",
    }
