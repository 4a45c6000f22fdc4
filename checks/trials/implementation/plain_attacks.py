r"""Attacks in NumPy on one sample each: projections by bisection, iterates one after the other.

Projections onto ball and box are those of the definition: the multiplier of the ball is found by halving,
where the program under test solves for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " d"]
Ascent = Callable[[Vector], tuple[float, Vector]]
_HALVINGS = 200


class Ball(NamedTuple):
    """A norm, a radius, and the box [low, high] of every coordinate."""

    norm: str
    radius: float
    low: float
    high: float


def size(norm: str, delta: Vector) -> float:
    """Norm of a perturbation."""
    length = np.abs(delta)
    return float({"linf": length.max(), "l2": np.sqrt((length**2).sum()), "l1": length.sum()}[norm])


def nearest(ball: Ball, clean: Vector, moved: Vector) -> Vector:
    """The point of ball and box that is nearest to `moved`."""
    delta = moved - clean
    low, high = ball.low - clean, ball.high - clean
    if ball.norm == "linf":
        return clean + np.clip(np.clip(delta, -ball.radius, ball.radius), low, high)

    def at(multiplier: float) -> Vector:
        if ball.norm == "l2":
            shrunk = delta * (1 - multiplier)
        else:
            shrunk = np.sign(delta) * np.maximum(
                np.abs(delta) - multiplier * np.abs(delta).max(initial=0.0), 0
            )
        return np.clip(shrunk, low, high)

    if size(ball.norm, at(0.0)) <= ball.radius:
        return clean + at(0.0)
    least, most = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if size(ball.norm, at(middle)) > ball.radius else (least, middle)
    return clean + at(most)


def steepest(norm: str, gradient: Vector) -> Vector:
    """Direction of unit norm in which the loss rises most."""
    return np.sign(gradient) if norm == "linf" else gradient / np.sqrt((gradient**2).sum())


def pgd_iterates(
    ball: Ball, ascent: Ascent, clean: Vector, start: Vector, step: float, steps: int
) -> list[Vector]:
    """All points at which projected gradient ascent looks, from its start on (linf and l2).

    Args:
      ball: where it may go.
      ascent: loss and gradient at a point.
      clean: centre of the ball.
      start: first iterate.
      step: length of a step.
      steps: their number.

    Returns:
      steps + 1 points.
    """
    found = [start]
    for _ in range(steps):
        here = found[-1]
        found.append(nearest(ball, clean, here + step * steepest(ball.norm, ascent(here)[1])))
    return found


def auto_pgd_iterates(ball: Ball, ascent: Ascent, clean: Vector, start: Vector, steps: int) -> list[Vector]:
    """The same of Auto-PGD: Croce & Hein 2020, algorithm 1, with momentum 3/4 and rho = 3/4.

    Args:
      ball: where it may go.
      ascent: loss and gradient at a point.
      clean: centre of the ball.
      start: first iterate.
      steps: their number.

    Returns:
      steps + 1 points.
    """
    shares = [0, 22]
    while shares[-1] + max(shares[-1] - shares[-2] - 3, 6) <= 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    ends = [-(-share * steps // 100) for share in shares[1:]]
    eta, halved, since, rises = 2 * ball.radius, False, 0, 0
    previous, here, found = start, start, [start]
    best, top = start, ascent(start)[0]
    top_at_end, before = top, None
    for k in range(steps + 1):
        loss, gradient = ascent(here)
        rises += before is not None and loss > before
        if loss > top:
            best, top = here, loss
        if k in ends:
            few = rises < 0.75 * (k - since)
            stuck = not halved and top == top_at_end
            halved, since, rises, top_at_end = few or stuck, k, 0, top
            if halved:
                eta, here = eta / 2, best
                loss, gradient = ascent(here)
        if k == steps:
            break
        plain = nearest(ball, clean, here + eta * steepest(ball.norm, gradient))
        weight = 1.0 if k == 0 else 0.75
        onward = nearest(ball, clean, here + weight * (plain - here) + (1 - weight) * (here - previous))
        previous, here, before = here, onward, loss
        found.append(here)
    return found


def most_along(ball: Ball, clean: Vector, slope: Vector) -> float:
    """The most that slope . delta can be within ball and box: the worst case of a linear margin."""
    room = np.where(slope > 0, ball.high - clean, clean - ball.low)
    length = np.abs(slope)
    if ball.norm == "linf":
        return float((length * np.minimum(room, ball.radius)).sum())
    if ball.norm == "l1":
        left, gained = ball.radius, 0.0
        for place in np.argsort(-length):
            taken = min(room[place], left)
            gained, left = gained + length[place] * taken, left - taken
        return float(gained)
    # l2: delta = min(s |slope|, room), s as large as the ball allows.
    least, most = 0.0, 1e12
    for _ in range(_HALVINGS):
        middle = np.sqrt(max(least, 1e-12) * most)
        inside = np.sqrt((np.minimum(middle * length, room) ** 2).sum()) <= ball.radius
        least, most = (middle, most) if inside else (least, middle)
    return float((length * np.minimum(least * length, room)).sum())


def classes(w: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Classes of the linear predictor W x + b, (k,)."""
    found: np.ndarray = (x @ w.T + b).argmax(1)
    return found


def margins(w: np.ndarray, b: np.ndarray, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The best of its other outputs less that of the label, (k,): above 0 where it is wrong."""
    f = x @ w.T + b
    mine = f[np.arange(len(f)), labels]
    f[np.arange(len(f)), labels] = -np.inf
    found: np.ndarray = f.max(1) - mine
    return found
