"""NumPy programs full of assignments, as they stand: values as NumPy's, derivatives as by complex steps, in every mode."""

import numpy as np
import pytest
from numpy_style import DECIDES, PROGRAMS

import chainrule as cr

RNG = np.random.default_rng(3)
X, V = RNG.uniform(0.2, 1, 12), RNG.uniform(-1, 1, 12)
every = pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)


def slope(f, x, v):
    return np.imag(f(x + 1e-30j * v)) / 1e-30


def close(found, wanted, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=1e-12)


@every
def test_values_and_both_modes(f):
    value, g = cr.value_and_grad(f)(X)
    close(value, f(X))
    close(g @ V, slope(f, X, V))
    close(cr.jvp(f, (X,), (V,))[1], slope(f, X, V))
    t = cr.tensor(X, requires_grad=True)
    f(t).backward()
    close(t.grad, g)


@every
def test_second_order(f):
    h = 1e-3
    slopes = [slope(f, X + s * V, V) for s in (-2 * h, -h, h, 2 * h)]
    rough = (slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]) / (12 * h)
    close(cr.hvp(f, (X,), (V,))[1] @ V, rough, rtol=1e-6)
    g = cr.grad(lambda x: cr.grad(f)(x) @ V)(X)
    close(g @ V, rough, rtol=1e-6)


@every
def test_vmap(f):
    xs = np.stack([X, np.roll(X, 5)])
    if f in DECIDES:
        with pytest.raises(cr.errors.ChainruleError, match="vmap"):
            cr.vmap(f)(xs)
        return
    close(cr.vmap(f)(xs), [f(x) for x in xs])
    close(cr.vmap(cr.grad(f))(xs), [cr.grad(f)(x) for x in xs])


@every
def test_compiled(f):
    both = cr.compile(cr.value_and_grad(f))
    for x in (X, X, np.roll(X, 5)):
        value, g = both(x)
        close(value, f(x))
        close(g, cr.grad(f)(x))


@every
def test_checkpointed(f):
    close(cr.grad(cr.checkpoint(f))(X), cr.grad(f)(X))
    close(cr.hvp(cr.checkpoint(f), (X,), (V,))[1], cr.hvp(f, (X,), (V,))[1])
