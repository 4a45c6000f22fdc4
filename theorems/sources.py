"""Where statements come from: the paper that the first theory is from, and this project."""

from __future__ import annotations

from advntk.theorems.vocabulary import Source


def fu_wang(where: str) -> Source:
    """A place in Fu & Wang, ICLR 2024."""
    return Source(
        "Fu & Wang, Theoretical Analysis of Robust Overfitting for Wide DNNs: An NTK Approach, "
        "ICLR 2024, arXiv 2310.06112",
        where,
        "https://arxiv.org/abs/2310.06112",
    )


def derived_in(theorem: str) -> Source:
    """A derivation of this project, in the file of the theorem with this id."""
    return Source("derived in this project", f"theorems/{theorem}.py, steps verified with sympy")
