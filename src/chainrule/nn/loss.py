"""Losses as modules: the functions of `functional`, which say what the arguments mean, with their options fixed."""

import inspect
from typing import ClassVar

from ..tensor import Tensor
from . import functional as F
from .calls import Calls
from .functional.reducing import older
from .linear import Linear
from .module import Module


class _Loss(Calls):
    """A loss, whose only option may be the reduction. As in PyTorch, `repr` shows none."""

    options: ClassVar[tuple[str, ...]] = ("reduction",)
    shown = ()

    @older
    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        names = inspect.signature(cls.__init__).parameters
        if "__init__" in vars(cls) and "reduction" in names and "size_average" not in names:
            cls.__init__ = older(cls.__init__)  # type: ignore[method-assign]


class _WeightedLoss(_Loss):
    """A loss with a buffer `weight`, which `to` casts and `state_dict` holds."""

    weight: Tensor | None
    options: ClassVar[tuple[str, ...]] = ("weight", "reduction")

    def __init__(self, weight=None, reduction="mean"):
        super().__init__(reduction)
        self.register_buffer("weight", weight)


# --- distances between numbers ----------------------------------------------------------------------------------------


class MSELoss(_Loss):
    """Squared difference; see `functional.mse_loss`.

    >>> from chainrule import nn
    >>> nn.MSELoss()([1.0, 2.0], [1.0, 4.0])
    np.float64(2.0)
    """

    function = staticmethod(F.mse_loss)


class L1Loss(_Loss):
    """Absolute difference; see `functional.l1_loss`."""

    function = staticmethod(F.l1_loss)


class HuberLoss(_Loss):
    """Half the squared difference up to `delta`, a straight line beyond; see `functional.huber_loss`."""

    function = staticmethod(F.huber_loss)
    options = ("reduction", "delta")

    def __init__(self, reduction="mean", delta=1.0):
        self.reduction, self.delta = reduction, delta


class SmoothL1Loss(_Loss):
    """Huber loss divided by `beta`; see `functional.smooth_l1_loss`."""

    function = staticmethod(F.smooth_l1_loss)
    options = ("reduction", "beta")

    def __init__(self, reduction="mean", beta=1.0):
        self.reduction, self.beta = reduction, beta


# --- classes ----------------------------------------------------------------------------------------------------------


class CrossEntropyLoss(_WeightedLoss):
    """Minus the log-probability of the right class, from unnormalised scores; see `functional.cross_entropy`.

    >>> from chainrule import nn
    >>> scores, labels = np.zeros((3, 4)), np.array([0, 1, 3])
    >>> np.isclose(nn.CrossEntropyLoss()(scores, labels), np.log(4))
    np.True_
    """

    function = staticmethod(F.cross_entropy)
    options = ("weight", "ignore_index", "reduction", "label_smoothing")

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing


