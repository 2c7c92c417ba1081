"""What happens when NumPy's own functions and ufuncs meet a Tensor."""

from .errors import LostDerivativeError, UnsupportedError, explain
from .ops import elementwise, shaping

# What to call for a NumPy function or ufunc that meets a Tensor; the numpy namespace fills it in.
NUMPY_FUNCTIONS: dict = {}


def unsupported(name):
    return UnsupportedError(
        explain(
            f"{name} is not supported on a Tensor",
            help="write it with functions of chainrule.numpy, or call it on x.detach() if it needs no derivative",
        )
    )


# What to call for SciPy's ufuncs, by name, since looking them up would load SciPy; the numpy namespace fills it in.
SCIPY_UFUNCS: dict = {}


def call_ufunc(ufunc, method, inputs, kwargs):
    """np.ufunc(...) where an argument is a Tensor: our function of the same ufunc, with NumPy's options."""
    ours = NUMPY_FUNCTIONS.get(ufunc) or SCIPY_UFUNCS.get(ufunc.__name__)
    if ours is None:
        raise unsupported(f"np.{ufunc.__name__}")
    out, where = kwargs.pop("out", None), kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    if method == "__call__" and ufunc.signature is not None:  # generalised ones take axes, as functions do
        result, kwargs = ours(*inputs, **kwargs), {}
    elif method == "__call__":
        result = ours(*inputs)
    else:
        fold = NUMPY_FUNCTIONS.get((ufunc, method))
        if fold is None:
            raise unsupported(f"np.{ufunc.__name__}.{method}")
        result = fold(*inputs, **kwargs)
        kwargs = {}
    if kwargs:
        raise unsupported(f"np.{ufunc.__name__} with option {', '.join(kwargs)}")
    if dtype is not None:
        result = shaping.astype(result, dtype)
    if out is not None:
        target = out[0] if isinstance(out, tuple) else out
        if not hasattr(target, "_rebind"):
            raise LostDerivativeError(
                explain(
                    f"np.{ufunc.__name__}: `out` is a plain array, which cannot hold a Tensor's derivative",
                    help="make it a Tensor, for example with np.zeros_like(x), or leave `out` away",
                )
            )
        if where is not True:
            result = elementwise.where(where, result, target)
        return target._rebind(shaping.broadcast_to(shaping.cast(result, target.dtype), target.shape))
    if where is not True:
        raise unsupported(f"np.{ufunc.__name__} with `where` but without `out`")
    return result
