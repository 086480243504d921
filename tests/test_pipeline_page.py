"""docs/pipeline.md says of each key what the models say."""

from __future__ import annotations

from helpers.pipeline_page import PAGE, TABLE, definitions, filled


def test_the_tables_are_those_of_the_models() -> None:
    """Each part has its own, once; after a change, `PYTHONPATH=tests python -m helpers.pipeline_page` writes them."""
    page = PAGE.read_text(encoding="utf-8")

    assert sorted(match[2] for match in TABLE.finditer(page)) == sorted(definitions())
    assert filled(page) == page
