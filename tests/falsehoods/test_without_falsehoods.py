"""Where a falsehood is refuted, the same claims HOLD without it: no verdict is for the situation's sake.

The ordinary suite looks at one situation per theorem, `tox -e catch` at all.
"""

from __future__ import annotations

import pytest
from falsehood import parameters
from library import LIBRARY

pytestmark = pytest.mark.slow


def _controls() -> dict[str, list]:
    """Per situation (pins and widths) every claim that some falsehood puts to the test there."""
    found: dict[tuple, list] = {}
    for falsehood in LIBRARY:
        if falsehood.needs_no_plant:
            continue
        pins = falsehood.pins if falsehood.control is None else falsehood.control
        key = tuple(sorted(pins.items())), falsehood.widths
        claims, slow = found.setdefault(key, [set(), False])
        claims |= {falsehood.claim, *falsehood.also}
        found[key][1] = slow or falsehood.slow
    return {
        f"{number} {sorted(claims)[0]}": [sorted(claims), dict(pins), widths, slow]
        for number, ((pins, widths), (claims, slow)) in enumerate(found.items(), 1)
    }


CONTROLS = _controls()


# The first situation of each theorem that takes seconds.
FIRST = {name.split()[1].partition(".")[0]: name for name, c in reversed(list(CONTROLS.items())) if not c[3]}


@pytest.mark.parametrize(
    "control", parameters({name: name not in FIRST.values() for name in CONTROLS}, CONTROLS)
)
def test_without_the_falsehood_the_claim_holds(measure, control):
    claims, pins, widths, _ = control
    summary = measure(claims, pins, widths=widths)
    assert {claim["id"]: claim["verdict"] for claim in summary["claims"]} == dict.fromkeys(claims, "HOLDS"), [
        claim["reason"] for claim in summary["claims"]
    ]
