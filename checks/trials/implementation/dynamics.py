r"""Trials of the dynamics: exponentials, Xi, closed forms and gradient descent against the slow way.

The slow way is: arbitrary precision for scalar functions, dense matrix exponentials and solves, adaptive
quadrature over time, and a plain loop of training steps.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import scipy.integrate
import scipy.linalg
from jaxtyping import Array

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.efforts import Effort, Measure
from advntk.checks.scenario import Scenario
from advntk.checks.spaces import Between
from advntk.checks.trial import trial
from advntk.checks.trials.implementation.comparing import EPS, compiled, gap, worst
from advntk.checks.trials.implementation.plain_networks import Layer, Plain, outputs, squared_loss_step
from advntk.checks.trials.implementation.plain_system import C, M, PlainSystem
from advntk.checks.trials.implementation.space import SYSTEMS
from advntk.checks.trials.shared.linear_systems import setting
from advntk.checks.trials.shared.plain_kernels import Limit, kernels
from advntk.checks.trials.shared.space import ADVERSARIAL_TRAINING
from advntk.checks.trials.shared.stated_search import STRENGTHS, stated_strengths
from advntk.implementations.dynamics.adversarial_training import Points
from advntk.implementations.dynamics.closed_form import closed_form, dense_propagator, limit_process
from advntk.implementations.dynamics.discrete_training import descend_seeds, gradient_descent
from advntk.implementations.dynamics.linearized import integrated_search, lyapunov, searched_residual
from advntk.implementations.dynamics.magnus import commutator_term, predicted_defect
from advntk.implementations.dynamics.predictor import ntk_regression, weights_along_time
from advntk.implementations.dynamics.regularization import (
    least_growth,
    search_growth,
    xi_blocks,
    xi_diagonal,
)
from advntk.implementations.dynamics.schedules import SHAPES, Schedule
from advntk.implementations.exponentials import convolved, phi1, phi2
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import forward_pass

UNSEEN = 2
# Sums of a few dozen products, in bases of moderate condition; adaptive quadrature and integrators are asked
# for 1e-12.
ROUNDINGS, QUADRATURE, SEARCH = 4096, 1e-11, 1e-9
_PARTS = ("exponentials", "regularization", "closed_forms", "commutator", "descent")


@trial(
    decides={
        "implementation.dynamics": [BoundDecider(name, f"{name}_allowed", "at most") for name in _PARTS]
    },
    space=SYSTEMS.over(
        strength=Between(0.1, 1.0), schedule=SHAPES, spread=(0.5, 0.0, 0.9), data_seed=tuple(range(8))
    ),
    effort=Effort(quick=Measure(5, 1), standard=Measure(20, 1), thorough=Measure(60, 1)),
    random=False,
    seconds=lambda _: 2.0,
)
def dynamics_by_hand(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """Everything that the linearized dynamics is put together from, and discrete training."""
    del keys
    system = PlainSystem(scenario)
    pairs = {
        "exponentials": _exponentials(np.random.default_rng([scenario.data_seed, 71])),
        **_linear(system),
        "descent": _descent(scenario, system),
    }
    found = {}
    for name, some in pairs.items():
        found[name], found[f"{name}_allowed"] = worst(*some)
    return found


@trial(
    decides={
        "implementation.units": [
            BoundDecider("strength_error", "strength_allowed", "at most"),
            BoundDecider("time_error", "time_allowed", "at most"),
        ]
    },
    space=ADVERSARIAL_TRAINING.over(
        depth=(1, 2),
        activation=("erf", "relu"),
        sigma_w=Between(1.1, 1.8),
        sigma_b=Between(0.0, 0.5),
        input_growth=("fixed",),
        input_width=(16,),
        schedule=SHAPES,
        strength=Between(0.1, 2.0),
        spread=(0.5, 0.0),
        training_time=(0.5, 2.0),
        data_seed=tuple(range(8)),
    ),
    effort=Effort(quick=Measure(5, 1), standard=Measure(20, 1), thorough=Measure(60, 1)),
    random=False,
    seconds=lambda _: 1.0,
)
def units_of_strength_and_time(scenario: Scenario, keys: Array) -> dict[str, np.ndarray]:
    """eta_i(t) S in units of 1/mean Theta_x, T in those of 1/mean Theta_theta, by a plain recursion."""
    del keys
    given = setting(scenario, UNSEEN)
    m = scenario.samples
    limit = Limit("mlp", scenario.depth, scenario.activation, scenario.sigma_w, scenario.sigma_b)
    x = np.asarray(given.points.x)[:m]
    own = [kernels(limit, one, one, quadrature=False) for one in x]
    ntk, ark = (float(np.mean([getattr(one, name) for one in own])) for name in ("ntk", "ark"))
    at = np.linspace(0, 1, 33)
    program = np.array([given.points.schedule.strengths(float(given.end) * share)[:m] for share in at]) * ark
    by_hand = np.array([stated_strengths(scenario, share) for share in at])
    strength = worst(gap(program, by_hand, ROUNDINGS))
    time = worst(gap([float(given.end) * ntk], [scenario.training_time], ROUNDINGS))
    return {
        "strength_error": strength[0],
        "strength_allowed": strength[1],
        "time_error": time[0],
        "time_allowed": time[1],
    }


def _exponentials(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """phi_1, phi_2 and the divided difference of two arguments, in fifty digits."""
    a = np.concatenate([[0.0, 1e-12, 1e-3, 0.999, 1.0, 1.001], 10 ** rng.uniform(-6, 4, 10)])
    b = np.concatenate([[0.0, 1e-12, 1e-3, 0.999, 2.0, 1.001], 10 ** rng.uniform(-6, 4, 10)])
    with mpmath.workdps(50):
        one = [(1 - mpmath.exp(-t)) / t if t else mpmath.mpf(1) for t in map(mpmath.mpf, a)]
        two = [(t - 1 + mpmath.exp(-t)) / t**2 if t else mpmath.mpf(1) / 2 for t in map(mpmath.mpf, a)]

        def between(u: float, v: float) -> float:
            # Distinct poles: a nudge far below double precision where they meet.
            nudge = mpmath.mpf(10) ** -15
            poles = [-mpmath.mpf(u) - nudge, -mpmath.mpf(v) - 2 * nudge, mpmath.mpf(0), nudge]
            terms = [
                mpmath.exp(p) / mpmath.fprod(p - q for j, q in enumerate(poles) if j != i)
                for i, p in enumerate(poles)
            ]
            return float(mpmath.fsum(terms))

    with mpmath.workdps(100):
        both = [between(u, v) for u, v in zip(a, b, strict=True)]
    wanted = [np.array([float(t) for t in some]) for some in (one, two)] + [np.array(both)]
    # The nudge is a rounding error itself.
    found = phi1(a), phi2(a), convolved(a, b)
    again = np.asarray(phi1(jnp.asarray(a)))
    pairs = [(f / w - 1, 64 * EPS) for f, w in zip((*found, again), (*wanted, wanted[0]), strict=True)]
    return [(np.asarray(e), np.full(len(a), bound)) for e, bound in pairs]


@compiled
def _by_program(
    theta: Array,
    ark: Array,
    jacobians: Array,
    residual: Array,
    schedule: Schedule,
    time: Array,
    same: Schedule,
) -> dict[str, Array]:
    ntk = theta.reshape(M, C, M, C)
    xi = xi_blocks(ark, schedule, time)
    strengths = schedule.strengths(time)
    kernel, nngp = theta[:M, :M], theta[M:, M:]
    diagonal = xi_diagonal(jnp.diagonal(ark, axis1=1, axis2=2), schedule, time)
    form = closed_form(ntk, xi, residual)
    mean, covariance = limit_process(
        kernel,
        nngp,
        diagonal[:, 0],
        theta[M : M + 2, :M],
        theta[:2, M:],
        theta[M : M + 2, M : M + 2],
        residual,
    )
    return {
        "strengths": strengths,
        "xi": xi,
        "diagonal": diagonal,
        "least": least_growth(ark, same, time),
        "growth": search_growth(ark, strengths),
        "searched": searched_residual(ark, strengths, residual),
        "integrated": integrated_search(jacobians, residual, strengths),
        "kept": form.residual,
        "weights": form.weights,
        "mean": mean,
        "covariance": covariance,
        "along": weights_along_time(kernel, diagonal[:, 0], residual, jnp.array([0.0, 0.3, 4.0])),
        "regression": ntk_regression(theta, residual.reshape(-1, 1)),
        "nothing": ntk_regression(jnp.ones((M, M)), residual),
        "lyapunov": lyapunov(ntk, residual),
        "commutator": commutator_term(ntk, ark, schedule, time),
        "defect": predicted_defect(ntk, ark, residual, schedule, time),
    }


def _linear(system: PlainSystem) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Of the linear system, what the program says beside what dense matrices say."""
    theta, ark, r, t = system.theta, system.ark, system.residual, system.time
    same = Schedule.of(system.shape, jnp.asarray(system.scale), jnp.ones(M))
    found = {
        name: np.asarray(value)
        for name, value in _by_program(
            jnp.asarray(theta), jnp.asarray(ark), jnp.asarray(system.jacobians), jnp.asarray(r),
            system.schedule, jnp.asarray(t), same,
        ).items()
    }  # fmt: skip
    close = partial(gap, roundings=ROUNDINGS)
    xi = system.xi(t)
    left = system.kink(t) + QUADRATURE * float(np.abs(xi).max())

    def within(name: str, wanted: np.ndarray, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        apart, rounding = close(found[name], wanted)
        return apart, rounding + factor * left

    def diagonal_of(time: float) -> np.ndarray:
        return np.array([np.exp(s * np.diag(a)) for s, a in zip(system.strengths(time), ark, strict=True)])

    def least_of(time: float) -> np.ndarray:
        shape = STRENGTHS[system.shape](time)
        lowest = [float(np.linalg.eigvalsh(a)[0]) * s * shape for s, a in zip(system.scale, ark, strict=True)]
        return np.array([np.exp(min(lowest))])

    regularization = [
        close(found["strengths"], system.strengths(t)),
        within("xi", xi),
        within("diagonal", system.integrated(diagonal_of, t)),
        within("least", scipy.integrate.quad_vec(least_of, 0, t, epsabs=1e-13)[0][0]),
        close(found["growth"], system.growth(t)),
    ]
    searched = np.einsum("iab,ib->ia", system.growth(t), r)
    size = float(np.abs(searched).max())
    regularization += [
        close(found["searched"], searched), (found["integrated"] - searched, np.full(r.shape, SEARCH * size))
    ]  # fmt: skip

    # Closed forms are functions of Xi as the program has it: its own error is not theirs.
    dense = scipy.linalg.block_diag(*found["xi"])
    decayed = scipy.linalg.expm(-theta @ dense)
    kept = decayed @ r.ravel()
    kernel, diagonal = theta[:M, :M], found["diagonal"][:, 0]
    a = theta[M : M + 2, :M] @ np.linalg.solve(kernel, np.eye(M) - scipy.linalg.expm(-kernel * diagonal))
    mixed = a @ theta[:2, M:].T
    along = [
        np.linalg.solve(kernel, r - scipy.linalg.expm(-kernel * diagonal * time) @ r)
        for time in (0.0, 0.3, 4.0)
    ]
    # An exponential's rounding grows with its argument; solving magnifies it by the condition number.
    size_of_argument = float(np.linalg.norm(theta, 2) * np.linalg.norm(dense, 2))
    solving = partial(gap, roundings=64 * float(np.linalg.cond(theta)) * (1 + size_of_argument))
    forms = [
        solving(found["kept"], kept.reshape(M, C)),
        solving(found["weights"], np.linalg.solve(theta, r.ravel() - kept).reshape(M, C)),
        solving(dense_propagator(theta, found["xi"]), decayed),
        solving(found["mean"], a @ r),
        solving(found["covariance"], theta[M : M + 2, M : M + 2] - mixed - mixed.T + a @ theta[M:, M:] @ a.T),
        solving(found["along"], np.array(along)),
        solving(found["regression"], np.linalg.solve(theta, r.reshape(-1, 1))),
        solving(found["lyapunov"], np.array(r.ravel() @ np.linalg.solve(theta, r.ravel()))),
        (np.array([float(np.isfinite(found["nothing"]).any())]), np.array([EPS])),
    ]

    def bracket(time: float) -> np.ndarray:
        parts = system.growth(time), system.xi_by_panels(time)
        one, two = (theta @ scipy.linalg.block_diag(*blocks) for blocks in parts)
        return (one @ two - two @ one) / 2

    # O_2 = 1/2 int [A, int A], and the derivative of the exponential at -Theta Xi along it.
    second = system.integrated(bracket, t)
    change = scipy.linalg.expm_frechet(-theta @ scipy.linalg.block_diag(*xi), second, compute_expm=False)
    factor = float(np.linalg.norm(theta) ** 2)
    defect = (change @ r.ravel()).reshape(M, C)
    commutator = [within("commutator", second, factor), within("defect", defect, 4 * factor * size)]
    return {"regularization": regularization, "closed_forms": forms, "commutator": commutator}


def _descent(scenario: Scenario, system: PlainSystem) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outputs at clean and searched inputs after some training steps, of a small network."""
    rng = np.random.default_rng([scenario.data_seed, 73])
    plain = Plain(False, "tanh", 1.3, 0.4, False, False)
    shapes: list[tuple[int, ...]] = [(4, 3), (C, 4)]
    start: list[Layer] = [(rng.standard_normal(shape), rng.standard_normal(shape[0])) for shape in shapes]
    x, y = rng.standard_normal((M + 1, 3)), rng.standard_normal((M + 1, C))
    # The last point is not trained on.
    scale, rate = (np.append(part, part.mean()) for part in (system.scale, system.rate))
    learning_rate, search_steps, counts = 0.15, 3, (0, 1, 4)

    def searched(parameters: list[Layer], step: int) -> np.ndarray:
        moved = x.copy()
        for place in range(len(x)):
            eta = scale[place] * STRENGTHS[system.shape](rate[place] * step * learning_rate)
            for _ in range(search_steps):
                at = outputs(plain, parameters, moved[place])
                moved[place] += eta / search_steps * ((at.value - y[place]) @ at.in_x)
        return moved

    wanted, parameters = [], start
    for step in range(counts[-1] + 1):
        moved = searched(parameters, step)
        if step in counts:
            wanted.append(
                [[outputs(plain, parameters, one, False).value for one in some] for some in (x, moved)]
            )
        parameters = squared_loss_step(plain, parameters, moved[:M], y[:M], learning_rate)
    schedule = Schedule.of(system.shape, jnp.asarray(scale), jnp.asarray(rate))
    points = Points(jnp.asarray(x), jnp.asarray(y), schedule)
    forward = forward_pass(architecture("mlp", 1, "tanh", 1.3, 0.4), shapes)
    stacked = jax.tree.map(lambda part: jnp.asarray(part)[None], start)
    how = gradient_descent(learning_rate, search_steps)
    found = descend_seeds(forward, stacked, points, M, jnp.asarray(counts), how)
    return [gap(np.asarray(found)[0], np.array(wanted), ROUNDINGS)]
