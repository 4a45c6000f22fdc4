"""Enclosures contain the truth: balls, eigenvalues, exponentials and bounds, against mpmath and floats."""

from __future__ import annotations

import math
import threading

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
from flint import arb, arb_mat, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.certificates.balls import (
    FIRST_BITS,
    MOST_BITS,
    Enclosure,
    doubled,
    enclosure,
    floats,
    matrix,
    midpoints,
    over_rounding,
    precision,
    root,
    vector,
)
from advntk.implementations.certificates.bounds import (
    certified_scale,
    extinction_time,
    lyapunov_decay,
    lyapunov_value,
    propagator_norm,
    transformed_margin,
)
from advntk.implementations.certificates.eigenvalues import (
    definite,
    largest_eigenvalue,
    smallest_eigenvalue,
)
from advntk.implementations.certificates.exponentials import (
    ball_closed_form,
    constant_growth,
    constant_xi,
    identity,
    phi1,
    propagator,
    spectral_norm,
)

FAIR = settings(derandomize=True, deadline=None, database=None, max_examples=40)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SEEDS = st.integers(0, 2**32 - 1)
# Digits of the reference: more than the balls are asked for.
mp.mp.dps = 60


def contains(ball, value):
    """Whether a ball contains a number of mpmath's, by outward-rounded comparison in 400 bits."""
    with precision(400):
        exact = arb(mp.nstr(value, 55))
        slack = abs(exact) * arb(10) ** -50 + arb(10) ** -300
        return bool((ball - exact).abs_lower() <= slack)


def gram_of(rng, n, rank=None):
    j = rng.standard_normal((n, rank or n + 2))
    return j @ j.T


@FAIR
@given(FINITE)
def test_a_float_goes_into_a_ball_and_back_unchanged(value):
    with precision(FIRST_BITS):
        found = enclosure(matrix(np.array([[value]]))[0, 0])
    assert (found.low, found.high) == (value, value)


@FAIR
@given(FINITE, FINITE)
def test_ends_are_rounded_outwards(a, b):
    with precision(FIRST_BITS):
        total = arb(a) + arb(b)
        found = enclosure(total)
        assert found.low <= found.high
        assert found.low == -np.inf or arb(found.low) <= total.lower()
        assert found.high == np.inf or arb(found.high) >= total.upper()
        # No more than the neighbours of the nearest float.
        near = float(total.mid())
        if np.isfinite(near):
            assert math.nextafter(near, -math.inf) <= found.low
            assert found.high <= math.nextafter(near, math.inf)


def test_what_has_no_bound_has_none():
    with precision(FIRST_BITS):
        for value in (arb.nan(), arb.pos_inf(), arb(0, "inf")):
            found = enclosure(value)
            assert (found.low, found.high) == (-np.inf, np.inf)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_have_no_ball(value):
    with pytest.raises(ValueError, match="not finite"):
        matrix(np.array([[1.0, value]]))


def test_precision_is_doubled_up_to_its_limit_and_no_further():
    tried = []

    def compute():
        tried.append(ctx.prec)
        return Enclosure(-1.0, 1.0, 0)

    found = doubled(compute, lambda e: e.low > 0)
    assert tried == [FIRST_BITS * 2**k for k in range(4)] and tried[-1] <= MOST_BITS < 2 * tried[-1]
    assert found == (-1.0, 1.0, tried[-1])
    assert doubled(compute, lambda e: True).bits == FIRST_BITS


