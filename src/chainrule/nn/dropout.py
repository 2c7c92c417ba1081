"""Dropout: layers that are random while training."""

from ..errors import ArgumentError, explain
from . import functional as F
from .module import Module


class Dropout(Module):
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

    def __init__(self, p=0.5, inplace=False):
        if not 0 <= p <= 1:
            raise ArgumentError(
                explain("Dropout: p must be a probability", f"p: {p}", help="0 drops nothing, 1 drops everything")
            )
        self.p, self.inplace = p, inplace

    def forward(self, x):
        return F.dropout(x, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"
