"""Running totals and places of extrema as machine code."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native import execute, runner
from chainrule.core.primitive import ROWS

SHAPES = [
    ((5,), 0), ((1,), 0), ((4, 7), 1), ((9, 7), 0), ((3, 5, 2), 1), ((2, 6, 40), 1), ((7, 1, 3), 1), ((5, 33), 0), ((13, 6), 1),
]  # fmt: skip


def check(name, x, axis, native=True):
    row = ROWS[name]
    graph = cr.graph(lambda x: row.call(x, axis=axis))(x)
    expected = np.asarray(row.evaluate(x, axis=axis))
    (found,) = execute(graph, [x])
    assert (np.shape(found), np.asarray(found).dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-5 if x.dtype == np.float32 else 1e-13)
    assert all(k.kind != "call" for k in runner(graph).program.whole().kernels) == native


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8, bool])
@pytest.mark.parametrize("shape, axis", SHAPES)
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_totals(name, shape, axis, dtype):
    check(name, np.random.default_rng(0).integers(-2, 3, shape).astype(dtype), axis)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_totals_of_nothing(name):
    check(name, np.zeros((0, 3)), 0)
    check(name, np.zeros((3, 0, 2)), 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, np.uint64, bool])
@pytest.mark.parametrize("shape, axis", [*SHAPES, ((3, 1000), 1)])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_first_extremum(name, shape, axis, dtype):
    check(name, np.random.default_rng(0).integers(0, 4, shape).astype(dtype), axis)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_first_nan_wins(name):
    x = np.random.default_rng(0).normal(size=(40, 50))
    x[np.random.default_rng(1).random(x.shape) < 0.02] = np.nan
    x[3], x[4] = -np.inf, np.inf
    for axis in (0, 1):
        check(name, x, axis)
        check(name, x.astype(np.float32), axis)


def test_arguments_are_computed_in_the_same_kernel():
    x = np.random.default_rng(0).normal(size=(6, 9))
    graph = cr.graph(lambda x: cr.argmax(cr.exp(x) * 2, axis=1))(x)
    np.testing.assert_array_equal(execute(graph, [x])[0], np.argmax(x, axis=1))
    assert len(runner(graph).program.whole().kernels) == 1
