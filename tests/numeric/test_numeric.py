"""Numerical derivatives: right to their own error estimate, by every method, over trees, in float32 and complex."""

import math

import mpmath
import numpy as np
import pytest

import chainrule as cr

FUNCTIONS = {
    "sine": (np.sin, np.cos, [0.3, 1.0, -40.0, 1e6]),
    "fast waves": (lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), [1.0, 0.4]),
    "logarithm": (np.log, lambda x: 1 / x, [1e-8, 1e-3, 2.0, 1e6]),
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-3, 3.0]),
    "pole": (lambda x: 1 / x, lambda x: -1 / x**2, [1e-8, -0.2, 7.0]),
    "mixture": (lambda x: np.exp(-x * x) * np.tan(x), None, [0.4, 1.2]),
    "constant": (lambda x: 0 * x + 2.0, lambda x: 0 * x, [1.0]),
}
EXACT = {"mixture": lambda x: float(mpmath.diff(lambda t: mpmath.exp(-t * t) * mpmath.tan(t), x))}
ACCURACY = {"auto": 1e-13, "complex": 1e-13, "richardson": 1e-9, "central": 1e-7}


@pytest.mark.parametrize("method", ACCURACY)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_right_and_errors_honest(name, method):
    f, exact, points = FUNCTIONS[name]
    exact = exact or EXACT[name]
    for x in points:
        found = cr.numeric.derivative(f, method=method, full_output=True)(x)
        off = abs(found.value - exact(x))
        assert off <= ACCURACY[method] * max(abs(exact(x)), 1e-6)
        assert off <= 20 * found.error + 4e-16 * abs(exact(x))
        assert found.error <= max(1e-6 * abs(exact(x)), 1e-9)
        assert found.step > 0


def test_evaluations_are_counted():
    calls = []

    def f(x):
        calls.append(x)
        return np.sin(x)

    for method in ACCURACY:
        calls.clear()
        assert cr.numeric.derivative(f, method=method, full_output=True)(1.0).evaluations == len(calls)
    calls.clear()
    assert cr.numeric.gradient(lambda x: f(x).sum(), full_output=True)(np.ones(3)).evaluations == len(calls)


def test_complex_step_is_refused_where_it_is_wrong():
    for f, slope in (
        (lambda x: np.abs(x) ** 1.5, -1.5 * math.sqrt(0.7)),
        (lambda x: np.conj(x) * x, -1.4),
        (lambda x: x * np.real(x), -1.4),
        (lambda x: math.exp(x), math.exp(-0.7)),
    ):
        found = cr.numeric.derivative(f, full_output=True)(-0.7)
        assert found.method == "richardson"
        assert abs(found.value - slope) < 1e-11
    with pytest.raises(cr.errors.NonDifferentiableError, match="does not take complex numbers"):
        cr.numeric.derivative(math.exp, method="complex")(1.0)


def test_next_to_a_kink_and_at_it():
    for x, slope in ((1e-4, 1.0), (-1e-4, 0.0), (0.0, 0.5)):
        assert abs(cr.numeric.derivative(lambda x: max(float(x), 0.0))(x) - slope) < 1e-6


def test_elementwise_derivatives():
    x = np.linspace(0.1, 2.0, 6).reshape(2, 3)
    for method, accuracy in ACCURACY.items():
        np.testing.assert_allclose(cr.numeric.derivative(np.log, method=method)(x), 1 / x, rtol=100 * accuracy)
    with pytest.raises(cr.errors.ArgumentError, match="element by element"):
        cr.numeric.derivative(np.sum)(x)


def test_a_curve_has_a_derivative_for_every_result():
    found = cr.numeric.derivative(lambda t: {"x": np.cos(t), "y": [np.sin(t) * np.ones(2)]}, method="richardson")(0.5)
    np.testing.assert_allclose(found["x"], -math.sin(0.5), rtol=1e-11)
    np.testing.assert_allclose(found["y"][0], [math.cos(0.5)] * 2, rtol=1e-11)


@pytest.mark.parametrize("method", ["auto", "complex", "central", "richardson"])
def test_gradients_and_jacobians_have_the_form_of_exact_ones(method):
    tree = {"w": np.array([[1.0, -0.5], [0.3, 2.0]]), "b": 0.7}

    def f(p, k):
        return cr.sum(cr.tanh(p["w"] @ p["w"]) * p["b"] * k)

    def g(p, k):
        return {"rows": cr.sin(p["w"] * p["b"]) * k, "total": cr.sum(p["w"]) * p["b"]}

    rtol = 1e4 * ACCURACY[method]
    for numeric, exact, h in ((cr.numeric.gradient, cr.grad, f), (cr.numeric.jacobian, cr.jacobian, g)):
        for argnums in (0, 1, (0, 1)):
            found, expected = numeric(h, argnums, method=method)(tree, 1.5), exact(h, argnums)(tree, 1.5)
            cr.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol), found, expected)
            cr.tree_map(lambda a, b: (np.shape(a), a.dtype) == (np.shape(b), b.dtype) or pytest.fail(), found, expected)


