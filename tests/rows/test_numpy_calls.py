"""NumPy's own functions, called on Tensors: the value and the derivative of ours."""

import numpy as np
import pytest
from row_tools import close, same_kind
from test_functions import F64, TABLE, filled, flat, leaves

import chainrule as cr
from chainrule.numpy_calls import NUMPY_FUNCTIONS

# Tested in tests/linalg, and in tests/numpy in test_fourier.py and test_emath.py.
ELSEWHERE = ("numpy.linalg", "numpy.fft", "numpy.lib.scimath")
pytestmark = pytest.mark.filterwarnings("ignore::chainrule.errors.ZeroGradientWarning", "ignore::DeprecationWarning")
NAMES = {
    f: getattr(f, "__name__", None)
    for f in NUMPY_FUNCTIONS
    if not isinstance(f, tuple) and getattr(f, "__module__", None) not in ELSEWHERE
}
# Makers have no argument through which a Tensor could be seen; the results of some are no arrays; some have tests of their own.
WITHOUT_TENSORS = {
    "arange", "array", "array2string", "array_repr", "array_str", "asanyarray", "asarray", "asarray_chkfinite",
    "ascontiguousarray", "asfortranarray", "broadcast_shapes", "common_type", "copyto", "einsum_path", "empty", "empty_like",
    "eye", "fill_diagonal", "from_dlpack", "full", "histogramdd", "identity", "kaiser", "lexsort", "linspace", "logspace",
    "ones", "place", "put", "put_along_axis", "putmask", "require", "sliding_window_view", "tri", "zeros",
}  # fmt: skip


@pytest.mark.parametrize("function", NAMES, ids=NAMES.values())
def test_numpy_function_on_a_tensor(function):
    name = NAMES[function]
    if name in WITHOUT_TENSORS:
        return
    cases = TABLE.get(name) or TABLE.get({"_nonzero_or_where": "where"}.get(name, name))
    assert cases, f"add a case for {name}"
    tried = 0
    for args, kwargs, _, derivative in cases:
        pairs = [
            (p, x) for p, x in leaves(args) if name not in ("where", "select", "piecewise") or p[0] != 0 or name == "piecewise"
        ]
        if not pairs or (name in ("interp", "searchsorted") and len(pairs) < 2):
            continue
        tried += 1
        paths, xs = zip(*pairs, strict=True)
        with np.errstate(all="ignore"):
            expected = flat(function(*args, **kwargs))
            tensors = [cr.tensor(x, requires_grad=True) for x in xs]
            out = function(*filled(args, paths, tensors), **kwargs)
            found = flat(out)
            for e, f in zip(expected, found, strict=True):
                same_kind(f, e)
                if e.dtype != object:
                    close(f, e, 1e-5)
            parts = [
                o for o in (out if isinstance(out, (list, tuple)) else [out]) if getattr(o, "dtype", np.dtype(int)).kind == "f"
            ]
            if (
                not derivative
                or not parts
                or any(x.dtype != F64 for x in xs)
                or not all(isinstance(p, cr.Tensor) for p in parts)
            ):
                continue

            def total(*xs, args=args, kwargs=kwargs, paths=paths):
                out = getattr(cr, name)(*filled(args, paths, xs), **kwargs)
                return sum(cr.sum(o * o) for o in (out if isinstance(out, (list, tuple)) else [out]) if o.dtype.kind == "f")

            try:
                expected = cr.grad(total, tuple(range(len(xs))))(*xs)
            except cr.errors.NonDifferentiableError:
                continue
            loss = sum(cr.sum(o * o) for o in parts)
            if not loss.requires_grad:
                assert not any(np.any(e) for e in expected)
                continue
            loss.backward()
        for t, e in zip(tensors, expected, strict=True):
            close(0 * e if t.grad is None else t.grad.numpy(), e)
    assert tried or not any(d for *_, d in cases)


def test_options_of_ufuncs():
    x = cr.tensor(np.array([1.0, 4.0]), requires_grad=True)
    out = cr.zeros(2)
    np.sqrt(x, out=out)
    close(out.detach().numpy(), [1, 2])
    out.sum().backward()
    close(x.grad.numpy(), [0.5, 0.25])
    assert np.add(x, 1, dtype=np.float32).dtype == np.float32
    assert np.sum(x, axis=0).requires_grad
    with pytest.raises(cr.errors.UnsupportedError, match="help"):
        np.isnat(x)
    with pytest.raises(cr.errors.LostDerivativeError):
        np.sqrt(x, out=np.zeros(2))
