"""The door of all attacks: what does not fit is one line with argument, value and fix."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import advntk
from advntk.exceptions import UsageError
from advntk.implementations.attacks.as_published import as_published
from advntk.implementations.attacks.worst_case import Attack, plain_pgd

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (6, 4)).astype(np.float32)
WEIGHTS = RNG.normal(size=(4, 3))
KEY = jax.random.key(0)
THREAT = advntk.attacks.ThreatModel("linf", 0.1, 0.0, 1.0)


def outputs(x):
    """In double precision, whatever comes in."""
    return x @ jnp.asarray(WEIGHTS)


def single(x):
    return x @ jnp.asarray(WEIGHTS, x.dtype)


LABELS = np.asarray(outputs(X).argmax(1))


def uphill_for(labels):
    def uphill(at):
        def loss(at):
            losses = -jnp.take_along_axis(outputs(at), jnp.asarray(labels)[:, None], axis=1)[:, 0]
            return losses.sum(), losses

        (_, losses), gradient = jax.value_and_grad(loss, has_aux=True)(at)
        return losses, gradient

    return uphill


ON_PREDICTORS = {
    "auto_pgd": lambda f, x, y, t: advntk.attacks.auto_pgd(f, x, y, t, KEY, steps=3),
    "auto_pgd_targeted": lambda f, x, y, t: advntk.attacks.auto_pgd_targeted(
        f, x, y, t, KEY, steps=3, loss="margin"
    ),
    "square": lambda f, x, y, t: advntk.attacks.square(f, x, y, t, KEY, queries=4),
    "plain_pgd": lambda f, x, y, t: plain_pgd(f, x, y, t, KEY, steps=3),
    "worst_case": lambda f, x, y, t: advntk.attacks.worst_case(f, x, y, t, KEY, (FAST,)),
    "verify": lambda f, x, y, t: advntk.attacks.verify(f, x, x, y, t),
    "audit": lambda f, x, y, t: advntk.attacks.audit(f, x, y, t, KEY, steps=2, queries=2),
}
FAST = Attack("fast", lambda f, x, y, t, k: plain_pgd(f, x, y, t, k, steps=2))
ON_GRADIENTS = {
    "pgd": lambda x, t: advntk.attacks.pgd(uphill_for(LABELS), x, t, 0.05, 3, KEY),
    "apgd": lambda x, t: advntk.attacks.apgd(uphill_for(LABELS), x, t, 3, KEY),
    "pgd_linf": lambda x, t: advntk.attacks.pgd_linf(
        lambda at: uphill_for(LABELS)(at)[1], x, t.radius, 0.05, 3, t.low, t.high, KEY
    ),
    "as_published": lambda x, t: as_published(
        lambda at: uphill_for(LABELS)(at)[1], x, t.radius, 0.05, t.low, t.high, KEY, 3
    ),
}
# What is wrong with x: (x, what is said).
WRONG_SAMPLES = {
    "outside the box": (X * 4 - 1, ["x runs from -", "outside the box [0, 1]", "scale"]),
    "of bytes": ((X * 255).astype(np.uint8), ["x has dtype uint8", "float32 or float64"]),
    "of half precision": (X.astype(np.float16), ["x has dtype float16", "float32 or float64"]),
    "not finite": (np.where(X.max() == X, np.nan, X), ["x[", "is nan", "remove or repair"]),
    "none": (X[:0], ["x has shape (0, 4), no samples", "at least one"]),
    "of no pixels": (X[:, :0], ["x has shape (6, 0), no samples", "at least one"]),
}
WRONG_LABELS = {
    "beyond the classes": (LABELS + 1, ["labels run from", "to 3", "3 classes", "from 0 to 2"]),
    "negative": (LABELS - 1, ["labels run from -1", "3 classes", "from 0 to 2"]),
    "floats": (LABELS.astype(float), ["labels has dtype float64", "integers"]),
    "bool": (LABELS > 0, ["labels has dtype bool", "integers"]),
    "one-hot": (np.eye(3, dtype=int)[LABELS], ["labels has shape (6, 3)", "argmax"]),
    "too few": (LABELS[:4], ["labels has shape (4,)", "6 samples", "one class per sample"]),
    "a single one": (np.asarray(LABELS[0]), ["labels has shape ()", "one class per sample"]),
}
WRONG_OUTPUTS = {
    "one class": (lambda x: outputs(x)[:, :1], ["outputs gives shape (6, 1)", "c >= 2"]),
    "a vector": (lambda x: outputs(x)[:, 0], ["outputs gives shape (6,)", "(k, c)"]),
    "one row": (lambda x: outputs(x)[:1], ["outputs gives shape (1, 3)", "one row per sample"]),
    "two things": (lambda x: (outputs(x), x), ["outputs gives tuple", "(k, c)"]),
    "classes": (lambda x: outputs(x).astype(int), ["outputs gives dtype int", "floating-point"]),
    "NumPy": (lambda x: np.asarray(x) @ WEIGHTS, ["outputs cannot be traced by JAX", "jax.numpy"]),
    "for other inputs": (
        lambda x: x @ jnp.ones((5, 3)),
        ["outputs cannot be evaluated at x of shape (6, 4)"],
    ),
}


def refused(call, said):
    with pytest.raises(UsageError) as caught:
        call()
    message = str(caught.value)
    assert [part for part in said if part not in message] == [], message
    assert "\n" not in message and len(message) <= 300


@pytest.mark.parametrize("wrong", WRONG_SAMPLES)
@pytest.mark.parametrize("attack", [*ON_PREDICTORS, *ON_GRADIENTS])
def test_samples_that_do_not_fit_are_refused_by_all(attack, wrong):
    x, said = WRONG_SAMPLES[wrong]
    if attack in ON_PREDICTORS:
        refused(lambda: ON_PREDICTORS[attack](single, x, LABELS[: len(x)], THREAT), said)
    else:
        refused(lambda: ON_GRADIENTS[attack](x, THREAT), said)


@pytest.mark.parametrize("wrong", [*WRONG_LABELS, *WRONG_OUTPUTS])
@pytest.mark.parametrize("attack", ON_PREDICTORS)
def test_labels_and_predictors_that_do_not_fit_are_refused_by_all(attack, wrong):
    labels, said = WRONG_LABELS.get(wrong, (LABELS, []))
    predictor, words = WRONG_OUTPUTS.get(wrong, (single, []))
    refused(lambda: ON_PREDICTORS[attack](predictor, X, labels, THREAT), [*said, *words])


def within(found, x):
    found = np.asarray(found)
    assert found.dtype == x.dtype and np.isfinite(found).all()
    assert np.abs(found - x).max() <= 0.1 + 1e-6 and found.min() >= 0 and found.max() <= 1
    return found


@pytest.mark.parametrize("attack", ["auto_pgd", "auto_pgd_targeted", "square", "plain_pgd"])
def test_a_predictor_may_compute_in_another_precision_than_its_inputs_have(attack):
    run = ON_PREDICTORS[attack]
    found = within(run(outputs, X, LABELS, THREAT), X)
    # As far as the predictor in single precision leads, but for rounding.
    loss = [
        float(np.asarray(outputs(at)).max(axis=1).mean()) for at in (found, run(single, X, LABELS, THREAT))
    ]
    assert loss[0] == pytest.approx(loss[1], rel=1e-3)
    # Numbers of NumPy and arrays promote nothing.
    strong = advntk.attacks.ThreatModel("linf", np.float64(0.1), jnp.asarray(0.0), 1)
    np.testing.assert_array_equal(run(outputs, X, LABELS, strong), found)


@pytest.mark.parametrize("attack", ON_GRADIENTS)
def test_gradients_may_be_of_another_precision_too(attack):
    found = ON_GRADIENTS[attack](X, THREAT)
    if attack != "as_published":
        within(found, X)
    assert found.dtype == X.dtype


def test_what_else_does_not_fit_is_named():
    attacks, uphill = advntk.attacks, uphill_for(LABELS)
    x = jnp.asarray(X)
    for call, said in (
        (lambda: attacks.pgd(uphill, x, THREAT, -0.1, 3), ["step = -0.1", "at least 0"]),
        (
            lambda: attacks.pgd(uphill, x, THREAT, 0.1, 3, jax.random.split(KEY, 5)),
            ["key has shape (5,)", "6"],
        ),
        (lambda: attacks.pgd(uphill, x, THREAT, 0.1, -1), ["steps = -1", "at least 0"]),
        (lambda: attacks.pgd(uphill, x, THREAT, 0.1, 3, top=0), ["top = 0", "at least 1"]),
        (lambda: attacks.pgd(lambda at: at, x, THREAT, 0.1, 3), ["losses_and_gradient gives shapes ()"]),
        (
            lambda: attacks.pgd(lambda at: (at[:, 0], at[:, 0]), x, THREAT, 0.1, 3),
            ["gives shapes ((6,), (6,))", "((6,), (6, 4))"],
        ),
        (lambda: attacks.pgd_linf(lambda at: at, x, float("nan"), 0.1, 3, 0, 1), ["radius = nan"]),
        (lambda: attacks.pgd_linf(lambda at: at, x, -1.0, 0.1, 3, 0, 1), ["radius = -1"]),
        (lambda: attacks.pgd_linf(lambda at: at, x, 0.1, 0.1, 3, 2, 1), ["low, high = 2, 1"]),
        (lambda: attacks.ThreatModel("linf", jnp.asarray(-0.1)), ["radius = -0.1"]),
        (lambda: attacks.ThreatModel("linf", np.inf), ["radius = inf"]),
        (lambda: attacks.audit(single, x, LABELS, THREAT, KEY, (0.1, float("inf"))), ["radii = (0.1, inf)"]),
        (lambda: attacks.audit(single, x, LABELS, THREAT, KEY, (-0.1, 0.1)), ["radii = (-0.1, 0.1)"]),
        (
            lambda: attacks.verify(single, x, x[:3], LABELS, THREAT),
            ["adversarial has shape (3, 4), x (6, 4)"],
        ),
        (lambda: attacks.verify(single, x, x, LABELS, THREAT, np.ones(3, bool)), ["claimed has shape (3,)"]),
        (
            lambda: attacks.verify(single, x, x, LABELS, THREAT, np.ones(6)),
            ["claimed", "dtype float64", "bool"],
        ),
    ):
        with pytest.raises(ValueError) as caught:
            call()
        assert [part for part in said if part not in str(caught.value)] == [], str(caught.value)


def test_a_compiled_attack_sees_no_values_and_still_judges_shapes():
    run = jax.jit(lambda x: ON_PREDICTORS["plain_pgd"](single, x, jnp.asarray(LABELS), THREAT))
    within(run(jnp.asarray(X)), X)
    refused(lambda: run(jnp.asarray(X[:4])), ["labels has shape (6,)", "4 samples"])


def test_what_verify_finds_outside_the_box_is_a_finding_and_no_refusal():
    found = advntk.attacks.verify(single, X, np.full_like(X, 2.0), LABELS, THREAT)
    assert {one.name for one in found.findings} >= {"outside_ball", "outside_box"}