def test_threads_do_not_change_each_others_precision():
    wrong = []

    def work(bits):
        for _ in range(200):
            with precision(bits):
                if ctx.prec != bits or arb(2).sqrt().rel_accuracy_bits() > bits + 2:
                    wrong.append(bits)

    before = ctx.prec
    workers = [threading.Thread(target=work, args=(bits,)) for bits in (64, 106, 512)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong and ctx.prec == before


@FAIR
@given(SEEDS, st.integers(1, 7))
def test_extreme_eigenvalues_are_enclosed(seed, n):
    rng = np.random.default_rng(seed)
    a = gram_of(rng, n, rng.integers(1, n + 3)) * 10.0 ** rng.integers(-8, 8)
    a = (a + a.T) / 2
    reference = mp.eigsy(mp.matrix(a.tolist()), eigvals_only=True)
    with precision(FIRST_BITS):
        balls = matrix(a)
        low, high = smallest_eigenvalue(balls), largest_eigenvalue(balls)
    assert contains(low, min(reference)) and contains(high, max(reference))
    # Narrow as well: two floats apart, and half of the bits are left for an eigenvalue that nearly cancels.
    assert enclosure(low).width <= 2 * np.spacing(abs(float(low.mid()))) + 2.0**-80 * np.abs(a).sum()


@FAIR
@given(SEEDS, st.integers(2, 6), st.sampled_from([0.0, 1e-15, 1e-30]))
def test_clustered_eigenvalues_make_no_difference(seed, n, gap):
    rng = np.random.default_rng(seed)
    with precision(2 * FIRST_BITS):
        spread = [arb(3) + arb(gap) * k for k in range(n)]
        turn, _ = np.linalg.qr(rng.standard_normal((n, n)))
        # Orthogonal to the precision of floats only, so a congruence of the identity is what is turned.
        basis = matrix(turn)
        diagonal = arb_mat([[spread[i] if i == j else arb(0) for j in range(n)] for i in range(n)])
        inverse = basis.inv()
        found = smallest_eigenvalue((inverse * diagonal * basis) if gap == 0 else diagonal)
        assert found.overlaps(arb(3))
        assert enclosure(found).width < 1e-14


@FAIR
@given(SEEDS, st.integers(1, 5))
def test_every_matrix_in_a_ball_has_its_eigenvalue_in_the_enclosure(seed, n):
    rng = np.random.default_rng(seed)
    a, radius = gram_of(rng, n), 1e-3
    with precision(FIRST_BITS):
        wide = arb_mat([[arb(float(v), radius) for v in row] for row in a])
        found = enclosure(smallest_eigenvalue(wide))
    for _ in range(5):
        e = rng.uniform(-radius, radius, (n, n))
        e = np.triu(e) + np.triu(e, 1).T
        value = np.linalg.eigvalsh(a + e)[0]
        assert found.low - 1e-12 <= value <= found.high + 1e-12
    assert found.width <= 2.1 * n * radius


def test_singular_matrices_are_never_proved_definite():
    rng = np.random.default_rng(1)
    for _ in range(20):
        j = rng.integers(-9, 9, (4, 3)).astype(float)  # exact products: J J' is exactly singular
        with precision(FIRST_BITS):
            gram = matrix(j) * matrix(j).transpose()
            assert definite(gram) is not True
            assert enclosure(smallest_eigenvalue(gram)).low <= 0


@FAIR
@given(SEEDS, st.integers(1, 4), st.floats(1e-3, 30))
def test_exponentials_contain_mpmaths(seed, n, size):
    m = np.random.default_rng(seed).standard_normal((n, n)) * size / n
    reference = mp.expm(mp.matrix(m.tolist()), method="taylor") if size < 5 else None
    with precision(FIRST_BITS):
        e, phi = phi1(matrix(m))
        # phi_1(M) M = e^M - I, whatever M.
        assert (phi * matrix(m) - e + identity(n)).contains(arb_mat(n, n))
    if reference is not None:
        assert all(contains(e[i, j], reference[i, j]) for i in range(n) for j in range(n))


def test_phi1_of_a_singular_matrix():
    with precision(FIRST_BITS):
        e, phi = phi1(arb_mat(2, 2))
    assert e == identity(2) and phi == identity(2)


def system(seed, m=2, c=2):
    rng = np.random.default_rng(seed)
    theta = gram_of(rng, m * c) / (m * c)
    return (
        (theta + theta.T) / 2,
        [gram_of(rng, c) / c for _ in range(m)],
        rng.standard_normal((m * c, 1)),
        rng,
    )


@FAIR
@given(SEEDS, st.floats(0.1, 5.0))
def test_the_closed_form_solves_its_differential_equation(seed, time):
    theta, ark, r, rng = system(seed)
    strengths = rng.uniform(0, 0.5, len(ark))
    with precision(FIRST_BITS):
        blocks = [matrix((a + a.T) / 2) for a in ark]
        xi = constant_xi(blocks, vector(strengths), time)
        found = ball_closed_form(matrix(theta), xi, matrix(r))
        # r(0) - r(t) = Theta p, whatever the strengths.
        assert (matrix(r) - found.residual - matrix(theta) * found.weights).contains(arb_mat(len(r), 1))
        low, high = floats(found.residual)
    growth = scipy.linalg.block_diag(
        *(scipy.linalg.expm(s * (a + a.T) / 2) for s, a in zip(strengths, ark, strict=True))
    )
    by_floats = scipy.linalg.expm(-theta @ growth * time) @ r
    assert (np.abs(by_floats - (low + high) / 2) < 1e-10 * (1 + np.abs(r).max())).all()
    assert (high - low < 1e-14).all()


@FAIR
@given(SEEDS, st.floats(0.01, 20.0))
def test_norm_and_lyapunov_function_stay_below_their_bounds(seed, time):
    theta, ark, r, rng = system(seed)
    with precision(FIRST_BITS):
        blocks = [matrix((a + a.T) / 2) for a in ark]
        growth = constant_growth(blocks, vector(rng.uniform(0, 0.5, len(ark))))
        norm = propagator_norm(matrix(theta), [g * arb(time) for g in growth])
        assert norm.value <= norm.bound
        for found in lyapunov_decay(matrix(theta), growth, matrix(r), [0.0, time]):
            assert found.value <= found.bound or found.value.overlaps(found.bound)
        float_norm = np.linalg.norm(midpoints(propagator(matrix(theta), [g * arb(time) for g in growth])), 2)
        assert enclosure(norm.value).low * (1 - 1e-9) <= float_norm <= enclosure(norm.value).high * (1 + 1e-9)


def test_a_search_downhill_breaks_the_lyapunov_bound():
    theta, ark, r, _ = system(3)
    with precision(FIRST_BITS):
        growth = constant_growth([matrix((a + a.T) / 2) for a in ark], vector(np.array([-3.0, -3.0])))
        (found,) = lyapunov_decay(matrix(theta), growth, matrix(r), [5.0])
    assert found.value > found.bound


def test_the_spectral_norm_and_the_lyapunov_value():
    theta, _, r, _ = system(0)
    with precision(FIRST_BITS):
        norm = enclosure(spectral_norm(matrix(theta)))
        value = enclosure(lyapunov_value(matrix(theta), matrix(r)))
        singular = enclosure(lyapunov_value(arb_mat(4, 4), matrix(r)))
    assert norm.low <= np.linalg.norm(theta, 2) * (1 + 1e-14) and norm.width < 1e-14
    assert value.low == pytest.approx((r.T @ np.linalg.solve(theta, r)).item(), rel=1e-9)
    assert (singular.low, singular.high) == (-np.inf, np.inf)


@pytest.mark.parametrize("seed", range(4))
def test_a_search_to_a_distance_leaves_nothing_after_the_time_of_extinction(seed):
    """r' = -Theta (r + rho J_i J_i' r_i / |J_i' r_i|), integrated with small steps up to the bound."""
    theta, ark, r, _ = system(seed)
    theta = theta + 0.5 * np.eye(len(theta))
    radius = 0.7
    with precision(FIRST_BITS):
        blocks = [matrix((a + a.T) / 2) for a in ark]
        bound = enclosure(extinction_time(matrix(theta), blocks, matrix(r), radius))
    assert 0 < bound.low <= bound.high < bound.low * (1 + 1e-12)
    steps = 20_000
    step, x = bound.high / steps, r[:, 0].copy()
    sizes = [np.linalg.norm(x)]
    for _ in range(steps):
        push = x.copy()
        for i, a in enumerate(ark):
            part = slice(2 * i, 2 * i + 2)
            height = np.sqrt(max(x[part] @ a @ x[part], 0.0))
            push[part] += radius * a @ x[part] / max(height, 1e-12)
        x = x - step * theta @ push
        sizes.append(np.linalg.norm(x))
    # What is left is the chatter of steps of this size around 0, not a residual.
    chatter = step * np.linalg.norm(theta, 2) * radius * sum(np.sqrt(np.linalg.norm(a, 2)) for a in ark)
    assert sizes[-1] <= 4 * chatter < sizes[0] / 20


def test_extinction_needs_definite_kernels():
    theta, ark, r, _ = system(0)
    with precision(FIRST_BITS):
        blocks = [matrix((a + a.T) / 2) for a in ark]
        for lost in (
            extinction_time(arb_mat(4, 4), blocks, matrix(r), 1.0),
            extinction_time(matrix(theta), [arb_mat(2, 2), blocks[1]], matrix(r), 1.0),
        ):
            assert not lost.is_finite()


@FAIR
@given(SEEDS)
def test_below_the_certified_scale_the_transformed_kernel_is_definite(seed):
    theta, _, _, rng = system(seed)
    diagonal = rng.uniform(0.5, 2.0, 4)
    with precision(FIRST_BITS):
        balls, a = matrix(theta), vector(diagonal)
        scale = certified_scale(balls, a)
        k = np.sqrt(np.linalg.cond(theta))
        expected = 2 * np.log((k + 1) / (k - 1)) / np.ptp(diagonal)
        assert float(scale.mid()) == pytest.approx(expected, rel=1e-6)
        for part in (0.1, 0.5, 0.999):
            assert transformed_margin(balls, a, scale * arb(part)) > 0
        assert not certified_scale(balls, [a[0]] * 4).is_finite()


def test_roots_reach_down_to_zero():
    with precision(FIRST_BITS):
        assert root(arb(0)) == 0 and root(arb(4)).overlaps(arb(2))
        around = root(arb(0, 1e-20))
        assert around.contains(arb(0)) and around.upper() >= arb(1e-10) and around.is_finite()


def test_how_far_a_float_is_off_is_told_in_units_of_what_it_may_be():
    with precision(FIRST_BITS):
        exact, rounded = arb(1) / 3, arb(1) / 3 + arb(0, 1e-15)
        within = over_rounding(1 / 3, exact, rounded)
        beyond = over_rounding(1 / 3 + 1e-14, exact, rounded)
        assert within < 0.1 and 9 < beyond < 11
        assert over_rounding(1.0, arb(1), arb(1)) == 0 and over_rounding(1.1, arb(1), arb(1)) > 1e300
        assert over_rounding(5.0, arb(1), arb.nan()) == 0
