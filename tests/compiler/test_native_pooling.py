"""Pooling as machine code: all geometries, ties, NaN and infinities, and no call back into NumPy."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.native import execute, runner
from chainrule.core.primitive import ROWS
from chainrule.ops.convolution import output_sizes

ALL = ("max_pool", "max_pool_select", "max_pool_scatter", "window_sum", "window_spread")
# (sizes, window, stride, padding, dilation) of the spatial axes
GEOMETRIES = {
    "usual": ((6, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "odd": ((7, 29), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "ceil": ((7, 9), (2, 2), (2, 2), ((0, 1), (0, 1)), (1, 1)),
    "overlapping": ((9, 41), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    "by single steps": ((5, 37), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "gaps": ((8, 40), (2, 1), (3, 4), ((0, 0), (0, 0)), (1, 1)),
    "dilated": ((9, 33), (3, 2), (1, 2), ((2, 2), (0, 1)), (2, 3)),
    "one pixel": ((1, 1), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "line": ((50,), (4,), (3,), ((2, 2),), (1,)),
    "far apart": ((100,), (2,), (9,), ((0, 0),), (1,)),
    "volume": ((4, 5, 19), (2, 2, 3), (2, 1, 3), ((0, 0), (1, 1), (0, 0)), (1, 1, 1)),
    "whole image": ((7, 7), (7, 7), (7, 7), ((0, 0), (0, 0)), (1, 1)),
}
# Of large windows only the maxima and sums, and what is left where they do not overlap.
LARGE = {
    "large": ((30, 45), (20, 21), (1, 1), ((3, 3), (0, 4)), (1, 1)),
    "large apart": ((31, 46), (10, 11), (10, 11), ((0, 0), (0, 0)), (1, 1)),
}


def arguments(name, geometry, dtype, lead=(2, 3)):
    sizes, window, stride, padding, dilation = geometry
    params = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
    rng = np.random.default_rng(3)
    x = rng.integers(-3, 4, (*lead, *sizes)).astype(dtype)  # with ties
    t = rng.normal(size=x.shape).astype(dtype)
    y = rng.normal(size=(*lead, *output_sizes(sizes, window, stride, padding, dilation))).astype(dtype)
    args = {"max_pool": [x], "max_pool_select": [t, x], "max_pool_scatter": [y, x], "window_sum": [t], "window_spread": [y]}
    return args[name], params | ({"sizes": sizes} if name == "window_spread" else {})


def check(name, args, params, native=True):
    row = ROWS[name]
    graph = cr.graph(lambda *xs: row.call(*xs, **params))(*args)
    with np.errstate(invalid="ignore"):
        expected = row.evaluate(*args, **params)
    (found,) = execute(graph, args)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert has_no_call(graph) == native


def has_no_call(graph):
    return all(k.kind != "call" for k in runner(graph).program.whole().kernels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("name", ALL)
def test_geometries(name, geometry, dtype):
    check(name, *arguments(name, geometry, dtype))
    check(name, *arguments(name, geometry, dtype, lead=()))


@pytest.mark.parametrize("geometry", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("name", ["max_pool", "window_sum", "window_spread"])
def test_large_windows(name, geometry):
    check(name, *arguments(name, geometry, np.float64))


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("name", ["max_pool", "max_pool_select", "max_pool_scatter"])
def test_nan_and_infinity(name, geometry):
    """The first NaN of a window is its maximum; where all is -inf, the first element is, never padding."""
    rng = np.random.default_rng(5)
    for special in (np.nan, -np.inf, np.inf):
        args, params = arguments(name, geometry, np.float32)
        args[-1][rng.random(args[-1].shape) < 0.3] = special
        check(name, args, params)
    args[-1][...] = -np.inf
    check(name, args, params)


@pytest.mark.parametrize("name", ALL)
def test_no_images(name):
    args, params = arguments(name, GEOMETRIES["usual"], np.float32, lead=(0, 3))
    check(name, args, params)


def test_integers_and_truth_values():
    check("max_pool", *arguments("max_pool", GEOMETRIES["overlapping"], np.int64))
    check("max_pool", *arguments("max_pool", GEOMETRIES["usual"], np.int8))
    args, params = arguments("max_pool", GEOMETRIES["overlapping"], np.int64)
    check("max_pool", [args[0] > 2], params)


def test_windows_of_padding_alone_are_left_to_numpy():
    geometry = ((4,), (2,), (1,), ((3, 3),), (1,))
    check("max_pool_scatter", *arguments("max_pool_scatter", geometry, np.float64), native=False)
    check("max_pool", *arguments("max_pool", geometry, np.float64))


def test_what_comes_before_and_after_is_part_of_the_kernel():
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 10)).astype(np.float32)
    bias = np.arange(3, dtype=np.float32)[:, None, None]

    def f(x, bias):
        return cr.exp(nn.functional.max_pool2d(nn.functional.relu(x + bias), 2))

    graph = cr.graph(f)(x, bias)
    np.testing.assert_allclose(execute(graph, [x, bias])[0], f(x, bias), rtol=1e-6)
    assert len(runner(graph).program.whole().kernels) == 1


@pytest.mark.parametrize("kernel, stride, padding", [(2, 2, 0), (3, 2, 1)])
def test_gradients_of_layers(kernel, stride, padding):
    x = np.random.default_rng(0).normal(size=(2, 3, 13, 15))

    def f(x):
        top = nn.functional.max_pool2d(x, kernel, stride, padding)
        mean = nn.functional.avg_pool2d(x, kernel, stride, padding)
        return cr.sum(top * top * mean)

    graph = cr.graph(cr.grad(f))(x)
    np.testing.assert_allclose(execute(graph, [x])[0], cr.grad(f)(x), rtol=1e-12)
    assert has_no_call(graph)
