"""Programs as formulas and formulas as programs, both against the numbers that they stand for."""

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

import chainrule as cr
from chainrule.core.primitive import ROWS
from chainrule.errors import ArgumentError, UnsupportedError

rng = np.random.default_rng(3)
x, y = sp.symbols("x y")
REAL = sp.Symbol("x", real=True)  # of whose modulus SymPy knows the derivative
W = np.array([[0.5, -1.0], [2.0, 0.25]])


def values_of(e, symbols, numbers):
    """An expression (or Array of them) at numbers, to 30 digits."""
    at = dict(zip(symbols, map(float, numbers), strict=True))
    if isinstance(e, sp.NDimArray):
        return np.array([complex(sp.N(part.subs(at), 30)) for part in sp.flatten(e)]).reshape(e.shape)
    return complex(sp.N(e.subs(at), 30))


def rosenbrock(x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def horner(x):
    total = 0.0
    for c in (2.0, -1.0, 0.5, 3.0):
        total = total * x + c
    return total


SCALAR = {
    "arithmetic": lambda x: (x**3 - 2 * x) / (1 + x * x) - 7 // 2,
    "horner": horner,
    "waves": lambda x: np.sin(x) * cr.cos(2 * x) + np.tan(x) ** 2 + cr.arctan(x) * cr.arcsinh(x),
    "hyperbolic": lambda x: cr.tanh(x) + cr.sinh(x) / cr.cosh(x) + cr.sigmoid(3 * x) + cr.softplus(x),
    "exponentials": lambda x: cr.exp(-x * x) + cr.expm1(x) + cr.exp2(x) + cr.log1p(x * x) + cr.log2(3 + x) * cr.log10(4 + x),
    "roots": lambda x: cr.sqrt(2 + x) + cr.cbrt(3 + x) + cr.hypot(x, 2.0) + (3 + x) ** 1.5 + (2.0 + x) ** x,
    "kinks": lambda x: cr.absolute(x) + cr.maximum(x, 0.2) * cr.minimum(x, 0.4) + cr.clip(x, -1, 1) + cr.relu(x - 0.1),
    "choice": lambda x: cr.where(x > 0.3, x * x, cr.sin(x)) + cr.where((x > -1) & cr.logical_not(x > 2), x, 0),
    "special": lambda x: cr.erf(x) + cr.erfc(x) * cr.gammaln(x + 2) + cr.digamma(x + 2) + cr.polygamma(2, x + 3),
    "array inside": lambda x: cr.sum(cr.stack([x, x * x, 2 + x]) @ cr.asarray(np.eye(3)) * np.arange(3.0)),
    "softmax": lambda x: cr.softmax(cr.stack([x, 2 * x, 0 * x]))[1] + cr.logsumexp(cr.stack([x, -x])),
    "assignment": lambda x: assigned(x),
    "cumulative": lambda x: cr.sum(cr.cumprod(cr.stack([x, x + 1, x + 2])) * cr.cumsum(cr.stack([x, x + 1, x + 2]))),
    "norms": lambda x: cr.norm(cr.stack([x, 2.0 + x])) + cr.prod(cr.stack([x, x + 3])) + cr.max(cr.stack([x, 0.3 + 0 * x])),
    "scan": lambda x: cr.scan(lambda c, t: (c * x + t, c), x, np.arange(3.0))[0],
    "cond": lambda x: cr.cond(x > 0, lambda x: x * x, lambda x: -x, x),
    "error functions": lambda x: cr.special.ndtr(x) + cr.special.dawsn(x) * cr.special.erfcx(x) + cr.special.ndtri(0.5 + x / 4),
    "incomplete": lambda x: cr.special.gammainc(1.5, 2 + x) * cr.special.expn(2, 1 + x) + cr.special.betainc(2, 3, 0.3 + x / 4),
    "tails": lambda x: cr.special.log_ndtr(x) + cr.special.beta(1.5 + x, 2.5) * cr.special.betaln(2.0, 3 + x),
    "integrals": lambda x: sum(cr.special.sici(1 + x)) + sum(cr.special.shichi(1 + x)) + sum(cr.special.fresnel(x)),
    "airy and lambert": lambda x: sum(cr.special.airy(x)) + cr.real(cr.special.lambertw(1 + x)),
    "entropies": lambda x: cr.special.entr(1 + x) + cr.special.kl_div(1 + x, 2.0) + cr.special.exprel(1 + x),
    "polynomials": lambda x: cr.special.eval_legendre(3, x) * cr.special.expit(x) + cr.special.expi(1 + x),
    "det and solve": lambda x: cr.linalg.det(W * x + np.eye(2)) + cr.linalg.solve(W + x * np.eye(2), np.ones(2))[0],
}  # fmt: skip


def assigned(x):
    a = cr.zeros_like(cr.stack([x, x, x]))
    a[0] = x
    a[1:] += a[0] * 2.0
    a[2] = a[1] ** 2
    return a.sum()


@pytest.mark.parametrize("name", SCALAR)
def test_expressions_are_the_program(name):
    f = SCALAR[name]
    e = cr.symbolic.expression(f, "x")
    assert e.free_symbols == {x}
    for v in (0.37, 0.81, -0.3):
        np.testing.assert_allclose(values_of(e, [x], [v]), f(v), rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(SCALAR) - {"cond"}))
