r"""The linearized network under adversarial training: r'(t) = -Theta E(t) r(t), integrated.

E(t) = blockdiag_i exp(eta_i(t) S Theta_x(x_i, x_i)).  Outputs follow from the integral of the searched
residual, f_t(x) = f_0(x) - Theta(x, X) int_0^t E r, so the cost depends on samples and outputs only,
never on the number of parameters.  Source: theory, section 0 (equation (*)); Fu & Wang, ICLR 2024
(arXiv 2310.06112), section 4.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from advntk.implementations.definiteness import bound
from advntk.implementations.dynamics.regularization import search_growth
from advntk.implementations.dynamics.schedules import Schedule
from advntk.implementations.results import of_integrator

BlockKernel = Float[Array, "k c m c"]


class LinearFlow(NamedTuple):
    """The flow at the times asked for.

    `residuals` are r(t) = f_t(X) - y, `integrals` are int_0^t E r, `steps` how many steps the integrator
    took, `result` its `Result`: unless that is 0 it stopped early, and the numbers after that are not finite.
    """

    times: Float[Array, " times"]
    residuals: Float[Array, "times m c"]
    integrals: Float[Array, "times m c"]
    steps: Int[Array, ""]
    result: Int[Array, ""]


class _TwoSteps(diffrax.VeryChord):
    """Solves the stages of an implicit method for a linear system: one step, and one to refine it.

    To judge by how fast steps shrink, as one must for nonlinear systems, takes the rounding that is left
    after the first step for divergence: ten times as many steps of the integrator, or no end of them.
    """

    def terminate(self, fn: Any, y: Any, args: Any, options: Any, state: Any, tags: Any) -> tuple[Any, Any]:
        """Done after two steps, unless the linear solver failed."""
        return state.step >= 2, state.result


def integrate(
    ntk: Float[Array, "m c m c"],
    ark_blocks: Float[Array, "m c c"],
    residual: Float[Array, "m c"],
    schedule: Schedule,
    times: Float[Array, " times"],
    tolerance: Float[Array, ""] | float = 1e-11,
    max_steps: int = 100_000,
) -> LinearFlow:
    """Integrate from the residual at time 0 to all of `times` (increasing, the first may be 0).

    Kvaerno5 with steps controlled to `tolerance` relative to the size of the initial residual: the
    system is stiff as soon as eigenvalues of Theta E differ, and an implicit method of order five
    does not mind.

    Args:
      ntk: Theta(X, X), (m, c, m, c).
      ark_blocks: diagonal blocks of the ARK, (m, c, c), symmetric.
      residual: f_0(X) - y, (m, c).
      schedule: eta_i(t) S of each sample.
      times: from 0 on, increasing.
      tolerance: of one step, relative to the initial residual.
      max_steps: of the integrator.

    Returns:
      Residuals and integrals at all times, with the `Result`.
    """

    values, vectors = jnp.linalg.eigh(ark_blocks)

    def slope(t: Any, state: tuple, _: Any) -> tuple:
        # E(t) r in the eigenbasis of the blocks, which does not depend on time.
        growth = jnp.exp(values * schedule.strengths(t)[:, None])
        moved = jnp.einsum("iak,ik,ibk,ib->ia", vectors, growth, vectors, state[0])
        return -jnp.einsum("iajb,jb->ia", ntk, moved), moved

    size = jnp.sqrt((residual**2).mean())
    # Residual and integral have different units; each is held to its own size.
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Kvaerno5(root_finder=_TwoSteps(rtol=1.0, atol=1.0)),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=(residual, jnp.zeros_like(residual)),
        saveat=diffrax.SaveAt(ts=times),
        # Steps end at the times asked for: what is interpolated inside a step has no error control.
        stepsize_controller=diffrax.ClipStepSizeController(
            diffrax.PIDController(rtol=tolerance, atol=tolerance * size), step_ts=times
        ),
        adjoint=diffrax.ForwardMode(),  # nothing is differentiated through the solution
        max_steps=max_steps,
        throw=False,
    )
    assert solution.ys is not None
    residuals, integrals = solution.ys
    steps = jnp.asarray(solution.stats["num_steps"])
    return LinearFlow(times, residuals, integrals, steps, of_integrator(solution.result))


def integrate_seeds(
    ntk: Float[Array, "s m c m c"],
    ark_blocks: Float[Array, "s m c c"],
    residual: Float[Array, "s m c"],
    schedule: Schedule,
    times: Float[Array, "*s times"],
    tolerance: Float[Array, ""] | float = 1e-11,
) -> LinearFlow:
    """`integrate` for several systems, one per seed, in one compiled program; `times` may differ by seed.

    Args:
      ntk: (s, m, c, m, c).
      ark_blocks: (s, m, c, c), symmetric.
      residual: (s, m, c).
      schedule: shared by the seeds.
      times: (times,), or (s, times).
      tolerance: of one step, relative to the initial residual.

    Returns:
      As `integrate`, with a leading seed axis.
    """
    times = jnp.broadcast_to(times, (len(ntk), times.shape[-1]))
    return _integrate_seeds(ntk, ark_blocks, residual, schedule, times, tolerance)


@jax.jit
def _integrate_seeds(
    ntk: Array, ark_blocks: Array, residual: Array, schedule: Schedule, times: Array, tolerance: Array | float
) -> LinearFlow:
    def one(system: tuple[Array, Array, Array, Array]) -> LinearFlow:
        ntk, ark_blocks, residual, times = system
        return integrate(ntk, ark_blocks, residual, schedule, times, tolerance)

    # A loop: a batched integrator takes longer to trace than it saves in these few steps.
    return jax.lax.map(one, (ntk, ark_blocks, residual, times))


def outputs(
    initial: Float[Array, "k c"], cross_ntk: BlockKernel, integral: Float[Array, "m c"]
) -> Float[Array, "k c"]:
    """f_t at any inputs: f_0(x) - Theta(x, X) int_0^t E r, `cross_ntk` being Theta(x, X)."""
    return initial - jnp.einsum("kajb,jb->ka", cross_ntk, integral)


def searched_residual(
    ark_blocks: Float[Array, "m c c"], strengths: Float[Array, " m"], residual: Float[Array, "m c"]
) -> Float[Array, "m c"]:
    """Residual after the search: exp(eta_i S Theta_x(x_i, x_i)) (f(x_i) - y_i)."""
    return jnp.einsum("iab,ib->ia", search_growth(ark_blocks, strengths), residual)


def integrated_search(
    jacobians: Float[Array, "m c d"],
    residual: Float[Array, "m c"],
    strengths: Float[Array, " m"],
    tolerance: float = 1e-12,
) -> Float[Array, "m c"]:
    """Residual after the search of a network linear in x, the search integrated in input space.

    The slow way to `searched_residual`, which it knows nothing of: Dopri8 on d_u x = eta S J' r.

    Args:
      jacobians: d_x f(x_i), (m, c, d).
      residual: f(X) - y at the clean inputs, (m, c).
      strengths: eta_i S, (m,).
      tolerance: of one step, relative to the residual.

    Returns:
      Residual at the end of the search, (m, c).
    """

    def slope(_: Any, moved: Array, __: Any) -> Array:
        here = residual + jnp.einsum("icd,id->ic", jacobians, moved)
        return strengths[:, None] * jnp.einsum("icd,ic->id", jacobians, here)

    size = jnp.sqrt((residual**2).mean())
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Dopri8(),
        t0=0.0,
        t1=1.0,
        dt0=None,
        y0=jnp.zeros_like(jacobians[:, 0]),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance * size),
        adjoint=diffrax.ForwardMode(),
        max_steps=4096,
        throw=False,
    )
    assert solution.ys is not None
    return residual + jnp.einsum("icd,id->ic", jacobians, solution.ys[0])


def lyapunov(ntk: Float[Array, "m c m c"], residual: Float[Array, "m c"]) -> Float[Array, ""]:
    """V = r' Theta^{-1} r, which no admissible schedule lets fall slower than e^{-2 lambda_min t}.

    NaN where Theta is singular to working precision (`definiteness`).
    """
    size = residual.size
    theta, flat = ntk.reshape(size, size), residual.reshape(-1)
    found = flat @ jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(theta), flat)
    values = jnp.linalg.eigvalsh(theta)
    return jnp.where(values[0] > bound(size, values[-1], ntk.dtype), found, jnp.nan)
