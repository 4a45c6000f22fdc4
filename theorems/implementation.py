r"""Implementation: the program computes what it says, held against slow and transparent references."""

from __future__ import annotations

from advntk.theorems.vocabulary import Claim, Kind, Source, Theorem

_DEFINITIONS = Source(
    "definitions of this project", "theory and documentation of what is computed; references in plain NumPy"
)


THEOREM = Theorem(
    id="implementation",
    title="The program computes what it says",
    statement=(
        r"Networks, kernels, dynamics, attacks, baselines and data that everything else is measured with are "
        r"those of their definitions: each equals a slow reference that shares no code with it, to rounding."
    ),
    source=_DEFINITIONS,
    claims=(
        Claim(
            "implementation.activations",
            r"Every $\phi$ and $\phi'$ equals its definition, and the infinite layer's "
            r"$\mathrm{E}[\phi(u)\phi(v)]$ and $\mathrm{E}[\phi'(u)\phi'(v)]$ equal quadrature in polar "
            r"coordinates, as do the derivatives of the first by covariance and variances that Price's "
            r"theorem gives, at all correlations in $[-1, 1]$",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.initialization",
            r"Initial parameters are independent normal numbers, of variance 1 in the NTK parameterization, "
            r"$\sigma_w^2 / \mathrm{fan\,in}$ and $\sigma_b^2$ in the standard one, with a fan-in of nine "
            r"times the channels in a convolution; nothing is drawn twice: not between layers, $W$ and $b$, "
            r"or networks (medians over groups of networks)",
            Kind.EFFECT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.forward",
            r"Outputs, input gradients, NTK and ARK of finite networks, fully connected and convolutional, "
            r"with flattened and pooled readout, equal those of a plain loop over layers that carries every "
            r"derivative along; by the layerwise and by the Jacobian route",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.kernels",
            r"NNGP kernel, NTK and ARK of infinite MLPs equal a plain recursion over layers whose "
            r"expectations are integrals, by every path: all three from one Gram matrix, by "
            r"neural-tangents, in closed form, tile by tile; so do the input gradient of a loss, the ARK's "
            r"trace form and the covariance of an input gradient equal differences",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.convolutional_kernels",
            r"The NTK of infinite convolutional networks, flattened and pooled, equals a plain recursion "
            r"over all pairs of pixels, tile by tile; so does the input gradient of a loss equal differences",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.residual_kernels",
            r"The same of infinite residual networks, stages that halve the image included",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.attacks",
            r"PGD and Auto-PGD look where their definitions say, step by step, take gradients at the "
            r"current iterate, never leave ball or box, begin at points drawn from the ball, and return the "
            r"best point that they looked at; projections are the nearest points",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.worst_case",
            r"On a linear predictor, whose largest margin within ball and box is explicit, every attack "
            r"reaches its stated share of it and none more than all; the worst case of several attacks is, "
            r"sample by sample, the worst that any of them found",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.audit",
            r"Of adversarial inputs that are made up `verify` names exactly those outside the ball or box, "
            r"not finite, of smaller loss or falsely said to fool, and re-computes sizes and gains; `audit` "
            r"names predictors that hide gradients, saturate, vary or see their batch, and no sound one; "
            r"`reevaluation` names attacks that one gradient can match, and not PGD",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.data",
            r"Training, validation and test images are disjoint draws of the source, scaled to $[-1/2, "
            r"1/2]$, under their own labels; noise flips exactly its share of the training labels, each to "
            r"another class, and no other label; targets are one-hot less $1/c$; a seed draws the same "
            r"again, at every resolution; a user's own file is read as it was written",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.selection",
            r"Weights of ridge regression and of early stopping are $(\Theta + \lambda I)^{-1} y$ and "
            r"$\Theta^{-1}(I - e^{-t\Theta}) y$; the setting is the first of largest robust accuracy on the "
            r"validation images, and no test image or label has a say",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.baselines",
            r"Finite networks are trained by the steps that their recipe says (loss, attack at the current "
            r"parameters, momentum, weight decay, fall of the rate), measured as they should be, go on "
            r"exactly from a checkpoint, and see every sample once an epoch; no test image or label moves "
            r"them",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.dynamics",
            r"Divided differences of $\exp$, schedules, $\Xi(t)$, searches, closed forms, the limit process "
            r"and the commutator equal dense exponentials, solves and adaptive quadrature; gradient descent "
            r"at searched inputs equals a plain loop of steps",
            Kind.EXACT,
            _DEFINITIONS,
        ),
        Claim(
            "implementation.units",
            r"Strengths are in units of $1 / \mathrm{mean}_i\, \Theta_x(x_i, x_i)$ and times in units of "
            r"$1 / \mathrm{mean}_i\, \Theta_\theta(x_i, x_i)$, at every point of every schedule",
            Kind.EXACT,
            _DEFINITIONS,
        ),
    ),
)
