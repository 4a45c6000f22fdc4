"""Which checks are asked for a claim that several of them decide, each for networks of its own kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from advntk.checks.pins import Pin
from advntk.checks.trial import Check


def claims_by_check(
    checks: Sequence[Check], wanted: Collection[str], pins: Sequence[Pin]
) -> dict[str, list[str]]:
    """Of each check the claims that it is asked: those that no other check answers better.

    An axis held at a kind of thing, such as a family of networks, is for the checks that sample that kind;
    where none of a claim's checks does, all of them are asked.

    Args:
      checks: of the wanted claims.
      wanted: ids of claims.
      pins: axes held at a value that the axis has.

    Returns:
      Name of the check |-> ids of claims, in the check's order; none where others answer.
    """
    answering = {check.name: all(_samples(check, pin) for pin in pins) for check in checks}
    able = {claim for check in checks if answering[check.name] for claim in check.decides}
    return {
        check.name: [c for c in check.decides if c in wanted and (answering[check.name] or c not in able)]
        for check in checks
    }


def _samples(check: Check, pin: Pin) -> bool:
    """Whether the check measures what the axis is held at anyway, or cares about amounts only."""
    if pin.axis not in check.space:
        return True
    axis = check.space[pin.axis]
    value = axis.parse(pin.raw)
    if not isinstance(value, str):
        return True
    sampled = check.space.choices.get(pin.axis, (axis.default,))
    return isinstance(sampled, tuple) and value in sampled
