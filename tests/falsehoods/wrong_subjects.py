"""Claims about adversarial training without it: their subject is taken out, or looked up elsewhere."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from falsehood import instead, refuted_by

import advntk.checks.trials.adv_ntk.training as learning
import advntk.checks.trials.shared.linear_systems as linear_systems
import advntk.checks.trials.xi_fading.decay as decay
import advntk.checks.trials.xi_fading.overfitting as xi_fading
import advntk.implementations.adv_ntk.training as learning_inside
import advntk.implementations.experiments.robust_overfitting as overfitting_inside
from advntk.implementations.kernels.infinite import infinite_kernels

GAIN, UNITS = "adv_ntk.robustness_gain", "implementation.units"
LYAPUNOV, PREDICTION = "xi_fading.lyapunov", "xi_fading.prediction"
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
    "schedule": "constant",
}
SEARCHED = {**SIMPLE, "outputs": 2, "strength": 0.5, "spread": 0.5}
FADING = {**SIMPLE, "width": 64, "strength": 0.5, "spread": 0.5, "training_time": 2.0}
TRAINED = {**SIMPLE, "strength": 1.0, "spread": 0.5, "training_time": 0.8}
ALONG = {**SIMPLE, "strength": 0.3, "spread": 0.5, "training_time": 0.5}
PROCESS = {**SIMPLE, "strength": 0.3, "training_time": 0.5}
PROCESS.pop("parameterization")
OVERFITTING, COURSE, STOPPING = (
    f"xi_fading.{name}" for name in ("robust_overfitting", "search_course", "stopping_time")
)
NOISY = {"label_noise": 0.1}
ON_DIGITS = {"pins": NOISY, "slow": True}


@refuted_by(OVERFITTING, **ON_DIGITS, also=(COURSE,))
def overfitting_without_a_search(monkeypatch):
    """Strengths are ignored: training is plain, and overfits as well."""
    instead(
        monkeypatch,
        xi_fading,
        "robust_overfitting",
        lambda honest, arch, drawn, times, strengths, *rest: honest(arch, drawn, times, 0 * strengths, *rest),
    )


@refuted_by(OVERFITTING, **ON_DIGITS)
def attack_on_another_predictor(monkeypatch):
    """Robust accuracy is that under an attack on the predictor without a search, trained to the end."""
    limit = []

    def remembered(honest, ntk, y):
        limit.append(honest(ntk, y))
        return limit[-1]

    def transferred(honest, arch, at, targets, x_train, weights):
        return honest(arch, at, targets, x_train, limit[-1].astype(weights.dtype))

    instead(monkeypatch, overfitting_inside, "ntk_regression", remembered)
    instead(monkeypatch, overfitting_inside, "loss_gradient", transferred)


@refuted_by(OVERFITTING, **ON_DIGITS)
def strengths_in_units_of_the_ntk(monkeypatch):
    """Strengths are taken in units of 1 / Theta_theta in place of 1 / Theta_x."""
    instead(
        monkeypatch,
        xi_fading,
        "ark_product",
        lambda honest, arch, x: infinite_kernels(arch, x).ntk,
    )


@refuted_by(OVERFITTING, **ON_DIGITS)
def search_as_strong_for_all_samples(monkeypatch):
    """Every sample is searched with the mean strength: then the search only reweighs time."""
    instead(
        monkeypatch,
        xi_fading,
        "robust_overfitting",
        lambda honest, arch, drawn, times, strengths, *rest: honest(
            arch, drawn, times, jnp.full_like(strengths, strengths.mean()), *rest
        ),
    )


@refuted_by(OVERFITTING, **ON_DIGITS)
def overfitting_without_label_noise(monkeypatch):
    """Training labels carry no noise."""
    instead(
        monkeypatch,
        xi_fading,
        "split",
        lambda honest, *given: honest(*given[:-1], 0.0),
    )


@refuted_by(OVERFITTING, **ON_DIGITS)
def targets_of_other_images(monkeypatch):
    """Training images have the targets of their neighbours in line."""

    def shifted(honest, *given):
        found = honest(*given)
        return found._replace(y=np.roll(found.y, 1, axis=0))

    instead(monkeypatch, xi_fading, "split", shifted)


@refuted_by(COURSE, **ON_DIGITS)
def search_that_moves_nothing(monkeypatch):
    """The search of the AT predictor has no effect on its residuals."""
    instead(
        monkeypatch,
        overfitting_inside,
        "weights_along_time",
        lambda honest, ntk, growth, *rest: honest(ntk, jnp.ones_like(growth), *rest),
    )


@refuted_by(STOPPING, NOISY)
def stopping_time_chosen_on_test_images(monkeypatch):
    """The stopping time is where robust accuracy on the test images is largest."""
    instead(
        monkeypatch,
        xi_fading,
        "peak",
        lambda honest, curves: honest(curves._replace(validation=curves.test)),
    )


@refuted_by(STOPPING, NOISY)
def last_of_equal_stopping_times(monkeypatch):
    """Of several times that are equally good the last is taken."""

    def last(honest, curves):
        robust = np.asarray(curves.validation.robust)
        place = len(robust) - 1 - int(np.argmax(robust[::-1]))
        return honest(curves)._replace(chosen=place)

    instead(monkeypatch, xi_fading, "peak", last)


@refuted_by(STOPPING, NOISY)
def validation_images_from_the_test_set(monkeypatch):
    """The curve that stopping goes by is taken on the test images."""

    def peeking(honest, arch, drawn, *rest):
        half = len(drawn.validation_x)
        return honest(
            arch,
            drawn._replace(validation_x=drawn.test_x[:half], validation_labels=drawn.test_labels[:half]),
            *rest,
        )

    instead(monkeypatch, xi_fading, "robust_overfitting", peeking)


def without_search(monkeypatch):
    """Strengths are 0 wherever the dynamics are put to the test, so that flows and predictions agree."""
    instead(
        monkeypatch,
        linear_systems,
        "_scaled",
        lambda honest, limits, x, y, strength, *rest: honest(limits, x, y, 0 * strength, *rest),
    )


@refuted_by(UNITS, {"schedule": "constant"}, by=("strength_error",))
def dynamics_without_a_search(monkeypatch):
    """Strengths are 0 wherever the dynamics are put to the test."""
    without_search(monkeypatch)


@refuted_by(LYAPUNOV, FADING, by=("searched_off",), also=(PREDICTION,))
def fading_without_a_search(monkeypatch):
    """There is no search: V fades, and predictions run to their limit, as well."""
    without_search(monkeypatch)


@refuted_by(LYAPUNOV, FADING, by=("searched_off",), also=(PREDICTION,))
def flow_that_is_not_searched(monkeypatch):
    """The flow is that of training without a search, whatever the strengths are."""
    instead(
        monkeypatch, decay, "integrate_seeds", lambda honest, ntk, ark, *rest: honest(ntk, 0 * ark, *rest)
    )


@refuted_by("closed_form.search", SEARCHED)
def residuals_without_a_search(monkeypatch):
    """There is no search: residuals are what they were."""
    without_search(monkeypatch)


@refuted_by("closed_form.commuting", TRAINED, by=("xi_error",))
def closed_form_without_a_search(monkeypatch):
    """There is no search: flow and closed form are those of gradient descent, and agree."""
    without_search(monkeypatch)


@refuted_by("closed_form.magnus", {**TRAINED, "schedule": "growing"}, by=("xi_error",), slow=True)
def defect_without_a_search(monkeypatch):
    """There is no search: the closed form has no defect, and none is predicted."""
    without_search(monkeypatch)


@refuted_by("linearization_equivalence.adversarial", ALONG, slow=True)
def linearization_without_a_search(monkeypatch):
    """There is no search: networks follow their linearization as well."""
    without_search(monkeypatch)


@refuted_by("closed_form.gaussian_process_value", PROCESS, slow=True)
def process_without_a_search(monkeypatch):
    """There is no search: networks are trained on clean inputs, of which the process knows nothing."""
    without_search(monkeypatch)


@refuted_by(GAIN, **ON_DIGITS)
def gain_without_an_attack(monkeypatch):
    """Test images are not attacked: robust accuracy is clean accuracy."""

    def untouched(honest, *given):
        for chunk in honest(*given):
            yield chunk._replace(moved=chunk.x, classes_moved=chunk.classes)

    instead(monkeypatch, learning, "attacked", untouched)


@refuted_by(GAIN, **ON_DIGITS)
def gain_under_an_attack_on_the_other_predictor(monkeypatch):
    """Adv-NTK is judged on the images that fool NTK regression on other labels."""

    def transferred(honest, predictor, x, labels, settings):
        other = predictor._replace(weights=jnp.roll(predictor.weights, 1, axis=1))
        for chunk in honest(other, x, labels, settings):
            at = [jnp.asarray(of, predictor.x_train.dtype) for of in (chunk.x, chunk.moved)]
            classes = [
                np.argmax(
                    np.asarray(predictor.kernel.cross(of, predictor.x_train) @ predictor.weights), axis=1
                )
                for of in at
            ]
            yield chunk._replace(classes=classes[0], classes_moved=classes[1])

    instead(monkeypatch, learning, "attacked", transferred)


@refuted_by(GAIN, **ON_DIGITS, by=("fooled_in_training",))
def adv_ntk_trained_on_clean_images(monkeypatch):
    """Adv-NTK is trained on validation images that nobody has moved, which makes it more robust as well."""
    instead(
        monkeypatch,
        learning_inside,
        "_judged",
        lambda honest, kernel, x_train, weights, x, moved, *rest: honest(
            kernel, x_train, weights, x, x, *rest
        ),
    )


@refuted_by(GAIN, **ON_DIGITS)
def gain_without_label_noise(monkeypatch):
    """Training labels carry no noise."""
    instead(monkeypatch, learning, "split", lambda honest, *given: honest(*given[:-1], 0.0))