@pytest.mark.parametrize("method, rtol", [("auto", 1e-11), ("complex", 1e-11), ("richardson", 1e-9), ("central", 1e-5)])
def test_hessians(method, rtol):
    rng = np.random.default_rng(0)
    p = {"x": rng.normal(size=3), "y": rng.normal(size=(2, 1))}

    def f(p):
        return cr.sum(cr.exp(0.3 * p["x"]) * p["x"] ** 2) * cr.sum(cr.sin(p["y"])) + p["x"][0] * p["y"][0, 0]

    found, expected = cr.numeric.hessian(f, method=method, full_output=True)(p), cr.hessian(f)(p)
    cr.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol), found.value, expected)
    cr.tree_map(lambda a, b, e: np.testing.assert_array_less(abs(a - b), 20 * e + 1e-12), found.value, expected, found.error)


def test_single_precision_stays_single_and_is_not_worse_than_it_must_be():
    x = np.linspace(-1, 1, 4, dtype=np.float32)

    def f(x):
        return np.sum(np.abs(x) * np.sin(3 * x))

    exact = np.sign(x) * np.sin(3 * x) + 3 * np.abs(x) * np.cos(3 * x)
    for method, accuracy in (("auto", 2e-4), ("richardson", 2e-4), ("central", 2e-3)):
        found = cr.numeric.gradient(f, method=method, full_output=True)(x)
        assert found.value.dtype == np.float32
        np.testing.assert_allclose(found.value, exact, rtol=accuracy, atol=accuracy)
        assert np.all(np.abs(found.value - exact) <= 20 * found.error + 1e-6)
    assert cr.numeric.hessian(lambda x: np.sum(x**3))(x).dtype == np.float32
    np.testing.assert_allclose(cr.numeric.hessian(lambda x: np.sum(x**3))(x), np.diag(6 * x), atol=1e-4)


def test_complex_arguments():
    z = np.array([1 + 2j, 0.5 - 1j])

    def f(z):
        return cr.sum(cr.absolute(z) ** 3) * cr.real(z[0])

    np.testing.assert_allclose(cr.numeric.gradient(f)(z), cr.grad(f)(z), rtol=1e-10)
    np.testing.assert_allclose(cr.numeric.jacobian(np.exp)(z), np.diag(np.exp(z)), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(cr.numeric.derivative(np.exp)(z), np.exp(z), rtol=1e-10)
    with pytest.raises(cr.errors.NonDifferentiableError, match="real"):
        cr.numeric.hessian(f)(z)


def test_empty_arguments():
    assert cr.numeric.gradient(np.sum)(np.zeros((0, 3))).shape == (0, 3)
    assert cr.numeric.jacobian(lambda x: x)(np.zeros(0)).shape == (0, 0)
    assert cr.numeric.hessian(np.sum)(np.zeros(0)).shape == (0, 0)
    assert cr.numeric.derivative(np.sin)(np.zeros((0, 2))).shape == (0, 2)


def test_a_given_step():
    found = cr.numeric.derivative(np.sin, method="central", step=0.5, full_output=True)(1.0)
    assert found.step <= 0.5 / 4 and abs(found.value - math.cos(1)) < 1e-8
    assert cr.numeric.derivative(np.sin, method="complex", step=1e-10, full_output=True)(1.0).step == 1e-10
    with pytest.raises(cr.errors.ArgumentError, match="positive"):
        cr.numeric.gradient(np.sum, step=0.0)


def test_wrong_use():
    with pytest.raises(cr.errors.ArgumentError, match="no method 'newton'"):
        cr.numeric.derivative(np.sin, method="newton")
    with pytest.raises(cr.errors.NonDifferentiableError, match="argument"):
        cr.numeric.gradient(np.sum)(np.arange(3))
    with pytest.raises(cr.errors.NonScalarOutputError, match="one scalar"):
        cr.numeric.gradient(np.sin)(np.ones(3))
    with pytest.raises(cr.errors.ArgumentError, match="argnums"):
        cr.numeric.gradient(np.sum, 2)(np.ones(3))
    x = cr.tensor(np.ones(3), requires_grad=True)
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.numeric.gradient(lambda x: (x**2).sum())(x)
    np.testing.assert_allclose(cr.numeric.gradient(lambda x: (x**2).sum())(x.detach()), [2, 2, 2])
