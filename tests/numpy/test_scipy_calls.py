"""SciPy's functions that need plain numbers, given Tensors: clear errors, and no derivative lost in silence."""

import warnings

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.sparse.linalg
import scipy.special
import scipy.stats

import chainrule as cr
from chainrule.errors import LostDerivativeError, LostDerivativeWarning

X, M = np.array([0.1, 0.3]), np.eye(3) * 2 + 0.1
ROOT = "help: use chainrule.custom_root"


def leaf(x):
    return cr.tensor(x, requires_grad=True)


@pytest.mark.parametrize(
    "call, name, help",
    [
        (lambda: scipy.linalg.svd(leaf(M)), "scipy.linalg.svd: ", "use chainrule.linalg.svd;"),  # asked for in a decorator
        (lambda: scipy.linalg.solve(M, leaf(M)), "scipy.linalg.solve: ", "use chainrule.linalg.solve;"),
        (lambda: scipy.signal.lfilter([1.0], [1.0, 0.2], leaf(X)), "scipy.signal.lfilter: ", "use chainrule.signal.lfilter;"),
        (lambda: scipy.interpolate.CubicSpline(np.arange(2.0), leaf(X)), "scipy.interpolate.CubicSpline: ", "x.detach()"),
        (lambda: scipy.special.legendre_p(2, leaf(X)), "scipy.special: ", "x.detach()"),
        (lambda: scipy.stats.norm.pdf(leaf(X)), "scipy.stats.norm: ", "use chainrule.stats.norm;"),
        (lambda: scipy.stats.norm(0.0, 1.0).cdf(leaf(X)), "scipy.stats.norm: ", "use chainrule.stats.norm;"),
        (lambda: scipy.stats.skewnorm.pdf(leaf(X), 1.0), "scipy.stats.skewnorm: ", "x.detach()"),
        (
            lambda: scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), leaf(X)),
            "scipy.integrate.solve_ivp: ",
            "integrate.odeint;",
        ),
        (
            lambda: scipy.sparse.linalg.cg(cr.tensor(M), X),
            "scipy.sparse.linalg.cg takes no Tensors",
            "use chainrule.linalg.cg;",
        ),
        (lambda: scipy.sparse.linalg.svds(leaf(M)), "scipy.sparse.linalg.svds takes no Tensors", "pass x.detach().numpy()"),
        (lambda: cr.vmap(scipy.linalg.svdvals)(np.ones((2, 3, 3))), "scipy.linalg.svdvals: ", "use chainrule.linalg.svdvals;"),
    ],
)
def test_the_error_names_the_function_and_its_counterpart(call, name, help):
    with pytest.raises(LostDerivativeError) as caught:
        call()
    assert str(caught.value).startswith(name) and help in str(caught.value).split("\n")[-1]


def test_errors_of_others_do_not_name_scipy():
    with pytest.raises(LostDerivativeError, match=r"^np\.asarray of"):
        np.asarray(leaf(X))
    with pytest.raises(LostDerivativeError, match=r"^np\.asarray of"):  # by the program's function, which SciPy calls
        scipy.integrate.quad(lambda t: np.asarray(leaf(X)).sum(), 0.0, 1.0)
    assert not hasattr(leaf(X), "matvec")


LOSSES = [
    (lambda a: scipy.optimize.brentq(lambda t: t**2 - 1, a, 3.0), "scipy.optimize.brentq: ", ROOT),
    (lambda a: scipy.optimize.root_scalar(lambda t: t**2 - a, bracket=(0, 1)).root, "scipy.optimize.root_scalar: ", ROOT),
    (lambda a: scipy.integrate.quad(lambda t: t * a, 0.0, 1.0)[0], "scipy.integrate.quad: ", "fixed_quad"),
    (lambda a: scipy.integrate.quad(lambda t: t, 0.0, a)[0], "scipy.integrate.quad: ", "fixed_quad"),
    (lambda a: scipy.integrate.dblquad(lambda t, u: t * a, 0, 1, 0, 1)[0], "scipy.integrate.dblquad: ", "fixed_quad"),
]


@pytest.mark.parametrize("f, name, help", LOSSES)
def test_numbers_made_of_tensors_warn(f, name, help):
    a = leaf(0.5)
    with pytest.warns(LostDerivativeWarning) as caught:
        assert type(f(a)) in (float, np.float64)  # as PyTorch's Tensors allow
    assert caught[0].filename == __file__
    assert str(caught[0].message).startswith(name) and help in str(caught[0].message)
    with pytest.warns(LostDerivativeWarning), pytest.raises((LostDerivativeError, RuntimeError, ValueError)):
        cr.grad(f)(0.5)


def test_what_loses_nothing_does_not_warn():
    a = leaf(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scipy.optimize.brentq(lambda t: t**2 - 1, a.detach(), 3.0)
        float(a), a.item(), complex(a)  # by the program itself
        scipy.integrate.quad(lambda t: float(a) * t, 0.0, 1.0)
        with cr.no_grad():
            scipy.integrate.quad(lambda t: a * t, 0.0, 1.0)
