"""Segments, and PyTorch's functions that combine elements at indices: ties, zeros, empty segments, batches, mistakes."""

import numpy as np
import pytest

import chainrule as cr

rng = np.random.default_rng(5)


def ids_of(n, num):
    return rng.integers(-1, num, n)


def test_ties_share_the_derivative():
    x, ids = np.array([1.0, 3.0, 3.0, 2.0, 3.0]), np.array([0, 0, 0, 1, -1])
    np.testing.assert_array_equal(cr.grad(lambda x: cr.segment_max(x, ids).sum())(x), [0, 0.5, 0.5, 1, 0])
    np.testing.assert_array_equal(cr.grad(lambda x: cr.segment_min(-x, ids).sum())(x), [0, -0.5, -0.5, -1, 0])
    x[1] = np.nan
    np.testing.assert_array_equal(cr.segment_max(x, ids), [np.nan, 2])
    np.testing.assert_array_equal(cr.grad(lambda x: cr.segment_max(x, ids).sum())(x), [0, 1, 0, 1, 0])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_with_zeros_to_third_order(zeros):
    x, ids = np.array([2.0, 3.0, 5.0, 7.0, 11.0]), np.array([1, 0, 1, 1, 0])
    x[[0, 2, 3][:zeros]] = 0

    def f(x):
        return (cr.segment_prod(x, ids) * np.array([2.0, 3.0])).sum()

    def plain(x):
        return 2 * x[1] * x[4] + 3 * x[0] * x[2] * x[3]

    for g, h in ((cr.grad(f), cr.grad(plain)), (cr.hessian(f), cr.hessian(plain))):
        np.testing.assert_array_equal(g(x), h(x))
    third = cr.jacfwd(cr.hessian(f))(x), cr.jacfwd(cr.hessian(plain))(x)
    np.testing.assert_array_equal(*third)


@pytest.mark.parametrize("name", ["segment_sum", "segment_mean", "segment_max", "segment_min", "segment_prod"])
def test_batches_of_ids(name):
    f = getattr(cr, name)
    x, ids = rng.normal(size=(4, 6, 2)), np.stack([ids_of(6, 3) for _ in range(4)])
    loop = np.stack([f(a, i, 3) for a, i in zip(x, ids, strict=True)])
    np.testing.assert_allclose(cr.vmap(lambda a, i: f(a, i, 3))(x, ids), loop)
    np.testing.assert_allclose(cr.vmap(lambda i: f(x[0], i, 3))(ids), np.stack([f(x[0], i, 3) for i in ids]))
    np.testing.assert_allclose(cr.compile(lambda a, i: f(a, i, 3))(x[0], ids[0]), loop[0])
    nested = f(x, np.broadcast_to(np.arange(4)[:, None], (4, 6)))  # ids of two axes name a segment for each slice
    np.testing.assert_allclose(nested, np.stack([f(a, np.zeros(6, int))[0] for a in x]))


def test_ids_that_are_traced_need_a_number():
    with pytest.raises(cr.errors.UnsupportedError, match="give num_segments"):
        cr.vmap(lambda i: cr.segment_sum(np.ones(3), i))(np.zeros((2, 3), int))


MISTAKES = {
    "range": (lambda: cr.segment_sum([1.0, 2.0], [0, 3], 3), IndexError, "id 3 is out of range"),
    "range when traced": (lambda: cr.compile(lambda i: cr.segment_max(np.ones(2), i, 1))(np.array([0, 3])), Exception, "3"),
    "floats": (lambda: cr.segment_sum([1.0], [0.5]), TypeError, "ids must be integers"),
    "shapes": (lambda: cr.segment_sum(np.ones((3, 2)), [0, 1]), cr.errors.ShapeError, "one id for each slice"),
    "reduction": (
        lambda: cr.scatter_reduce(np.ones(2), 0, np.array([0]), np.ones(1), "median"),
        cr.errors.ArgumentError,
        "unknown reduction 'median'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce_against_torch(reduce, include_self):
    torch = pytest.importorskip("torch")
    x, values = rng.integers(-2, 3, (3, 4)).astype(float), rng.integers(-2, 3, (2, 4)).astype(float)
    x = x if include_self else x + 0.25  # their derivative counts ties with elements that do not take part
    g, index = rng.normal(size=(3, 4)), rng.integers(0, 3, (2, 4))
    a, b = cr.tensor(x, requires_grad=True), cr.tensor(values, requires_grad=True)
    out = cr.scatter_reduce(a, 0, index, b, reduce, include_self=include_self)
    out.backward(g)
    ta, tb = torch.tensor(x, requires_grad=True), torch.tensor(values, requires_grad=True)
    theirs = ta.scatter_reduce(0, torch.tensor(index), tb, reduce, include_self=include_self)
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(out.detach(), theirs.detach().numpy())
    np.testing.assert_allclose(a.grad, ta.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(b.grad, tb.grad.numpy(), atol=1e-12)


def test_running_extrema_against_torch():
    torch = pytest.importorskip("torch")
    x = rng.integers(-3, 4, (4, 9)).astype(float)
    x[1, 4] = np.nan
    g = rng.normal(size=x.shape)
    for name in ("cummax", "cummin"):
        for dim in (0, 1):
            a, b = cr.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
            ours, theirs = getattr(cr, name)(a, dim=dim), getattr(torch, name)(b, dim=dim)
            np.testing.assert_array_equal(ours.values.detach(), theirs.values.detach().numpy())
            np.testing.assert_array_equal(ours.indices, theirs.indices.numpy())
            ours.values.backward(g)
            theirs.values.backward(torch.tensor(g))
            np.testing.assert_allclose(a.grad, b.grad.numpy())


def test_running_logarithms_of_sums():
    x = np.array([[-1000.0, 1000.0, 999.0, -np.inf], [-np.inf, -np.inf, 3.0, 2.0]])
    with np.errstate(invalid="ignore"):
        expected = np.logaddexp.accumulate(x, 1)
    np.testing.assert_allclose(cr.logcumsumexp(x, 1), expected)
    slopes = cr.jacrev(lambda x: cr.logcumsumexp(x))(x[0])
    rows = [np.where(np.arange(4) <= k, np.exp(np.minimum(x[0] - expected[0, k], 0)), 0) for k in range(4)]
    np.testing.assert_allclose(slopes, rows, atol=1e-12)
    y = rng.normal(size=7)
    assert cr.gradcheck(lambda y: cr.logcumsumexp(y), (y,))
    t = rng.normal(size=7)
    second = cr.jvp(cr.grad(lambda y: cr.sin(cr.logcumsumexp(y)).sum()), (y,), (t,))[1]
    slope = cr.grad(lambda y: cr.sin(cr.logcumsumexp(y)).sum())
    np.testing.assert_allclose(second, (slope(y + 1e-5 * t) - slope(y - 1e-5 * t)) / 2e-5, atol=1e-8)
