"""Sorting, searching and quantiles: NumPy's values for every method, derivatives, entries of a batch, mistakes."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import chainrule as cr
from chainrule.ops.percentiles import METHODS

rng = np.random.default_rng(3)
FEW = st.sampled_from([0.0, 1.0, -2.0, 1.5, np.nan])
SHAPES = [((7,), None), ((4, 5), 0), ((4, 5), (0, 1)), ((3, 4, 2), (0, 2)), ((1, 3), 0)]


def same(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    tol = 1e-5 if expected.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["quantile", "nanquantile", "percentile", "nanpercentile"])
def test_quantiles_are_those_of_numpy(name, method, dtype):
    scale = 100 if "percentile" in name else 1
    ours, theirs = getattr(cr, name), getattr(np, name)
    for shape, axis in SHAPES:
        x = (rng.normal(size=shape) * 10).astype(dtype)
        for holes in (False, True) if dtype != np.int64 else (False,):
            if holes:
                x = x.copy()
                x.flat[1] = np.nan
            for q in (0.3, 0, 1.0, [0.0, 0.25, 0.5, 1.0], np.array([0.1, 0.9], np.float32)):
                for keepdims in (False, True):
                    q_ = q * scale if not isinstance(q, list) else [v * scale for v in q]
                    options = {"axis": axis, "method": method, "keepdims": keepdims}
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        expected = theirs(x, q_, **options)
                    same(ours(x, q_, **options), expected)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_weighted_quantiles(axis):
    x, w = rng.normal(size=(4, 5)), rng.integers(0, 3, (4, 5)) + 0.1
    q = [0.0, 0.2, 0.5, 1.0]
    same(
        cr.quantile(x, q, axis=axis, method="inverted_cdf", weights=w),
        np.quantile(x, q, axis=axis, method="inverted_cdf", weights=w),
    )
    if axis is not None:
        w = np.array([0, 1, 2, 0, 3.0])[: x.shape[axis]]
        expected = np.quantile(x, q, axis=axis, method="inverted_cdf", weights=w)
        same(cr.quantile(x, q, axis=axis, method="inverted_cdf", weights=w), expected)
        repeated = np.repeat(x, w.astype(int), axis=axis)  # whole weights stand for repetitions
        same(expected, np.quantile(repeated, q, axis=axis, method="inverted_cdf"))


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_of_quantiles(method):
    x, w = rng.permutation(np.arange(12.0)).reshape(3, 4) + rng.uniform(0, 0.3, (3, 4)), rng.normal(size=(2, 3))

    def f(x, q):
        return (w * cr.sin(cr.quantile(x, q, axis=1, method=method))).sum()

    q = np.array([0.27, 0.61])
    assert cr.gradcheck(lambda x: f(x, q), (x,))
    assert cr.gradcheck(lambda q: f(x, q), (q,))
    t = rng.normal(size=x.shape)
    second = cr.jvp(lambda x: cr.grad(f)(x, q), (x,), (t,))[1]
    step = 1e-5
    slope = (cr.grad(f)(x + step * t, q) - cr.grad(f)(x - step * t, q)) / (2 * step)
    np.testing.assert_allclose(second, slope, atol=1e-8)
    stacks = np.stack([x, x[::-1], x**2])
    np.testing.assert_allclose(
        cr.vmap(cr.grad(f), in_axes=(0, None))(stacks, q), np.stack([cr.grad(f)(s, q) for s in stacks]), atol=1e-14
    )
    compiled = cr.compile(cr.grad(f))
    np.testing.assert_allclose(compiled(x, q), cr.grad(f)(x, q), atol=1e-14)


def test_infinite_neighbours_that_count_nothing():
    x = np.array([1.0, 2.0, np.inf])
    assert cr.quantile(x, 0.5) == 2
    np.testing.assert_array_equal(cr.grad(lambda x: cr.quantile(x, 0.5))(x), [0, 1, 0])
    np.testing.assert_array_equal(cr.grad(cr.median)(np.array([3.0, np.nan, 1.0])), [0, 0, 0])
    np.testing.assert_array_equal(cr.grad(cr.nanmedian)(np.array([3.0, np.nan, 1.0])), [0.5, 0, 0.5])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.sampled_from([0.0, 1.0, -2.0, 1.5, np.nan]))
)
def test_sorting_is_a_permutation(x):
    """Ties and NaN included: each element of the result is one of the argument, and its derivative goes there."""
    for axis in (0, 1):
        for descending in (False, True):
            found = cr.sort(x, axis, descending=descending)
            order = cr.argsort(x, axis, descending=descending)
            np.testing.assert_array_equal(found, np.take_along_axis(x, order, axis))
            if not descending:
                np.testing.assert_array_equal(found, np.sort(x, axis))
                np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))
            w = np.arange(1.0, x.size + 1).reshape(x.shape)
            _, pull = cr.vjp(lambda x, a=axis, d=descending: cr.sort(x, a, descending=d), x)
            np.testing.assert_array_equal(np.take_along_axis(pull(w)[0], order, axis), w)


def test_descending_keeps_the_order_of_equal_elements():
    x = np.array([1.0, 2.0, 1.0, 2.0, np.nan])
    np.testing.assert_array_equal(cr.argsort(x, descending=True), [4, 1, 3, 0, 2])


def test_complex_numbers_are_sorted_by_their_real_parts():
    x = np.array([1 + 2j, 1 - 1j, -3j, 2, 0.5])
    np.testing.assert_array_equal(cr.sort(x), np.sort(x))
    np.testing.assert_array_equal(cr.sort(cr.tensor(x)).numpy(), np.sort(x))
    assert cr.median(x) == np.median(x)
    with pytest.raises(TypeError, match="no order"):
        cr.quantile(x, 0.5)


def test_searching_with_a_sorter_and_under_vmap():
    a, v = rng.normal(size=(3, 6)), rng.normal(size=(3, 4))
    for side in ("left", "right"):
        order = np.argsort(a[0])
        same(cr.searchsorted(a[0], v, side, sorter=order), np.searchsorted(a[0], v, side, sorter=order))
        edges = np.sort(a, 1)
        expected = np.stack([np.searchsorted(e, x, side) for e, x in zip(edges, v, strict=True)])
        same(cr.vmap(lambda a, v, side=side: cr.searchsorted(a, v, side))(edges, v), expected)
        one = cr.vmap(lambda a, side=side: cr.searchsorted(a, v[0], side))(edges)
        same(one, np.stack([np.searchsorted(e, v[0], side) for e in edges]))
        twice = cr.vmap(cr.vmap(lambda a, x, side=side: cr.searchsorted(a, x, side), in_axes=(None, 0)), in_axes=(0, 0))(
            edges, v
        )
        same(twice, expected)
        rows = cr.tensor(edges)
        same(cr.searchsorted(rows, v, side).numpy(), expected)  # row by row, as in PyTorch
        order = np.argsort(a, 1)
        same(cr.searchsorted(a, v, side, sorter=order), expected)
        stacked = cr.searchsorted(np.stack([edges, edges + 1]), np.stack([v, v + 1]), side)
        same(stacked, np.stack([expected, expected]))
    assert np.searchsorted(a[0][cr.argsort(a[0])], 0.1) == np.asarray(np.searchsorted(cr.tensor(np.sort(a[0])), 0.1))


def test_partitions():
    x = rng.normal(size=(3, 7))
    for kth in (2, -1, (1, 4)):
        found = cr.partition(x, kth, axis=1)
        for k in np.atleast_1d(kth):
            same(found[:, k], np.partition(x, kth, axis=1)[:, k])
        np.testing.assert_array_equal(np.take_along_axis(x, cr.argpartition(x, kth, axis=1), 1), found)


def test_largest_and_kth():
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(3, 7))
    for dim in (0, 1):
        for largest in (False, True):
            ours, theirs = cr.topk(x, 2, dim, largest), torch.topk(torch.tensor(x), 2, dim, largest)
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b.numpy())
        for keepdim in (False, True):
            ours = cr.kthvalue(cr.tensor(x), 2, dim=dim, keepdim=keepdim)
            theirs = torch.kthvalue(torch.tensor(x), 2, dim=dim, keepdim=keepdim)
            np.testing.assert_array_equal(ours.values.numpy(), theirs.values.numpy())
            np.testing.assert_array_equal(ours.indices.numpy(), theirs.indices.numpy())
    np.testing.assert_array_equal(cr.msort(x), np.sort(x, 0))


MISTAKES = {
    "q": (lambda: cr.quantile([1.0], 1.5), ValueError, r"range \[0, 1\]"),
    "NaN": (lambda: cr.quantile([1.0], np.nan), ValueError, r"range \[0, 1\]"),
    "percentile": (lambda: cr.percentile([1.0], 101), ValueError, r"range \[0, 100\]"),
    "method": (lambda: cr.quantile([1.0], 0.5, method="best"), ValueError, "unknown method 'best'"),
    "weights": (lambda: cr.quantile([1.0], 0.5, weights=[1.0]), ValueError, "only method 'inverted_cdf'"),
    "negative weights": (lambda: cr.quantile([1.0], 0.5, method="inverted_cdf", weights=[-1.0]), ValueError, "non-negative"),
    "shape of weights": (
        lambda: cr.quantile(np.ones((2, 3)), 0.5, method="inverted_cdf", weights=[1.0]),
        ValueError,
        "must have the shape of `x`",
    ),
    "nothing": (lambda: cr.median([]), ValueError, "no elements"),
    "axis": (lambda: cr.sort([1.0], 1), np.exceptions.AxisError, "out of bounds"),
    "no axis": (lambda: cr.sort(1.0), np.exceptions.AxisError, "out of bounds"),
    "kth": (lambda: cr.partition([1.0], 1), ValueError, "out of bounds"),
    "half": (lambda: cr.partition([1.0, 2.0], 0.5), TypeError, "integer"),
    "topk": (lambda: cr.topk([1.0], 2), ValueError, "k=2 is outside"),
    "kthvalue": (lambda: cr.kthvalue([1.0], 0), ValueError, "k=0 is outside"),
    "side": (lambda: cr.searchsorted([1.0], 2.0, side="middle"), ValueError, "unknown side"),
    "edges": (lambda: cr.searchsorted(np.ones((2, 2)), 2.0), ValueError, "one axis"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()
