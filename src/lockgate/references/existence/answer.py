"""What looking up a reference gives."""

from __future__ import annotations

from dataclasses import replace

from lockgate.references.reference import Reference


def there(reference: Reference, detail: str = "") -> Reference:
    """It exists. detail: what else was learnt, a clause."""
    return replace(reference.noting(detail), exists=True)


def absent(reference: Reference, reason: str, remedy: str) -> Reference:
    """It does not exist, whatever its form says."""
    return replace(reference, exists=False, why=reason, remedy=remedy)


def unclear(reference: Reference, reason: str) -> Reference:
    """Nobody could tell."""
    return reference.noting(f"whether it exists is not known: {reason}")


def resolved(reference: Reference, pin: str, now: str) -> Reference:
    """It is not pinned, and this is what would pin it as it is. now: what it stands for at the moment."""
    return replace(reference, exists=True, remedy=f"write {pin}, {now}")
