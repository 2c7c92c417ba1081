"""NumPy's own functions, called on Tensors: the value and the derivative of ours."""

import zlib

import numpy as np
import pytest
from row_tools import close, same_kind
from test_functions import F64, TABLE, filled, flat, leaves

import chainrule as cr
from chainrule.numpy_calls import NUMPY_FUNCTIONS

NAMES = {f: getattr(f, "__name__", None) for f in NUMPY_FUNCTIONS if not isinstance(f, tuple)}
METHODS = [f for f in NUMPY_FUNCTIONS if isinstance(f, tuple)]
# Functions that make arrays out of nothing have no argument through which a Tensor could be seen.
WITHOUT_TENSORS = {
    "arange",
    "array",
    "asarray",
    "empty",
    "eye",
    "full",
    "identity",
    "linspace",
    "logspace",
    "ones",
    "tri",
    "zeros",
    "broadcast_shapes",
}
WITHOUT_TENSORS |= {"empty_like", "put_along_axis"}  # their values are left open; NumPy's changes its argument


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


@pytest.mark.parametrize("ufunc, method", METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_ufunc_methods(ufunc, method):
    rng = np.random.default_rng(zlib.crc32(ufunc.__name__.encode()))
    x, y = rng.uniform(0.5, 2, (2, 3)), rng.uniform(0.5, 2, 3)
    if ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.left_shift, np.right_shift):
        x, y = np.arange(6).reshape(2, 3), np.arange(3)
    t = cr.tensor(x)
    f = getattr(ufunc, method)
    if method == "outer":
        if ufunc.signature:
            return
        close(np.asarray(f(t, y)), f(x, y))
        close(np.asarray(f(x, cr.tensor(y))), f(x, y))
    elif method == "at":
        expected, i = x.copy(), (np.array([0, 1, 0]), np.array([1, 1, 1]))
        f(expected, i, y)
        leaf = cr.tensor(y, requires_grad=True)
        f(t, i, leaf)
        close(t.detach().numpy(), expected)
        t.sum().backward()
        close(np.abs(leaf.grad.numpy()), np.ones(3))
        return
    else:
        close(np.asarray(f(t)), f(x))
        close(np.asarray(f(t, axis=1)), f(x, axis=1))
        if method == "reduce":
            close(np.asarray(f(t, axis=(0, 1))), f(x, axis=(0, 1)))
            close(np.asarray(f(t, axis=None, keepdims=True)), f(x, axis=None, keepdims=True))
    if x.dtype == F64 and f(x, *([y] if method == "outer" else [])).dtype == F64:
        rest = [y] if method == "outer" else []
        g = cr.grad(lambda x: (f(x, *rest) ** 2).sum())(x)
        h = 1e-6 * rng.normal(size=x.shape)
        slope = ((f(x + h, *rest) ** 2).sum() - (f(x - h, *rest) ** 2).sum()) / 2
        assert abs(slope - np.sum(g * h)) < 1e-6 * np.abs(h).sum() * (1 + np.abs(g).max())


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
        np.spacing(x)
    with pytest.raises(cr.errors.LostDerivativeError):
        np.sqrt(x, out=np.zeros(2))