def test_expressions_of_derivatives(name):
    f = SCALAR[name]
    e, own = cr.symbolic.expression(cr.grad(f), "x"), cr.symbolic.expression(f, REAL)
    for v in (0.37, 0.81, -0.3):
        expected = cr.grad(f)(v)
        np.testing.assert_allclose(values_of(e, [x], [v]), expected, rtol=1e-10)
        if name not in ("kinks", "choice", "norms"):  # SymPy's own derivatives of kinks hold distributions
            np.testing.assert_allclose(values_of(own.diff(REAL), [REAL], [v]), expected, rtol=1e-10)


def test_second_derivatives_and_arrays():
    e = cr.symbolic.expression(cr.hessian(rosenbrock), ("x", 3))
    symbols = sp.symbols("x_0:3")
    p = np.array([0.5, -0.2, 1.1])
    assert e.shape == (3, 3)
    np.testing.assert_allclose(values_of(e, symbols, p), cr.hessian(rosenbrock)(p), rtol=1e-12, atol=1e-12)
    own = sp.hessian(cr.symbolic.expression(rosenbrock, ("x", 3)), symbols)
    assert sp.simplify(sp.Matrix(e.tolist()) - own) == sp.zeros(3, 3)


def test_arguments_of_many_kinds():
    e = cr.symbolic.expression(lambda w, b: {"y": W @ w + b, "n": w @ w}, ("w", (2,)), "b")
    assert set(e) == {"y", "n"} and e["y"].shape == (2,)
    assert str(e["y"][1]) == "b + 2*w_0 + w_1/4"
    a, b = sp.symbols("a b")
    assert cr.symbolic.expression(lambda v: v[0] * v[1], [a, b]) == a * b
    assert cr.symbolic.expression(lambda m: cr.trace(m @ m), sp.Matrix([[a, b], [b, a]])).equals(2 * a**2 + 2 * b**2)
    assert cr.symbolic.expression(lambda p, q: p - q, a, "q") == a - sp.Symbol("q")
    scale = cr.tensor(3.0)
    assert cr.symbolic.expression(lambda v: v * scale, "x") == 3 * x
    with pytest.raises(ArgumentError, match="neither a name"):
        cr.symbolic.expression(lambda v: v, a + b)


def test_numbers_come_out_exactly():
    assert cr.symbolic.expression(lambda v: 0.25 * v + np.pi * v**2 / np.log(2), "x") == x / 4 + sp.pi * x**2 / sp.log(2)
    assert cr.symbolic.expression(cr.grad(cr.log2), "x") == 1 / (x * sp.log(2))
    assert cr.symbolic.expression(lambda v: 0.1234567 * v, "x") == sp.Float(0.1234567) * x


