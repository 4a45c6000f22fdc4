"""Audits: planted faults of attacks and of predictors are named, sound ones are not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from advntk.implementations.attacks.apgd import apgd
from advntk.implementations.attacks.as_published import as_published
from advntk.implementations.attacks.audit import audit, reevaluation, verify
from advntk.implementations.attacks.losses import losses_and_gradient, margin
from advntk.implementations.attacks.pgd import pgd, pgd_linf
from advntk.implementations.attacks.threat import NORMS, ThreatModel

D, C = 6, 4
LOW, HIGH = -0.5, 0.5
KEY = jax.random.key(5)
RNG = np.random.default_rng(0)
FIRST, SECOND = jnp.asarray(RNG.standard_normal((D, 8))), jnp.asarray(RNG.standard_normal((8, C)))
X = jnp.asarray(RNG.uniform(-0.4, 0.4, (24, D)))
THREAT = ThreatModel("linf", 0.06, LOW, HIGH)


def network(x):
    return jnp.tanh(x @ FIRST) @ SECOND


LABELS = jnp.argmax(network(X), 1)


def names(report) -> set[str]:
    return {finding.name for finding in report.findings}


def audited(outputs, threat=THREAT, **budget):
    return audit(outputs, X, LABELS, threat, KEY, **{"steps": 10, "queries": 100, **budget})


@pytest.mark.parametrize("norm", NORMS)
def test_a_sound_predictor_raises_no_doubt(norm):
    radius = {"linf": 0.06, "l2": 0.15, "l1": 0.25}[norm]
    found = audited(network, ThreatModel(norm, radius, LOW, HIGH))
    assert found.findings == () and np.isnan(found.query_success) == (norm != "linf")
    assert found.zero_gradients == found.repeated == 0
    assert found.radii == (radius / 2, radius, 2 * radius)
    assert 0 < found.successes[0] < found.successes[2] and found.successes[1] == found.gradient_success


def test_a_constant_predictor_has_no_gradients_and_no_rise():
    found = audited(lambda x: 0 * x[:, :1] + jnp.asarray([[1.0, 0.0, 0.0, 0.0]]))
    assert names(found) == {"zero_gradients", "not_rising"} and found.zero_gradients == 1


def test_a_masked_predictor_is_beaten_by_queries():
    found = audited(lambda x: network(jax.lax.stop_gradient(x)))
    assert {"zero_gradients", "queries_beat_gradients"} <= names(found)
    by = {finding.name: finding.amount for finding in found.findings}
    assert by["queries_beat_gradients"] == found.query_success - found.gradient_success > 0


def test_rounded_outputs_of_large_scale_saturate_the_cross_entropy_only():
    found = audited(lambda x: 1e4 * network(x))
    assert names(found) == {"saturated"} and found.zero_gradients == 0 < found.saturated


def test_a_noisy_predictor_is_randomised():
    noise = np.random.default_rng(0)
    found = audited(lambda x: network(x) + 1e-3 * noise.standard_normal((1, C)))
    assert "randomised" in names(found) and 0 < found.repeated < 0.1


def test_a_predictor_that_sees_the_batch_is_named():
    found = audited(lambda x: network(x - jnp.mean(x, axis=0, keepdims=True)))
    assert "not_sample_by_sample" in names(found) and found.alone > 1e-3


def test_success_that_falls_with_the_radius_is_named():
    # Inputs that have left [-0.41, 0.41] are answered by the sign of what they were: a trap for attacks.
    def trapped(x):
        far = jnp.max(jnp.abs(x), axis=1, keepdims=True) > 0.41
        return jnp.where(far, jax.nn.one_hot(LABELS, C)[: len(x)], network(x))

    small, large = audited(network, radii=(0.001, 0.5)), audited(trapped, radii=(0.06, 0.5))
    assert names(small) == set()
    assert "not_rising" in names(large) and large.successes[1] < large.successes[0]


@pytest.mark.parametrize("radii", [(0.1,), (0.2, 0.1), (0.1, 0.1)])
def test_radii_that_do_not_rise_are_refused(radii):
    with pytest.raises(ValueError, match="radii = "):
        audited(network, radii=radii)


UPHILL = losses_and_gradient(network, lambda f: margin(f, LABELS))


def test_the_published_attack_leaves_the_ball_by_up_to_its_radius():
    found = as_published(lambda at: UPHILL(at)[1], X, 0.06, 0.02, LOW, HIGH, KEY)
    checked = verify(network, X, found, LABELS, THREAT)
    assert "outside_ball" in names(checked) and "outside_box" not in names(checked)
    assert 0.06 * 1.5 < checked.sizes.max() <= 0.12 * (1 + 1e-12)
    # All ten steps along one sign, no further than the radius from the start.
    start = as_published(lambda at: UPHILL(at)[1], X, 0.06, 0.02, LOW, HIGH, KEY, 0)
    sign = np.sign(np.asarray(UPHILL(start)[1]))
    expected = np.clip(np.asarray(start) + 0.06 * sign, LOW, HIGH)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_verified_inputs_of_a_sound_attack_have_no_finding():
    found = pgd(UPHILL, X, THREAT, 0.02, 10, KEY)
    down = jnp.argmax(network(found), 1) != LABELS
    checked = verify(network, X, found, LABELS, THREAT, down)
    assert checked.findings == () and (checked.gain >= 0).all() and (checked.gain > 0).any()
    np.testing.assert_array_equal(checked.fooled, down)
    np.testing.assert_allclose(checked.sizes, np.abs(np.asarray(found - X)).max(1))


def test_every_false_claim_of_an_attack_is_found():
    down = jnp.zeros(len(X), bool)
    moved = np.array(X)
    moved[0, 0] += 0.0601
    moved[1, 1] = HIGH + 1e-9
    moved[2] = np.array(X - 0.05 * jnp.sign(UPHILL(X)[1]))[2]
    wide = ThreatModel("linf", 0.06, LOW, HIGH)
    checked = verify(network, X, jnp.asarray(moved), LABELS, wide, down.at[3].set(True))
    amounts = {finding.name: finding.amount * len(X) for finding in checked.findings}
    assert {"outside_ball", "outside_box", "loss_below_clean", "false_claim"} <= set(amounts)
    assert amounts["outside_box"] == pytest.approx(1) and checked.outside_box[1] > 0
    assert checked.sizes[0] > 0.06 and checked.gain[2] < 0
    moved[4, 0] = np.nan
    assert "not_finite" in names(verify(network, X, jnp.asarray(moved), LABELS, wide))


@pytest.mark.parametrize("norm, factor", [("linf", 1.0), ("l2", D**-0.5), ("l1", 1 / D)])
def test_sizes_are_those_of_the_norm(norm, factor):
    free = ThreatModel(norm, 0.1)
    inside, outside = (X + factor * 0.1 * stretch for stretch in (1.0, 1 + 1e-10))
    kept, left = (names(verify(network, X, one, LABELS, free)) for one in (inside, outside))
    assert "outside_ball" not in kept and "outside_ball" in left


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("key", [None, KEY])
def test_attacks_that_follow_the_gradient_beat_what_one_gradient_can_do(norm, key):
    for attack in (
        lambda uphill, x, threat: pgd(uphill, x, threat, threat.radius / 10, 20, key),
        lambda uphill, x, threat: apgd(uphill, x, threat, 40, key),
    ):
        found = reevaluation(attack, norm)
        assert found.findings == () and found.points > 5 and found.loss > found.one_gradient


def test_attacks_that_reuse_one_gradient_are_named():
    def published(uphill, x, threat):
        return as_published(lambda at: uphill(at)[1], x, threat.radius, 0.2, -10.0, 10.0, KEY)

    def stubborn(uphill, x, threat):
        # Asks for ten gradients, at ten points even, and goes along the first.
        first = uphill(x)[1]
        return pgd(lambda at: (uphill(at)[0], first), x, threat, 0.1, 20)

    found = reevaluation(published)
    assert found.points == 1
    assert names(found) == {"one_gradient_point", "no_better_than_one_gradient"}
    assert names(reevaluation(stubborn)) == {"no_better_than_one_gradient"}

    def bare(uphill, x, threat):
        return pgd_linf(lambda at: uphill(at)[1], x, threat.radius, 0.1, 20, -10.0, 10.0)

    assert reevaluation(bare).findings == ()


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="evaluated no gradient"):
        reevaluation(lambda uphill, x, threat: x)
    with pytest.raises(ValueError, match="norm = 'l1'"):
        reevaluation(lambda uphill, x, threat: x, "l1")
    with pytest.raises(ValueError, match="loss = 'hinge'"):
        verify(network, X, X, LABELS, THREAT, loss="hinge")
