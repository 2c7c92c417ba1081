"""Losses as modules: thin classes over the functions in `functional`, which say what the arguments mean."""

from ..tensor import Tensor
from . import functional as F
from .module import Module


class MSELoss(Module):
    """Squared difference; see `functional.mse_loss`.

    >>> from chainrule import nn
    >>> nn.MSELoss()([1.0, 2.0], [1.0, 4.0])
    np.float64(2.0)
    """

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, input, target):
        return F.mse_loss(input, target, self.reduction)


class L1Loss(Module):
    """Absolute difference; see `functional.l1_loss`."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, input, target):
        return F.l1_loss(input, target, self.reduction)


class HuberLoss(Module):
    """Half the squared difference up to `delta`, a straight line beyond; see `functional.huber_loss`."""

    def __init__(self, reduction="mean", delta=1.0):
        self.reduction, self.delta = reduction, delta

    def forward(self, input, target):
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(Module):
    """Huber loss divided by `beta`; see `functional.smooth_l1_loss`."""

    def __init__(self, reduction="mean", beta=1.0):
        self.reduction, self.beta = reduction, beta

    def forward(self, input, target):
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class CrossEntropyLoss(Module):
    """Minus the log-probability of the right class, from unnormalised scores; see `functional.cross_entropy`.

    >>> from chainrule import nn
    >>> scores, labels = np.zeros((3, 4)), np.array([0, 1, 3])
    >>> np.isclose(nn.CrossEntropyLoss()(scores, labels), np.log(4))
    np.True_
    """

    weight: Tensor | None

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(Module):
    """Minus the log-probability of the right class, from log-probabilities; see `functional.nll_loss`."""

    weight: Tensor | None

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input, target):
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(Module):
    """Minus the log-probability of yes or no, from probabilities; see `functional.binary_cross_entropy`."""

    weight: Tensor | None

    def __init__(self, weight=None, reduction="mean"):
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input, target):
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Module):
    """As BCELoss after a sigmoid, without overflow; see `functional.binary_cross_entropy_with_logits`."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(Module):
    """Divergence of probabilities from log-probabilities; see `functional.kl_div`."""

    def __init__(self, reduction="mean", log_target=False):
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input, target):
        return F.kl_div(input, target, self.reduction, self.log_target)
