"""Statements put into Unicode for a terminal: what is lost must not change what they say."""

from __future__ import annotations

import re
import unicodedata

import pytest

from advntk.theorems.catalogue import load
from advntk.theorems.notation import plain

READ_AS_NAMES = {"min", "max", "sup", "lim", "ln", "exp"}
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
        (r"$J J^\top$", "J Jᵀ"),
        (r"$\hat\Xi$", "Ξ\u0302"),
        # An index belongs to the letter under the hat.
        (r"$\hat\Theta_x$", "Θ\u0302_x"),
        (r"$\hat\Theta_\theta - \Theta_\theta$", "Θ\u0302_θ - Θ_θ"),
        (r"$\sqrt\kappa + \sqrt{\lambda}$", "√κ + √λ"),
        (r"$\dot V = -2 r^\top E r$ along $\dot r = -\Theta E r$", "V\u0307 = -2 rᵀ E r along ṙ = -Θ E r"),
        (r"$\frac12$, $\frac{1}{2} t$, $\frac{a + b}c$", "1/2, 1/2 t, (a + b)/c"),
        (r"$E \prec I$, $\ell_\infty$, $\varpi \neq 0$", "E ≺ I, ℓ_∞, ϖ ≠ 0"),
        (r"$n^{-1/2} = 10^{-9} e^{-S} \Xi$", "n^(-1/2) = 10^-9 e^(-S)Ξ"),
        (r"$e^{-2\lambda_{\min}(E) t} \leq 1$", "e^(-2λ_min(E) t) ≤ 1"),
        (r"$\|e^{-\Theta\Xi}\| \to 0$", "‖e^(-ΘΞ)‖ → 0"),
        (r"$\sum_{l=1}^{L} x_{ij} x_{t,s}$", "∑_(l=1)^L x_ij x_t,s"),
        (r"$\tilde x \leq \bar y$", "x̃ ≤ y̅"),
        # What nobody knows keeps its name; what is no LaTeX stays as it is.
        (r"$\bogus x$", "bogus x"),
        (r"$\frac{$", r"\frac{"),
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
    # No name of a command is left over but those that are read as such, and every accent stands on a letter.
    for formula in statement.split("$")[1::2]:
        shown = plain(f"${formula}$")
        assert not set(shown) & set("{}")
        for name in set(re.findall(r"\\([A-Za-z]+)", formula)) - READ_AS_NAMES:
            assert name not in re.findall(r"[A-Za-z]+", shown), (name, shown)
        accents = len(re.findall(r"\\(?:hat|dot)\b", formula))
        found = unicodedata.normalize("NFD", shown)
        assert len(re.findall("[^\\W\\d_][\u0302\u0307]", found)) == accents, shown
    # Outside of formulas nothing changes.
    for words in statement.split("$")[::2]:
        assert words in text
