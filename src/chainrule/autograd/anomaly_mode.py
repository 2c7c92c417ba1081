"""Finding the operation whose derivative gives NaN."""

from ..core.dispatch import state


class set_detect_anomaly:
    """Look for NaN in all derivatives, or do not: from the call on, or as a context manager inside.

    Parameters
    ----------
    mode : whether to look
    check_nan : with False, nothing is looked for, as if `mode` were

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([0.0, 1.0], requires_grad=True)
    >>> with cr.autograd.set_detect_anomaly(True):
    ...     (x * np.nan).sum().backward()
    Traceback (most recent call last):
        ...
    chainrule.errors.AnomalyError: backward: the derivative of multiply has NaN
      cotangent of its result: finite, float64 (2,)    of its argument: float64 (2,)
      help: look at the arguments of this operation: infinities, NaN, or the edge of where it is defined
    """

    def __init__(self, mode, check_nan=True):
        self.before, self.mode = state.anomaly, bool(mode and check_nan)
        state.anomaly = self.mode

    def __enter__(self):
        state.anomaly = self.mode
        return self

    def __exit__(self, *exc):
        state.anomaly = self.before


class detect_anomaly(set_detect_anomaly):
    """Context manager: a `backward` inside raises AnomalyError at the first operation whose derivative gives NaN.

    >>> import chainrule as cr
    >>> with cr.autograd.detect_anomaly():
    ...     cr.is_anomaly_enabled()
    True
    """

    def __init__(self, check_nan=True):
        super().__init__(True, check_nan)
        state.anomaly = self.before


def is_anomaly_enabled():
    """Whether derivatives are looked through for NaN."""
    return state.anomaly
