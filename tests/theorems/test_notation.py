"""Statements put into Unicode for a terminal: what is lost must not change what they say."""

from __future__ import annotations

import pytest

from advntk.theorems.catalogue import load
from advntk.theorems.notation import plain

STATEMENTS = {
    text
    for theorem in load().theorems
    for text in (
        theorem.statement,
        *(claim.statement for claim in theorem.claims),
        *(claim.note for claim in theorem.claims),
        *(a.statement for claim in theorem.claims for a in claim.assumptions),
        *(step.statement for step in theorem.derivation),
    )
    if text
}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("", ""),
        ("no formula", "no formula"),
        (r"$\sigma_b > 0$, or not", "σ_b > 0, or not"),
        (r"if $c \geq 2$ and $d \leq 3$", "if c ≥ 2 and d ≤ 3"),
        (r"$\|x\|^2/d = O(1)$", "‖x‖^2/d = O(1)"),
        (r"$n \to \infty$", "n → ∞"),
        (r"$\frac{\kappa - 1}{\kappa + 1}$", "(κ - 1)/(κ + 1)"),
        (r"$\mathrm{tr}\,\Sigma^2$", "tr Σ^2"),
        (r"$J J^\top$", "J J^ᵀ"),
        (r"$\hat\Xi$", "Ξ\u0302"),
        # An index belongs to the letter under the hat.
        (r"$\hat\Theta_x$", "Θ\u0302_x"),
        (r"$\hat\Theta_\theta - \Theta_\theta$", "Θ\u0302_θ - Θ_θ"),
        (r"$\sqrt\kappa + \sqrt{\lambda}$", "√κ + √λ"),
    ],
)
def test_plain(statement, expected):
    assert plain(statement) == expected


def test_the_root_of_a_product_is_not_a_product_with_a_root():
    """What a claim says of a spread, sqrt(2 tr Sigma^2), is not sqrt(2) tr Sigma^2."""
    tail = r"\,\mathrm{tr}\,\Sigma^2"
    assert plain(rf"$\sqrt{{2{tail}}}$") != plain(rf"$\sqrt{{2}}{tail}$")


@pytest.mark.parametrize("statement", sorted(STATEMENTS))
def test_statements_lose_their_markup_and_keep_their_words(statement):
    text = plain(statement)
    assert not set(text) & set("$\\")
    # Outside of formulas nothing changes.
    for words in statement.split("$")[::2]:
        assert words in text
