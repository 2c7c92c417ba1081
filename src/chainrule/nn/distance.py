"""Distances between vectors as layers."""

from . import functional as F
from .calls import Calls


class CosineSimilarity(Calls):
    """Cosine of the angle between vectors along axis `dim`; see `functional.cosine_similarity`.

    >>> from chainrule import nn
    >>> nn.CosineSimilarity(dim=0)(np.array([3.0, 4.0]), np.array([4.0, 3.0]))
    np.float64(0.96)
    """

    function = staticmethod(F.cosine_similarity)
    options = ("dim", "eps")
    shown = ()

    def __init__(self, dim=1, eps=1e-8):
        self.dim, self.eps = dim, eps


class PairwiseDistance(Calls):
    """Norm of the difference of vectors, over the last axis; see `functional.pairwise_distance`."""

    function = staticmethod(F.pairwise_distance)
    options = ("p", "eps", "keepdim")
    shown = ()

    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        self.p, self.eps, self.keepdim = p, eps, keepdim
