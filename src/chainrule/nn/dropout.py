"""Dropout: layers that are random while training."""

from . import functional as F
from .calls import Calls
from .functional.dropout import check_probability


class Dropout(Calls):
    """While training, set each element to zero with probability `p` and scale the others by `1 / (1 - p)`.

    Parameters
    ----------
    p : probability of an element to be dropped
    inplace : a Tensor given as input is itself bound to the result

    Examples
    --------
    >>> from chainrule import nn
    >>> nn.Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    function = staticmethod(F.dropout)
    options = ("p", "training", "inplace")
    shown = ("p", "inplace")
    quiet = ()

    def __init__(self, p=0.5, inplace=False):
        check_probability(p, type(self).__name__)
        self.p, self.inplace = p, inplace


class Dropout1d(Dropout):
    """`Dropout` of whole channels of (batch, channels, length) or (channels, length)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(Dropout):
    """`Dropout` of whole channels of (batch, channels, height, width)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(Dropout):
    """`Dropout` of whole channels of (batch, channels, depth, height, width), or without batch."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(Dropout):
    """Dropout for `SELU`, which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """`AlphaDropout` of whole channels, axis 1."""

    function = staticmethod(F.feature_alpha_dropout)
