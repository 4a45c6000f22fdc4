"""Wrong audits: doubts that are not raised, and doubts about what is sound."""

from __future__ import annotations

import numpy as np
from falsehood import instead, refuted_by

import advntk.checks.trials.implementation.auditing as auditing
import advntk.implementations.attacks.audit as audit

AUDIT, L1, L2 = "implementation.audit", {"norm": "l1"}, {"norm": "l2"}


@refuted_by(AUDIT, L2, by=("wrong",))
def ball_that_is_not_looked_at(monkeypatch):
    """Adversarial inputs outside the ball are no finding."""

    def forgiving(honest, *arguments, **options):
        found = honest(*arguments, **options)
        return found._replace(findings=tuple(one for one in found.findings if one.name != "outside_ball"))

    instead(monkeypatch, auditing, "verify", forgiving)


@refuted_by(AUDIT, L1, by=("recomputed",))
def sizes_in_another_norm(monkeypatch):
    """Sizes of moves are those of the largest coordinate, whatever the norm."""

    def largest(honest, outputs, x, adversarial, *rest, **options):
        found = honest(outputs, x, adversarial, *rest, **options)
        return found._replace(sizes=np.abs(np.asarray(adversarial) - np.asarray(x)).max(1))

    instead(monkeypatch, auditing, "verify", largest)


@refuted_by(AUDIT, L2, by=("wrong",))
def gradients_that_are_never_missed(monkeypatch):
    """No predictor is found to hide its gradient."""
    monkeypatch.setattr(audit, "_without_gradient", lambda *_: 0.0)


@refuted_by(AUDIT, L2, by=("wrong",))
def one_gradient_is_enough(monkeypatch):
    """An attack may use one gradient throughout without being doubted."""
    instead(
        monkeypatch, auditing, "reevaluation", lambda honest, *given: honest(*given)._replace(findings=())
    )