def test_decisions_by_value_become_pieces():
    def f(v):
        if v > 1:
            return v**2
        if v < -1:
            return -v
        return v**3

    e = cr.symbolic.expression(f, "x")
    d = cr.symbolic.expression(cr.grad(f), "x")
    for v in (-2.5, -0.5, 0.7, 3.0):
        assert values_of(e, [x], [v]) == pytest.approx(f(v))
        assert values_of(d, [x], [v]) == pytest.approx(cr.grad(f)(v))
    assert cr.symbolic.expression(lambda v: v**3, "x").diff("x") == 3 * x**2
    one = cr.symbolic.expression(f, "x", at=3.0)
    assert one.args == ((x**2, x > 1),)
    assert one.subs(x, 0) is sp.nan


def test_what_has_no_counterpart_is_named():
    with pytest.raises(UnsupportedError, match=r"argsort has no counterpart in SymPy\n.*test_symbolic\.py"):
        cr.symbolic.expression(lambda v: cr.sort(v), ("x", 3))
    with pytest.raises(UnsupportedError, match="while_loop"):
        cr.symbolic.expression(lambda v: cr.while_loop(lambda c: c < 3, lambda c: c * 2, v), "x")


def test_derivatives_of_elliptic_integrals_are_integrals():
    slope = sp.lambdify(x, cr.symbolic.expression(cr.grad(cr.special.ellipk), "x"), "mpmath")
    np.testing.assert_allclose(float(slope(0.37)), cr.grad(cr.special.ellipk)(0.37), rtol=1e-9)


def test_what_sympy_does_not_have_stands_there_by_its_name():
    e = cr.symbolic.expression(lambda v: v * cr.special.owens_t(v, 0.5) + cr.special.struve(1.0, v), "x")
    assert str(e) == "x*owens_t(x, 1/2) + struve(1, x)"
    f = cr.symbolic.function(e, "x")
    for v in (0.4, 1.7):
        exact = v * cr.special.owens_t(v, 0.5) + cr.special.struve(1.0, v)
        np.testing.assert_allclose(f(v), exact, rtol=1e-14)
        np.testing.assert_allclose(cr.grad(f)(v), cr.numeric.derivative(f)(v), rtol=1e-9)


def test_the_table_names_rows():
    from chainrule.symbolic.counterparts import MOVING, counterparts

    later = {"yn", "kn"}  # names that other versions of a family have
    assert set(counterparts()) | set(MOVING) <= set(ROWS) | later


# --- back -----------------------------------------------------------------------------------------------------------

FORMULAS = [
    sp.sin(x) * sp.exp(-(x**2)) / (1 + x**4),
    sp.sqrt(2 + x) + (3 + x) ** sp.Rational(-1, 2) + x ** sp.Rational(3, 2) + 1 / x + x**-3,
    sp.Piecewise((x**2, x < sp.Rational(1, 2)), (sp.log(x), x < 1), (sp.atan(x), True)),
    sp.Max(x, sp.Rational(1, 2), x**2) + sp.Min(x, 2) + sp.Abs(x - 1) + sp.sign(x),
    sp.erf(x) + sp.erfc(x) * sp.loggamma(x + 1) + sp.digamma(x + 1) + sp.polygamma(1, x + 2),
    sp.tan(x) + sp.cot(x) + sp.sec(x) + sp.sinh(x) / sp.coth(x) + sp.acosh(x + 2) + sp.atan2(x, 3) + sp.Heaviside(x - 1),
    sp.Piecewise((x, (x > 0) & (x < 1) | sp.Eq(x, 5)), (2 * x, ~(x < 2)), (-x, True)),
    sp.pi * x + sp.E + sp.EulerGamma + sp.Rational(1, 3) * x + sp.Mod(x, 2) + sp.floor(x) + sp.sinc(x),
]


