"""A small linear system (*), and what drives it, by the slow way: dense exponentials, adaptive quadrature."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import scipy.integrate
import scipy.linalg
from jaxtyping import Float

from advntk.checks.scenario import Scenario
from advntk.checks.trials.shared.stated_search import STRENGTHS
from advntk.implementations.dynamics.schedules import Schedule

M, C = 3, 2


class PlainSystem:
    """A linear system (*) of three samples and two outputs, unequal in everything."""

    def __init__(self, scenario: Scenario) -> None:
        rng = np.random.default_rng([scenario.data_seed, 72])
        n = M * C
        root = rng.standard_normal((n, 2 * n)) / np.sqrt(2 * n)
        self.theta = root @ root.T
        self.jacobians = rng.standard_normal((M, C, 5)) / 2
        self.ark = np.einsum("iad,ibd->iab", self.jacobians, self.jacobians)
        self.residual = rng.standard_normal((M, C))
        self.shape = scenario.schedule
        differ = np.linspace(-1, 1, M)
        self.scale = scenario.strength * (1 + scenario.spread * differ)
        self.rate = 1 - scenario.spread * differ / 2
        # Beyond the kink of some samples' early stopping, and not of others'.
        self.time = 0.9

    @property
    def schedule(self) -> Schedule:
        """For the program under test."""
        return Schedule.of(self.shape, jnp.asarray(self.scale), jnp.asarray(self.rate))

    def strengths(self, time: float) -> Float[np.ndarray, " m"]:
        """eta_i(t) S."""
        return np.array(
            [s * STRENGTHS[self.shape](r * time) for s, r in zip(self.scale, self.rate, strict=True)]
        )

    def growth(self, time: float) -> Float[np.ndarray, "m c c"]:
        """The blocks of E."""
        return np.array(
            [scipy.linalg.expm(s * a) for s, a in zip(self.strengths(time), self.ark, strict=True)]
        )

    def integrated(self, function: Callable[[float], np.ndarray], until: float) -> np.ndarray:
        """Over [0, until], with the kinks of the schedule as ends of intervals."""
        kinks = [one for one in 1 / self.rate if 0 < one < until]
        found: np.ndarray = scipy.integrate.quad_vec(
            function, 0, until, epsabs=1e-13, epsrel=1e-12, points=kinks
        )[0]
        return found

    def xi(self, until: float) -> Float[np.ndarray, "m c c"]:
        """Xi by adaptive quadrature."""
        return self.integrated(self.growth, until) if until > 0 else np.zeros((M, C, C))

    def xi_by_panels(self, until: float) -> Float[np.ndarray, "m c c"]:
        """Xi by 24 Gauss-Legendre nodes between kinks, all exponentials at once."""
        ends = [0.0, *sorted(one for one in 1 / self.rate if 0 < one < until), until]
        x, w = np.polynomial.legendre.leggauss(24)
        found = np.zeros((M, C, C))
        for low, high in pairwise(ends):
            strengths = np.array([self.strengths(t) for t in (low + high) / 2 + (high - low) / 2 * x])
            growths = scipy.linalg.expm(strengths[:, :, None, None] * self.ark[None])
            found += (high - low) / 2 * np.einsum("q,qiab->iab", w, growths)
        return found

    def kink(self, until: float) -> float:
        """What panels may leave at the kink of early stopping: their square / 8 times the jump in slope."""
        if self.shape != "early_stopped":
            return 0.0
        jump = max(
            float(np.abs(a).sum(1).max() * s * r)
            for a, s, r in zip(self.ark, self.scale, self.rate, strict=True)
        )
        return (until / 16) ** 2 / 8 * jump
