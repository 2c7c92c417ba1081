"""Special functions in scipy.special's names; also what scipy.special does with a Tensor."""

from .ops.reduction import log_softmax as log_softmax, logsumexp as logsumexp, softmax as softmax
from .ops.special import (
    erf as erf,
    erfc as erfc,
    erfinv as erfinv,
    gammaln as gammaln,
    logit as logit,
    polygamma as polygamma,
    xlogy as xlogy,
)

__all__ = [name for name, thing in list(globals().items()) if callable(thing)]  # the functions above, no modules
