"""Whether the scenarios of a plan lie within what a claim assumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between, Space
from advntk.checks.strategies import draw
from advntk.implementations.foreign_code import Failure, contained, failure
from advntk.theorems.notation import plain
from advntk.theorems.vocabulary import Claim

# The scenarios along the sweep of one that is drawn.
Swept = Callable[[Scenario], Sequence[Scenario]]


def assumptions_hold(claim: Claim, scenarios: Sequence[Scenario]) -> bool | Failure:
    """Whether a claim's assumptions hold at all of these scenarios, or what one of them raised."""
    try:
        with contained():
            return not any(claim.unmet(scenario) for scenario in scenarios)
    except Exception as error:  # whatever a user's assumption raises
        return failure(error, f"an assumption of {claim.id}")


def is_settled_against(claim: Claim, space: Space, swept: Swept, seed: int) -> bool:
    """Whether an assumption fails along axes that have one value each, so that no draw can meet it."""
    free = {name for name, choice in space.choices.items() if isinstance(choice, Between) or len(choice) > 1}
    try:
        unmet = _unmet(claim, space, swept, seed)
    except Exception:  # whatever a user's assumption raises: nothing is settled
        return False
    return any(premise.axes and free.isdisjoint(premise.axes) for premise in unmet)


def out_of_scope(claim: Claim, space: Space, swept: Swept, seed: int) -> str:
    """Why a space lies outside a claim's scope, and what to do."""
    premise = "; ".join(a.statement for a in _unmet(claim, space, swept, seed)) or "its assumptions"
    return (
        f"outside the scope of {claim.id}, which assumes {plain(premise)}; "
        "choose another value or leave the claim out"
    )


def _unmet(claim: Claim, space: Space, swept: Swept, seed: int) -> list:
    """The assumptions that do not hold at the first point of a scenario of the space."""
    with contained():
        return [premise for found in draw(space, 1, seed) for premise in claim.unmet(swept(found)[0])]
