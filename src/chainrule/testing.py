"""PyTorch's comparison of results in tests."""

from collections.abc import Mapping, Sequence

import numpy as np

from .core.value import dtype_of
from .tensor import Tensor

# As close as sums in another order are: (rtol, atol).
TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "complex64": (1.3e-6, 1e-5)}
TOLERANCES |= dict.fromkeys(["float64", "complex128"], (1e-7, 1e-7))


def assert_close(actual, expected, *, rtol=None, atol=None, equal_nan=False, check_dtype=True, msg=None, **unused):
    """Raise an AssertionError if two arrays, or trees of lists, tuples and dicts of them, differ.

    Parameters
    ----------
    actual, expected : Tensors, arrays, numbers, or sequences and mappings of these
    rtol, atol : |actual - expected| <= atol + rtol * |expected|; default by dtype, exact for integers
    equal_nan : let NaN equal NaN
    check_dtype : arrays must have equal dtypes, too
    msg : message of the error, or a function that makes it from the usual one
    **unused : PyTorch's `allow_subclasses`, `check_device`, `check_layout`, `check_stride`, without effect

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.testing.assert_close({"x": cr.ones(2)}, {"x": cr.ones(2)})
    >>> cr.testing.assert_close(cr.ones(2), cr.tensor([1.0, 1.1]))
    Traceback (most recent call last):
        ...
    AssertionError: arrays are not close: 1 of 2 elements differ
      greatest difference: 0.1 at (1,), allowed: 2.1e-07
    """
    options = rtol, atol, equal_nan, check_dtype
    try:
        _compare(actual, expected, options, "")
    except AssertionError as error:
        if msg is None:
            raise
        raise AssertionError(msg(str(error)) if callable(msg) else msg) from None


def _compare(actual, expected, options, place):
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            raise AssertionError(f"mappings{place} have the keys {sorted(map(str, actual))} and {sorted(map(str, expected))}")
        for key in actual:
            _compare(actual[key], expected[key], options, f"{place}[{key!r}]")
    elif all(isinstance(x, Sequence) and not isinstance(x, (str, bytes)) for x in (actual, expected)):
        if len(actual) != len(expected):
            raise AssertionError(f"sequences{place} have {len(actual)} and {len(expected)} entries")
        for i, (a, b) in enumerate(zip(actual, expected, strict=True)):
            _compare(a, b, options, f"{place}[{i}]")
    elif actual is None or expected is None or isinstance(actual, str) or isinstance(expected, str):
        if actual != expected:
            raise AssertionError(f"values{place} are {actual!r} and {expected!r}")
    else:
        _compare_arrays(actual, expected, options, place)


def _compare_arrays(actual, expected, options, place):
    rtol, atol, equal_nan, check_dtype = options
    typed = all(hasattr(x, "dtype") for x in (actual, expected))
    a, b = (np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (actual, expected))
    if a.shape != b.shape:
        raise AssertionError(f"arrays{place} have the shapes {a.shape} and {b.shape}")
    if check_dtype and typed and a.dtype != b.dtype:
        raise AssertionError(f"arrays{place} have the dtypes {a.dtype} and {b.dtype}; check_dtype=False allows it")
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both of rtol and atol, or none")
    if rtol is None:
        known = [TOLERANCES.get(dtype_of(x).name, (0.0, 0.0)) for x in (a, b)]
        rtol, atol = max(r for r, _ in known), max(t for _, t in known)
    with np.errstate(all="ignore"):
        wrong = ~np.isclose(a, b, rtol, atol, equal_nan)
        difference = np.where(wrong, np.abs(a.astype(complex) - b), 0)
    if wrong.any():
        worst = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), difference.shape)
        raise AssertionError(
            f"arrays{place} are not close: {wrong.sum()} of {wrong.size} elements differ\n"
            f"  greatest difference: {difference[worst]:.6g} at {tuple(map(int, worst))}, "
            f"allowed: {atol + rtol * abs(b[worst]):.6g}"
        )
