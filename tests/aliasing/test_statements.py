"""Random sequences of in-place statements: values as in NumPy, derivatives as by complex steps, in every mode."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from in_place_statements import BY_VALUE, SHAPE, VIEWS, WRITES, programs, run

import chainrule as cr

RNG = np.random.default_rng(7)
X, V = RNG.uniform(-1, 1, 12), RNG.uniform(-1, 1, 12)
quick = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def slope(f, x, v):
    """The derivative of f along v, by a complex step."""
    return np.imag(f(x + 1e-30j * v)) / 1e-30


def close(found, wanted, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=1e-11)


def check(program, orders=2):
    def f(x):
        return run(program, x)

    value, along = f(X.copy()), slope(f, X, V)
    found, g = cr.value_and_grad(f)(X)
    close(found, value)
    close(g @ V, along)
    close(cr.jvp(f, (X,), (V,))[1], along)
    if orders > 1:
        h = 1e-4
        steps = [(cr.grad(f)(X + s * V) - cr.grad(f)(X - s * V)) / (2 * s) for s in (h, h / 2)]
        rough = (4 * steps[1] - steps[0]) / 3
        exact = cr.hvp(f, (X,), (V,))[1]
        assert np.max(np.abs(exact - rough)) < 1e-5 * (1 + np.max(np.abs(rough)))


@pytest.mark.parametrize("name", sorted(WRITES))
def test_each_statement_through_every_view(name):
    for view in sorted(VIEWS):
        check([(view, 0, 1), (name, 1, 2), ("result", 0, 0), (name, 0, 1)], orders=1)


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_each_view_sees_what_is_written_later(name):
    check([(name, 0, 1), ("assign_reversed", 0, 0), (name, 1, 2), ("shifted", 0, 1), ("iadd", 1, 1)])


@quick
@given(programs())
def test_any_sequence(program):
    check(program)


@settings(quick, max_examples=25)
@given(programs(without=BY_VALUE))
def test_any_sequence_under_vmap(program):
    xs = np.stack([X, V])
    close(cr.vmap(lambda x: run(program, x))(xs), [run(program, x) for x in xs])
    close(cr.vmap(cr.grad(lambda x: run(program, x)))(xs), [cr.grad(lambda x: run(program, x))(x) for x in xs])


@settings(quick, max_examples=12)
@given(programs(8))
def test_any_sequence_compiled(program):
    def f(x):
        return run(program, x)

    compiled = cr.compile(cr.value_and_grad(f))
    value, g = cr.value_and_grad(f)(X)
    for _ in range(2):
        found, slopes = compiled(X)
        close(found, value)
        close(slopes, g)
    close(cr.jvp(cr.compile(f), (X,), (V,))[1], g @ V)


@settings(quick, max_examples=25)
@given(programs(6), programs(6))
def test_any_sequence_in_a_checkpoint(before, inside):
    """The second sequence changes what the first one has made, from within a checkpoint."""

    def f(x, checkpoint):
        whole = (x * 1.0).reshape(SHAPE)
        part = whole[1:]
        first = run(before, whole.reshape(-1))

        def change(a):
            a[0] = np.sin(a[1])
            part[0] *= a[0, 0]  # not an argument
            return run(inside, a.reshape(-1))

        second = checkpoint(change)(whole)
        return first + second + np.sum(np.cos(whole) * np.arange(12.0).reshape(SHAPE)) + np.sum(part**3)

    plain, kept = (cr.value_and_grad(lambda x, c=c: f(x, c)) for c in (lambda g: g, cr.checkpoint))
    close(plain(X)[0], f(X.copy(), lambda g: g))
    close(kept(X)[0], plain(X)[0])
    close(kept(X)[1], plain(X)[1])
    close(cr.hvp(lambda x: f(x, cr.checkpoint), (X,), (V,))[1], cr.hvp(lambda x: f(x, lambda g: g), (X,), (V,))[1])