class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the right class, from log-probabilities; see `functional.nll_loss`."""

    function = staticmethod(F.nll_loss)
    options = ("weight", "ignore_index", "reduction")

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index


class FocalLoss(_WeightedLoss):
    """Cross-entropy that counts little what is already recognised; see `functional.focal_loss`. PyTorch has none."""

    function = staticmethod(F.focal_loss)
    options = ("weight", "gamma", "ignore_index", "reduction")

    def __init__(self, weight=None, gamma=2.0, ignore_index=-100, reduction="mean"):
        super().__init__(weight, reduction)
        self.gamma, self.ignore_index = gamma, ignore_index


class LinearCrossEntropyLoss(Module):
    """A linear layer to the scores of classes, and their cross-entropy; see `functional.linear_cross_entropy`.

    Parameters
    ----------
    in_features, num_classes : int
    out_features : tuple, further axes of the scores, (n, num_classes, *out_features)
    bias, dtype : as for `Linear`
    reduction, weight, ignore_index, label_smoothing, options : as for the function

    Attributes
    ----------
    linear : Linear(in_features, num_classes * product of out_features)

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.LinearCrossEntropyLoss(2, 3)(np.ones((4, 2)), np.array([0, 1, 2, 0])).shape
    ()
    """

    weight: Tensor | None

    def __init__(
        self,
        in_features,
        num_classes,
        *,
        out_features=(),
        bias=False,
        device=None,
        dtype=None,
        reduction="mean",
        weight=None,
        ignore_index=None,
        label_smoothing=0.0,
        options=None,
    ):
        rows = num_classes
        for n in out_features:
            rows *= n
        self.num_classes, self.out_features, self.reduction = num_classes, tuple(out_features), reduction
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, rows, bias, device, dtype)
        self.register_buffer("weight", weight)

    def forward(self, input, target):
        layer, axes = self.linear, (self.num_classes, *self.out_features)
        return F.linear_cross_entropy(
            input,
            layer.weight.reshape((*axes, layer.in_features)),
            target,
            linear_bias=None if layer.bias is None else layer.bias.reshape(axes),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self):
        names = ("num_classes", "out_features", "bias", "reduction", "ignore_index", "label_smoothing", "options")
        found = {"bias": self.linear.bias is not None}
        shown = [f"{name}={found.get(name, getattr(self, name, None))}" for name in names]
        return ", ".join([f"in_features={self.linear.in_features}", *shown])


class CTCLoss(_Loss):
    """Labels without positions; see `functional.ctc_loss`.

    >>> from chainrule import nn
    >>> nn.CTCLoss()(np.log(np.full((2, 1, 2), 0.5)), np.array([[1]]), [2], [1])
    np.float64(0.2876820724517809)
    """

    function = staticmethod(F.ctc_loss)
    options = ("blank", "reduction", "zero_infinity")

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity


# --- probabilities ----------------------------------------------------------------------------------------------------


class BCELoss(_WeightedLoss):
    """Minus the log-probability of yes or no, from probabilities; see `functional.binary_cross_entropy`."""

    function = staticmethod(F.binary_cross_entropy)


class BCEWithLogitsLoss(_WeightedLoss):
    """As BCELoss after a sigmoid, without overflow; see `functional.binary_cross_entropy_with_logits`."""

    function = staticmethod(F.binary_cross_entropy_with_logits)
    options = ("weight", "reduction", "pos_weight")
    pos_weight: Tensor | None

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)


class KLDivLoss(_Loss):
    """Divergence of probabilities from log-probabilities; see `functional.kl_div`."""

    function = staticmethod(F.kl_div)
    options = ("reduction", "log_target")

    def __init__(self, reduction="mean", log_target=False):
        self.reduction, self.log_target = reduction, log_target


class PoissonNLLLoss(_Loss):
    """Minus the log-likelihood of counts with the Poisson distribution; see `functional.poisson_nll_loss`."""

    function = staticmethod(F.poisson_nll_loss)
    options = ("log_input", "full", "eps", "reduction")

    def __init__(self, log_input=True, full=False, eps=1e-8, reduction="mean"):
        self.log_input, self.full, self.eps, self.reduction = log_input, full, eps, reduction


class GaussianNLLLoss(_Loss):
    """Minus the log-likelihood of numbers with normal distributions; see `functional.gaussian_nll_loss`."""

    function = staticmethod(F.gaussian_nll_loss)
    options = ("full", "eps", "reduction")

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        self.full, self.eps, self.reduction = full, eps, reduction


# --- margins ----------------------------------------------------------------------------------------------------------


class SoftMarginLoss(_Loss):
    """`log(1 + exp(-target * input))`; see `functional.soft_margin_loss`."""

    function = staticmethod(F.soft_margin_loss)


class _MarginLoss(_Loss):
    options = ("margin", "reduction")

    def __init__(self, margin=0.0, reduction="mean"):
        self.margin, self.reduction = margin, reduction


class MarginRankingLoss(_MarginLoss):
    """Which of two inputs is to be the larger one; see `functional.margin_ranking_loss`."""

    function = staticmethod(F.margin_ranking_loss)


class CosineEmbeddingLoss(_MarginLoss):
    """Whether two vectors point in one direction; see `functional.cosine_embedding_loss`."""

    function = staticmethod(F.cosine_embedding_loss)


class HingeEmbeddingLoss(_MarginLoss):
    """Distances that are to be small or large; see `functional.hinge_embedding_loss`."""

    function = staticmethod(F.hinge_embedding_loss)

    def __init__(self, margin=1.0, reduction="mean"):
        super().__init__(margin, reduction)


class MultiMarginLoss(_WeightedLoss):
    """The right class a margin above all others; see `functional.multi_margin_loss`."""

    function = staticmethod(F.multi_margin_loss)
    options = ("p", "margin", "weight", "reduction")

    def __init__(self, p=1, margin=1.0, weight=None, reduction="mean"):
        super().__init__(weight, reduction)
        self.p, self.margin = p, margin


class MultiLabelMarginLoss(_Loss):
    """Several right classes a margin above all others; see `functional.multilabel_margin_loss`."""

    function = staticmethod(F.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Yes or no for each class; see `functional.multilabel_soft_margin_loss`."""

    function = staticmethod(F.multilabel_soft_margin_loss)


class TripletMarginLoss(_Loss):
    """One example nearer than another; see `functional.triplet_margin_loss`."""

    function = staticmethod(F.triplet_margin_loss)
    options = ("margin", "p", "eps", "swap", "reduction")

    def __init__(self, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
        self.margin, self.p, self.eps, self.swap, self.reduction = margin, p, eps, swap, reduction


class TripletMarginWithDistanceLoss(_Loss):
    """One example nearer than another, by any distance; see `functional.triplet_margin_with_distance_loss`."""

    function = staticmethod(F.triplet_margin_with_distance_loss)
    options = ("distance_function", "margin", "swap", "reduction")

    def __init__(self, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
        self.distance_function, self.margin, self.swap, self.reduction = distance_function, margin, swap, reduction
