"""The page about sign-off names tests and codes that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/sign-off.md").read_text()
ATTACKS = (ROOT / "docs/internals/attacks.md").read_text()


def test_every_attack_is_played_by_a_test_that_there_is() -> None:
    """And every test that plays one stands in the table: fifty numbers, each played at least once."""
    there = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", ATTACKS))
    played = {name for name in there if re.match(r"test_\d\d_", name)}

    assert named <= there
    assert played <= named
    assert {int(name[5:7]) for name in played} == set(range(1, 51))


def test_every_code_is_explained() -> None:
    """Those that a decision or an ignored vote can have."""
    rooms = [ROOT / f"src/lockgate/signoff/{name}.py" for name in ("decision", "ssh")]
    sources = [*rooms, *(ROOT / "src/lockgate/integrations").rglob("*.py")]
    source = "\n".join(path.read_text() for path in sources)
    made = set(re.findall(r'(?:Objection|IgnoredVote)\(\s*(?:vote,\s*)?"(\w+)"', source))
    made |= set(re.findall(r'SignoffDecision\(\s*"\w+",\s*"(\w+)"', source))

    assert len(made) > 25
    assert {code for code in made if f"`{code}`" not in PAGE} <= {
        "approved",
        "nobody_signs",
        "no_signoff",
        "nobody_to_ask",
        "no_time",
    }
