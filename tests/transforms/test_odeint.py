"""Differential equations: solutions in closed form, and the derivatives of the solution in every argument, mode and order."""

import numpy as np
import pytest
import scipy.integrate

import chainrule as cr

odeint = cr.integrate.odeint
A, Y0, T = np.array([[-0.3, 1.0], [-1.0, -0.2]]), np.array([1.0, 0.5]), np.linspace(0.0, 2.0, 4)
TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def slope(y, t, a, b):
    return a @ y + cr.sin(t) * b * y**2


def total(y0, t, a, b):
    return (odeint(slope, y0, t, a, b, **TIGHT) ** 2).sum()


def reference(y0, t, a, b):
    out = scipy.integrate.solve_ivp(
        lambda t, y: a @ y + np.sin(t) * b * y**2, (t[0], t[-1]), y0, "DOP853", t, rtol=1e-13, atol=1e-13
    )
    return (out.y**2).sum()


def test_values():
    np.testing.assert_allclose(total(Y0, T, A, 0.1), reference(Y0, T, A, 0.1), rtol=1e-9)
    for ts in ([0.0, 1.0, 3.0], [3.0, 1.0, 0.0], [0.0], [2.0, 2.0]):
        np.testing.assert_allclose(odeint(lambda y, t: -y, 2.0, ts), 2 * np.exp(ts[0] - np.array(ts)), rtol=1e-7)


def test_gradients_in_every_argument():
    args = (Y0, T, A, 0.1)
    found = cr.grad(total, (0, 1, 2, 3))(*args)
    expected = cr.numeric.gradient(reference, (0, 1, 2, 3))(*args)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-5, atol=1e-6)
    tangents = (Y0[::-1], np.cos(T), A.T, 0.7)
    np.testing.assert_allclose(
        cr.jvp(total, args, tangents)[1], sum((f * t).sum() for f, t in zip(found, tangents, strict=True)), rtol=1e-8
    )
    np.testing.assert_allclose(cr.compile(cr.grad(total, 2))(*args), found[2], rtol=1e-8)
    batch = cr.vmap(cr.grad(total, 2), (0, None, None, None))(np.stack([2 * Y0, Y0]), T, A, 0.1)
    np.testing.assert_allclose(batch[1], found[2], rtol=1e-8)


@pytest.mark.parametrize("outer", [cr.jacfwd, cr.jacrev])
@pytest.mark.parametrize("inner", [cr.jacfwd, cr.jacrev])
def test_second_order(outer, inner):
    """Of the logistic equation, whose solution is known."""

    def ours(r, y):
        return odeint(lambda y, t: r * y * (1 - y), y, np.array([0.0, 1.5]), **TIGHT)[-1]

    def exact(r, y):
        return 1 / (1 + (1 / y - 1) * cr.exp(-1.5 * r))

    for first in (0, 1):
        for second in (0, 1):
            found, expected = (outer(inner(f, first), second)(0.8, 0.3) for f in (ours, exact))
            np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_what_the_equation_closes_over():
    w = cr.tensor(A, requires_grad=True)
    odeint(lambda y, t: cr.tanh(w @ y), Y0, T).sum().backward()
    expected = cr.grad(lambda a: odeint(lambda y, t, a: cr.tanh(a @ y), Y0, T, a).sum())(A)
    np.testing.assert_allclose(w.grad.numpy(), expected, rtol=1e-12)


def test_trees_complex_numbers_and_dtypes():
    def f(y, t):
        return {"a": -y["a"], "b": 1j * y["a"] * y["b"]}

    out = odeint(f, {"a": 1.0, "b": np.array([1.0, 1j])}, [0.0, 1.0])
    np.testing.assert_allclose(out["a"][-1], np.exp(-1), rtol=1e-7)
    np.testing.assert_allclose(out["b"][-1], np.array([1, 1j]) * np.exp(1j * (1 - np.exp(-1))), rtol=1e-7)
    assert out["a"].dtype == np.float64 and out["b"].shape == (2, 2)
    turned = cr.grad(lambda k: cr.absolute(odeint(lambda y, t: 1j * k * y, 1 + 0j, [0.0, 1.0])[1] + 1) ** 2)(0.7)
    np.testing.assert_allclose(turned, -2 * np.sin(0.7), rtol=1e-6)
    single = odeint(lambda y, t: -y, np.ones(2, np.float32), [0.0, 1.0])
    assert single.dtype == np.float32
    np.testing.assert_allclose(single[-1], np.exp(-1), rtol=1e-5)
    assert odeint(lambda y, t: -y, np.zeros((0, 3)), [0.0, 1.0]).shape == (2, 0, 3)


def test_solutions_that_end():
    """Where the solution grows beyond all bounds, or there are too few steps, NaN and no endless loop."""
    assert np.isnan(odeint(lambda y, t: y * y, 1.0, [0.0, 2.0])).tolist() == [False, True]
    assert np.isnan(odeint(lambda y, t: -y, 1.0, [0.0, 1.0, 2.0], mxstep=2)).tolist() == [False, True, True]
    assert np.isnan(odeint(lambda y, t: y * np.nan, 1.0, [0.0, 1.0])).tolist() == [False, True]


def test_errors():
    with pytest.raises(cr.errors.ShapeError, match="times must be a vector"):
        odeint(lambda y, t: y, 1.0, 2.0)
    with pytest.raises(cr.errors.ShapeError, match="a tree like y0"):
        odeint(lambda y, t: y[:1], np.ones(2), [0.0, 1.0])
    with pytest.raises(cr.errors.ArgumentError, match="real numbers"):
        odeint(lambda y, t: y, 1.0, [0.0, 1j])
    with pytest.raises(cr.errors.LostDerivativeError, match="written down"):
        odeint(lambda y, t: y if y > 0 else -y, 1.0, [0.0, 1.0])
