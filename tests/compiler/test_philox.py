"""Random words as machine code: NumPy's, bit for bit, wherever they are used."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.native import execute, runner
from chainrule.core.primitive import ROWS

WORDS = ROWS["random_bits"]
COUNTERS = (0, 1, 12345, 2**63, 2**64 - 1, 2**64 - 2, 2**64 - 5)


def same(f, *args, kernels=None):
    graph = cr.graph(f)(*args)
    expected, found = graph.apply(*args), execute(graph, args)
    kinds = [k.kind for k in runner(graph).program.whole().kernels]
    assert "call" not in kinds
    for x, y in zip(expected, found, strict=True):
        assert np.shape(x) == np.shape(y)
        np.testing.assert_array_equal(x, y)
    if kernels is not None:
        assert len(kinds) == kernels


def state(counter):
    return np.array([0x9E3779B97F4A7C15, 0xFEDCBA9876543210, counter], np.uint64)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4,), (5,), (17,), (100,), (3, 5), (7, 4), (2, 3, 11), (0,), (3, 0)])
@pytest.mark.parametrize("counter", COUNTERS)
def test_words(shape, counter):
    same(lambda s: WORDS.call(s, shape=shape), state(counter))


@pytest.mark.parametrize("shape", [(8, 10), (5, 7), (4, 8)])
def test_in_other_places(shape):
    """Cut, turned, and beside an operand of another shape, so that rows do not begin where blocks do."""

    def words(s):
        return WORDS.call(s, shape=shape)

    row, column = np.arange(shape[1], dtype=np.uint64), np.arange(shape[0], dtype=np.uint64)[:, None]
    same(lambda s: words(s)[1:, 2:], state(3))
    same(lambda s: words(s).T, state(3))
    same(lambda s: words(s)[:, : shape[1] // 2] ^ words(s)[:, -(shape[1] // 2) :], state(3))
    same(lambda s: words(s)[::2, 1::3], state(3))
    same(lambda s, row: words(s) ^ row, state(3), row, kernels=1)
    same(lambda s, column: words(s) ^ column, state(3), column, kernels=1)
    six = np.arange(6, dtype=np.uint64)[:, None]
    same(lambda s, six: words(s)[:, None, :] ^ six, state(3), six)


def test_draws_run_with_what_uses_them():
    x = np.random.default_rng(0).normal(size=(30, 50)).astype(np.float32)

    def dropped(s, x):
        uniform = (WORDS.call(s, shape=x.shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return cr.where(uniform < 0.25, x * 4, 0)

    same(dropped, state(9), x, kernels=1)


def test_generators_give_the_same_stream_compiled():
    def draws():
        return [cr.rand(7), cr.randn(5, 3), cr.random.bernoulli(np.full((3, 3), 0.5)), cr.randint(0, 10, (9,))]

    cr.manual_seed(4)
    expected = [np.asarray(x) for _ in range(2) for x in draws()]
    cr.manual_seed(4)
    compiled = cr.compile(draws)
    found = [np.asarray(x) for _ in range(2) for x in compiled()]
    for x, y in zip(expected, found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-14)


def test_a_mask_is_drawn_once_for_both_directions():
    x = np.random.default_rng(1).normal(size=(20, 30))
    weight = cr.tensor(np.ones((20, 30)), requires_grad=True)

    def step(x):
        weight.grad = None
        out = nn.functional.dropout(weight * x, 0.5)
        out.sum().backward()
        return out, weight.grad

    cr.manual_seed(2)
    out, grad = (np.asarray(o.detach()) for o in cr.compile(step)(cr.tensor(x)))
    np.testing.assert_allclose(out, grad)
    cr.manual_seed(2)
    np.testing.assert_allclose(out, np.asarray(step(cr.tensor(x))[0].detach()))
