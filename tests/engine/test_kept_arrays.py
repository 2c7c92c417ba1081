"""Plain arrays that a program writes to after it has used them: derivatives and programs are those of what was read."""

import functools
import gc

import numpy as np
import pytest

import chainrule as cr
from chainrule.core import dispatch

X = np.array([1.0, 2.0, 3.0])
close = np.testing.assert_allclose


def weights(x):
    w = np.zeros(3)
    out = 0.0
    for k in range(3):
        w[k] = k + 1.0
        out = out + (x * w).sum() + (w / x).sum()
    return out


def indices(x):
    i = np.array([0, 1])
    y = x[i]
    i += 1
    return (y * x[i]).sum()


def index_shape(x):
    i = np.array([0, 1, 2, 1])
    y = x[i] ** 2
    i.shape = (2, 2)
    return (y * x[i].ravel()).sum()


def masks(x):
    m = np.array([True, False, True])
    y = np.where(m, x, x**2)
    m[:] = False
    return (y * np.where(m, x, 2.0)).sum()


def matrices(x):
    a = np.eye(3)
    y = a @ x
    a[0, 1] = 5.0
    y = np.dot(a, y) + np.convolve(x, a[0])[:3]
    a *= 2
    return np.einsum("ij,j,i->", a, y, x)


def large(x):
    w = np.arange(1000.0)
    y, s = np.resize(x, 1000), 0.0
    for k in range(4):
        s = s + np.dot(y, w) + (y * w[::-1] * np.broadcast_to(w[:1], 1000)).sum()
        if k == 1:
            w += 1
    return s


def views(x):
    w = np.ones((2, 3))
    row = w[1]
    y = x * row
    w[1] = 7.0
    return (y * x * row).sum()


def argument(x, w=None):
    w = np.ones(3) if w is None else w
    y = x * w
    w *= 2
    return (y * x * w).sum()


PROGRAMS = [weights, indices, index_shape, masks, matrices, large, views, argument]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_every_mode_knows_what_was_read(f):
    slope = np.array([np.imag(f(X + 1e-20j * e)) / 1e-20 for e in np.eye(3)]) if f is not large else cr.jacfwd(f)(X)
    close(cr.grad(f)(X), slope, rtol=1e-12)
    close(cr.jacfwd(f)(X), slope, rtol=1e-12)
    close(cr.linearize(f, X)[1](np.ones(3)), slope.sum(), rtol=1e-12)
    close(cr.vmap(cr.grad(f))(X[None])[0], slope, rtol=1e-12)
    close(cr.grad(cr.checkpoint(f))(X), slope, rtol=1e-12)
    close(cr.hessian(f)(X), cr.jacfwd(cr.jacfwd(f))(X), rtol=1e-12)
    t = cr.tensor(X, requires_grad=True)
    f(t).backward()
    close(t.grad.numpy(), slope, rtol=1e-12)
    compiled, gradient = cr.compile(f), cr.compile(cr.grad(f))
    for k in range(3):
        close(compiled(X + k), f(X + k), rtol=1e-12)
        close(gradient(X + k), cr.grad(f)(X + k), rtol=1e-12)
        close(cr.grad(compiled)(X + k), cr.grad(f)(X + k), rtol=1e-12)


def test_a_checkpoint_runs_again_with_the_arrays_that_it_was_given():
    def total(run):
        def f(x):
            w = np.ones(3)
            return run(x, w) + run(x, w)

        return f

    close(cr.grad(total(cr.checkpoint(argument)))(X), cr.grad(total(argument))(X))


def test_what_is_kept_again_unchanged_is_copied_once():
    gc.collect()
    w, x = np.arange(1000.0), cr.tensor(np.ones(1000), requires_grad=True)
    first, second = x * w, x * w
    assert first.note.kept[1] is second.note.kept[1] is not w
    w[0] = 1.0
    assert (x * w).note.kept[1] is not first.note.kept[1]
    before = len(dispatch._copies)
    del first, second, x
    gc.collect()
    assert len(dispatch._copies) < before or before == 0


def test_what_nobody_can_write_to_is_not_copied():
    w = np.arange(3.0)
    w.flags.writeable = False
    x = cr.tensor(X, requires_grad=True)
    assert (x * w).note.kept[1] is w
    constant = cr.tensor([1.0, 2.0, 3.0])
    assert (x * constant).note.kept[1] is constant.value
    spread = np.broadcast_to(np.ones(1), 10**6)
    assert (cr.sum(x) * spread).note.kept[1].strides == (0,)


def test_programs_still_read_global_arrays_where_they_stand():
    scale = np.arange(1000.0)

    @cr.compile
    def f(x):
        return (x * scale).sum() + (x * scale[::2].repeat(2)).sum()

    gradient = cr.compile(cr.grad(f))
    for k in range(3):
        scale[:] = k
        x = np.ones(1000)
        close(f(x), 2000 * k)
        close(gradient(x), np.full(1000, 2.0 * k))
        close(cr.grad(f)(x), np.full(1000, 2.0 * k))


FAR = np.arange(3.0)


def helper(x):
    return (x * FAR).sum()


def test_programs_read_arrays_of_helpers_defaults_and_partials_where_they_stand():
    near, given, large = np.ones(3), np.ones(3), np.ones(70_000)

    def spread(x):
        return (x[0] * large).sum()

    def f(c, x, w=near):
        return helper(x) + (x * w * c).sum() + spread(x)

    program = functools.partial(f, given)
    for run in (cr.compile(program), cr.compile(cr.grad(program)), cr.grad(cr.compile(program))):
        for k in range(3):
            for a in (FAR, near, given, large):
                a[:] = k + 1.0
            wanted = program(X) if np.ndim(run(X)) == 0 else cr.grad(program)(X)
            close(run(X), wanted)
