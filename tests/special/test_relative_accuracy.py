"""Slopes and second derivatives keep their relative accuracy where functions are flat: in tails, at tiny and huge numbers."""

import mpmath as mp
import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F

sp = cr.special


def both_signs(*sizes):
    return (*(-x for x in sizes[::-1]), *sizes)


TAILS = both_signs(1e-100, 1e-12, 1e-5, 0.3, 2.1, 5.2, 9.9, 18.7, 37.0, 103.0, 300.0)
HUGE = both_signs(1e-100, 1e-12, 1e-3, 0.7, 30.0, 1e7, 1e30, 1e90)
POSITIVE = (1e-100, 1e-30, 1e-3, 0.7, 30.0, 1e7, 1e30, 1e90)
INSIDE = both_signs(1e-100, 1e-20, 1e-9, 0.2, 0.99, 1 - 1e-9)
UNIT = (1e-100, 1e-20, 1e-3, 0.4, 0.7, 1 - 1e-9)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log1p(mp.exp(x))


def log1p_root(k):
    return (1 + k * mp.mpf(0.4)) ** (1 / k)


CASES = {
    "tanh": (cr.tanh, mp.tanh, TAILS),
    "tanhshrink": (F.tanhshrink, lambda x: x - mp.tanh(x), TAILS),
    "sigmoid": (cr.sigmoid, sigmoid, TAILS),
    "expit": (sp.expit, sigmoid, TAILS),
    "softplus": (cr.softplus, softplus, TAILS),
    "logsigmoid": (F.logsigmoid, lambda x: -softplus(-x), TAILS),
    "logaddexp": (lambda x: cr.logaddexp(x, 0.0), softplus, TAILS),
    "logaddexp, second argument": (lambda x: cr.logaddexp(0.0, x), softplus, TAILS),
    "logaddexp2": (lambda x: cr.logaddexp2(x, 0.0), lambda x: mp.log1p(mp.mpf(2) ** x) / mp.log(2), TAILS),
    "silu": (cr.silu, lambda x: x * sigmoid(x), TAILS),
    "mish": (F.mish, lambda x: x * mp.tanh(softplus(x)), TAILS),
    "gelu": (cr.gelu, lambda x: x * mp.ncdf(x), (-2.1, -0.3, -1e-5, 1e-5, 0.3, 2.1, 5.2, 9.9, 18.7)),
    "gelu by tanh": (
        lambda x: F.gelu(x, "tanh"),
        lambda x: x * sigmoid(mp.sqrt(8 / mp.pi) * (x + mp.mpf(0.044715) * x**3)),
        both_signs(1e-5, 0.3, 2.1, 5.2, 9.9),
    ),
    "expm1": (cr.expm1, mp.expm1, TAILS),
    "elu": (F.elu, lambda x: x if x > 0 else mp.expm1(x), TAILS),
    "softsign": (F.softsign, lambda x: x / (1 + abs(x)), HUGE),
    "arcsin": (cr.arcsin, mp.asin, INSIDE),
    "arccos": (cr.arccos, mp.acos, INSIDE),
    "arcsinh": (cr.arcsinh, mp.asinh, HUGE),
    "hypot": (lambda x: cr.hypot(x, 1.0), lambda x: mp.sqrt(x * x + 1), HUGE),
    "hypot, second argument": (lambda x: cr.hypot(1.0, x), lambda x: mp.sqrt(x * x + 1), HUGE),
    "pseudo_huber": (lambda x: sp.pseudo_huber(1.0, x), lambda x: mp.sqrt(x * x + 1) - 1, HUGE),
    "logit": (sp.logit, lambda x: mp.log(x) - mp.log1p(-x), UNIT),
    "kl_div": (lambda x: sp.kl_div(2.0, x), lambda x: 2 * mp.log(2 / x) - 2 + x, POSITIVE),
    "powm1": (lambda x: sp.powm1(2.3, x), lambda x: mp.mpf(2.3) ** x - 1, TAILS),
    "inv_boxcox": (lambda k: sp.inv_boxcox(0.4, k), log1p_root, (1e-8, 1e-3, 0.7, 30.0, 1e3, 1e7, 1e30)),
    "cotdg": (sp.cotdg, lambda x: mp.cot(x * mp.pi / 180), (1e-8, 1e-3, 0.7, 30.0, 170.0)),
}


def reference(f, x, order):
    """By differences in ever more digits, until two agree."""
    found = None
    for digits in (60, 200, 700):
        with mp.workdps(digits):
            x = mp.mpf(x)
            last, found = found, mp.re(mp.diff(f, x, order, h=min(1, abs(x)) * mp.mpf(10) ** -20, relative=False))
        if last is not None and last != 0 and abs(found - last) < 1e-13 * abs(last):
            break
    return found


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-8), (np.float32, 1e-3)], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives(name, dtype, tolerance):
    ours, theirs, points = CASES[name]
    normal = np.finfo(dtype)
    x = np.array(
        [
            p
            for p in map(dtype, (p for p in points if abs(p) < float(normal.max)))
            if p != 0 and (abs(p) < 1 or max(points) > 1)
        ],
        dtype,
    )
    f = ours
    for order in (1, 2):
        f = cr.grad(lambda x, f=f: cr.sum(f(x)))
        expected = np.array([float(reference(theirs, float(p), order)) for p in x])
        # Where the derivative crosses zero, rounding of the argument limits what can be found.
        further = np.array([float(reference(theirs, float(p), order + 1)) for p in x])
        with np.errstate(all="ignore"):
            room = tolerance * abs(expected) + 50 * normal.eps * abs(x * further) + 1e3 * float(normal.tiny)
            told = (room < np.inf) & (abs(expected) < normal.max)
            for found in (f(x), cr.compile(f)(x)):
                wrong = told & ~(abs(found - expected) <= room)
        assert not wrong.any(), (order, x[wrong], np.asarray(found)[wrong], expected[wrong])


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus"])
def test_third_derivative_on_the_tape(name):
    x = cr.tensor(np.array([-3.0, 0.3, 1.2, 4.0]), requires_grad=True)
    y = getattr(cr, name)(x)
    for _ in range(3):
        (y,) = cr.autograd.grad(y.sum(), x, create_graph=True)
    expected = [float(mp.diff(CASES[name][1], v, 3)) for v in x.tolist()]
    np.testing.assert_allclose(y.detach(), expected, rtol=1e-9)
