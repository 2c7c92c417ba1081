"""What compiled functions return is of the kind that the function returns, at every call."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.trees import flatten


def kinds(tree):
    return [(type(x), getattr(x, "requires_grad", None)) for x in flatten(tree)[0]]


def same_kinds(f, *args):
    compiled = cr.compile(f)
    for _ in range(3):
        assert kinds(compiled(*args)) == kinds(f(*args))


def test_tensors_made_of_arrays():
    same_kinds(
        lambda a: [
            cr.tensor(a), cr.asarray(a), cr.array(a), cr.as_tensor(a * 2), cr.asarray(a, dtype=np.float32), a, a * 2,
            cr.tensor([a.sum(), 1.0]), cr.full((2,), a.sum()), cr.linspace(0, a[0], 3), cr.zeros_like(a), a.sum(),
        ],
        np.ones(2),
    )  # fmt: skip


def test_arrays_that_numpy_makes():
    same_kinds(
        lambda a: [np.zeros_like(a), np.full_like(a, a[0]), np.linspace(a[0], 1, 3), np.logspace(0, a[0], 3), np.tri(2) * a[0]],
        np.ones(2),
    )


def test_arrays_that_tensors_are_written_to():
    t = cr.tensor([1.0, 2.0])

    def f(a):
        a[t > 1] = 0.5
        np.add(t, 1.0, out=a)
        a[0] = t[1]
        return a * 2, t * 2

    same_kinds(f, np.ones(2))

    def onto_a_tensor(a):
        v = a + t.sum()
        np.add(a, 1.0, out=v)
        return v

    same_kinds(onto_a_tensor, np.ones(2))


def test_a_condition_does_not_make_tensors():
    t = cr.tensor(1.0)
    same_kinds(lambda a: cr.cond(t > 0, lambda q: q * 2, lambda q: q + 1, a), np.ones(2))


def test_a_history_that_was_freed_stays_freed():
    w = cr.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        w.grad = None
        loss = (w * x).sum() ** 2
        loss.backward()
        return loss

    compiled = cr.compile(step)
    for _ in range(3):
        loss = compiled(np.ones(2))
        assert (
            loss.requires_grad
            and not loss.is_leaf
            and float(loss) == 9
            and loss.grad_fn.name() == step(np.ones(2)).grad_fn.name()
        )
        with pytest.raises(cr.errors.GraphFreedError):
            loss.backward()
        with pytest.raises(cr.errors.LostDerivativeError):
            np.asarray(loss)
    assert len(compiled.variants) == 1


def test_sizes_keep_the_dtype_of_what_stands_beside_them():
    f = lambda v: (v.size * v, v * v.size, v / v.size, v.size - v, cr.sum(v.size * v))  # noqa: E731
    x = np.ones((2, 3), np.float32)
    for found in (f(x), f(cr.tensor(x)), cr.compile(f)(x), cr.compile(f)(cr.tensor(x))):
        assert {y.dtype for y in found} == {np.dtype(np.float32)}
    square = cr.grad(cr.compile(lambda x: cr.sum(cr.diag(x).size * x)))  # whose shape is not that of x
    assert np.array_equal(square(np.ones(3)), np.full(3, 9.0))


def test_copies_follow_what_they_are_copies_of():
    import copy

    w = cr.tensor([1.0, 2.0])
    f = cr.compile(lambda x: copy.deepcopy(w) * x)
    for _ in range(3):
        assert np.array_equal(f(np.ones(2)).numpy(), w.numpy())
        w += 1


def test_views_that_are_read_only_say_so():
    @cr.compile
    def f(y):
        cr.diagonal(y)[...] = 7

    with pytest.raises(ValueError, match="read-only"):
        f(np.ones((2, 2)))
    with pytest.raises(ValueError, match="diagonals"):
        f(cr.tensor(np.ones((2, 2))))