@pytest.mark.parametrize("e", FORMULAS, ids=str)
def test_functions_are_the_formula_and_so_are_their_derivatives(e):
    f = cr.symbolic.function(e, x)
    at = [0.37, 0.81, 1.3, 2.7]
    slope = e.subs(x, REAL).diff(REAL).replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    for v in at:
        np.testing.assert_allclose(f(v), values_of(e, [x], [v]).real, rtol=1e-12)
        if not e.has(sp.floor, sp.Mod):
            np.testing.assert_allclose(cr.grad(f)(v), values_of(slope.doit(), [REAL], [v]).real, rtol=1e-9)
        np.testing.assert_allclose(cr.grad(f)(v), cr.numeric.derivative(f)(v), rtol=1e-7)
    every = np.array(at)
    np.testing.assert_allclose(f(every), [f(v) for v in at], rtol=1e-14)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(every), [cr.grad(f)(v) for v in at], rtol=1e-13)
    np.testing.assert_allclose(cr.compile(cr.vmap(cr.grad(f)))(every), [cr.grad(f)(v) for v in at], rtol=1e-12)
    np.testing.assert_allclose(cr.grad(cr.grad(f))(0.81), cr.numeric.derivative(cr.grad(f))(0.81), rtol=1e-6, atol=1e-7)
    assert f(np.float32(0.37)).dtype == np.float32


def test_functions_of_arrays_and_of_matrices():
    a, b, c = sp.symbols("a b c")
    f = cr.symbolic.function(sp.Matrix([[a * b, c], [sp.sin(a), 3]]), [a, b], c)
    p = np.array([0.3, 2.0])
    np.testing.assert_allclose(f(p, 5.0), [[0.6, 5], [np.sin(0.3), 3]])
    jac = cr.jacobian(f, (0, 1))(p, 5.0)
    np.testing.assert_allclose(jac[0][0, 0], [2.0, 0.3])
    np.testing.assert_allclose(jac[1], [[0, 1], [0, 0]])
    assert cr.symbolic.function([a, a + b], "a", "b")(1.0, 2.0).tolist() == [1, 3]
    np.testing.assert_allclose(cr.symbolic.function(a**2 + b, [a, b])(p), 0.09 + 2)
    with pytest.raises(ArgumentError, match="another shape"):
        cr.symbolic.function(a + b, [a, b])(np.ones(3))
    assert cr.symbolic.function(sp.Integer(3), a)(np.ones(2)) == 3


def test_common_parts_are_computed_once():
    part = sp.log(2 + sp.sin(x))
    f = cr.symbolic.function(part + part**2 + 1 / (1 + part), x)
    names = [s.row.name for s in cr.graph(f)(np.asarray(0.3)).steps]
    assert names.count("log") == names.count("sin") == 1


def test_round_trip():
    for name in ("arithmetic", "waves", "exponentials", "choice", "special"):
        f = SCALAR[name]
        again = cr.symbolic.function(cr.symbolic.expression(f, "x"), "x")
        for v in (0.37, 0.81):
            np.testing.assert_allclose(again(v), f(v), rtol=1e-12)
            np.testing.assert_allclose(cr.grad(again)(v), cr.grad(f)(v), rtol=1e-10)


def test_wrong_use_of_formulas():
    with pytest.raises(ArgumentError, match="y is not among the arguments"):
        cr.symbolic.function(x + y, x)
    with pytest.raises(UnsupportedError, match="DiracDelta has no counterpart in chainrule"):
        cr.symbolic.function(sp.DiracDelta(x), x)
    with pytest.raises(TypeError, match="1 arguments was called with 2"):
        cr.symbolic.function(x, x)(1.0, 2.0)


def test_without_sympy_the_error_names_the_extra():
    program = (
        "import sys; sys.modules['sympy'] = None\n"
        "import chainrule as cr\n"
        "try: cr.symbolic.expression(lambda x: x, 'x')\n"
        "except cr.errors.MissingExtraError as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "chainrule[symbolic]" in out
