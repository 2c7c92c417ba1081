"""SciPy's methods over trees: every method, what each is given, bounds, constraints, Modules, errors."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.optimize as so

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ChainruleError, LostDerivativeError, TreeError, UnsupportedError
from chainrule.optim.scipy import least_squares, minimize, root

RNG = np.random.default_rng(4)
START = np.array([1.3, 0.7, 0.8, 1.9])


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(tree, scale=1.0):
    """Least at a = 1, 2 and b = 3."""
    return scale * (((tree["a"] - np.array([1.0, 2.0])) ** 2).sum() + (tree["b"] - 3) ** 2 + (tree["a"][0] - 1) ** 4)


TREE = {"a": np.zeros(2), "b": 0}


def at(result):
    return np.append(result.x["a"], result.x["b"])


METHODS = ["Nelder-Mead", "Powell", "CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "COBYLA"]
METHODS += ["trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"]


@pytest.mark.parametrize("method", [None, *METHODS])
def test_every_method_over_a_tree(method):
    result = minimize(bowl, TREE, (2.0,), method=method)
    np.testing.assert_allclose(at(result), [1, 2, 3], atol=2e-2)
    assert list(result.x) == ["a", "b"] and result.x["a"].shape == (2,) and TREE["b"] == 0


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "trust-exact", "trust-ncg"])
def test_paths_are_those_of_scipy_with_exact_derivatives(method):
    second = {"hess": so.rosen_hess} if method in ("Newton-CG", "trust-exact", "trust-ncg") else {}
    ours = minimize(rosenbrock, START, method=method)
    theirs = so.minimize(so.rosen, START, method=method, jac=so.rosen_der, **second)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-4)
    assert ours.nit == theirs.nit and ours.nfev == theirs.nfev
    if method != "Newton-CG":  # gives the gradient of the iteration before
        np.testing.assert_allclose(ours.jac, so.rosen_der(ours.x), atol=1e-8)


def test_a_point_is_linearized_once_for_all_products():
    calls = 0

    def counted(x):
        nonlocal calls
        calls += 1
        return rosenbrock(x)

    result = minimize(counted, START, method="trust-krylov")
    assert result.nhev > result.nit + 1
    assert calls <= result.nfev + result.njev + result.nit + 1


def test_results_are_new_and_of_the_same_kind():
    cr.manual_seed(0)
    model, x = nn.Linear(3, 1), RNG.normal(size=(20, 3)).astype(np.float32)
    y = x @ np.array([[1.0], [2.0], [3.0]], np.float32) + 4
    before = model.weight.detach().numpy().copy()
    seen = []

    def loss(m):
        return ((m(x) - y) ** 2).mean()

    result = minimize(loss, model, method="L-BFGS-B", callback=seen.append)
    assert type(result.x) is nn.Linear and type(result.x.weight) is nn.Parameter and result.x.weight.dtype == np.float32
    assert result.x.weight.requires_grad and result.x.weight.grad is None
    np.testing.assert_allclose(result.x.weight.detach(), [[1, 2, 3]], atol=1e-3)
    np.testing.assert_array_equal(model.weight.detach(), before)
    assert all(type(m) is nn.Linear for m in seen)
    model.load_state_dict(result.x.state_dict())
    assert loss(model).item() < 1e-6


@pytest.mark.parametrize("method", ["BFGS", "trust-ncg", "trust-exact", "SLSQP", "trust-constr"])
def test_derivatives_of_compiled_functions_are_compiled(method, monkeypatch):
    made = []
    bridge = sys.modules["chainrule.optim.scipy"]
    monkeypatch.setattr(bridge, "compile_function", lambda f: made.append(cr.compile(f)) or made[-1])
    disk = {"type": "eq", "fun": cr.compile(lambda x: x[0] ** 2 + x[1] ** 2 - 1.0)}
    options = {"constraints": disk} if method == "SLSQP" else {}
    plain = {"constraints": disk | {"fun": disk["fun"].f}} if options else {}
    found = minimize(cr.compile(rosenbrock), START, method=method, **options)
    wanted = minimize(rosenbrock, START, method=method, **plain)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-4, atol=1e-6)
    assert made and all(1 <= len(f.variants) <= 2 for f in made)  # two, where vectors come in two layouts


def test_compiled_functions():
    compiled = minimize(cr.compile(rosenbrock), START, method="trust-exact")
    np.testing.assert_allclose(compiled.x, np.ones(4), rtol=1e-4)
    fit = least_squares(cr.compile(lambda p: p["a"] * np.array([1.0, 2.0]) - 3.0), {"a": 0.0})
    np.testing.assert_allclose(fit.x["a"], 9 / 5)


def test_complex_and_other_leaves():
    z = minimize(lambda t: abs(t[0] - (1 + 2j)) ** 2 + (t[1][0] - 5.0) ** 2, (0j, [1]), method="BFGS").x
    assert isinstance(z, tuple) and z[0].dtype == complex and z[1][0].dtype == float
    np.testing.assert_allclose([z[0], z[1][0]], [1 + 2j, 5], atol=1e-5)
    matrix = minimize(lambda m: ((m - np.eye(2)) ** 2).sum(), np.zeros((2, 2)))
    np.testing.assert_allclose(matrix.x, np.eye(2), atol=1e-6)
    assert matrix.jac.shape == (2, 2)


def test_derivatives_of_ones_own():
    calls = []

    def mine(x):
        calls.append(x)
        return so.rosen_der(x)

    assert minimize(rosenbrock, START, jac=mine).success and calls
    hessian = so.BFGS()
    assert minimize(rosenbrock, START, method="trust-constr", hess=hessian).success


@pytest.mark.parametrize("method", [None, "TNC", "SLSQP", "trust-constr"])
def test_bounds_as_trees(method):
    result = minimize(bowl, TREE, method=method, bounds=({"a": -1.0, "b": 4.0}, {"a": np.array([0.5, np.inf]), "b": 9.0}))
    np.testing.assert_allclose(at(result), [0.5, 2, 4], atol=1e-3)
    one = minimize(bowl, TREE, method=method, bounds=(None, 1.5))
    np.testing.assert_allclose(at(one), [1, 1.5, 1.5], atol=2e-3)
    plain = minimize(rosenbrock, START, method=method, bounds=[(None, 0.5)] * 4)
    assert plain.x.max() <= 0.5 + 1e-8


def test_constraints_get_derivatives():
    """On the unit circle, the nearest point to (3, 4)."""

    def distance(t):
        return ((t["p"] - np.array([3.0, 4.0])) ** 2).sum()

    start = {"p": np.array([1.0, 0.5])}
    circle = {"type": "eq", "fun": lambda t, r: (t["p"] ** 2).sum() - r, "args": (1.0,)}
    nonlinear = so.NonlinearConstraint(lambda t: (t["p"] ** 2).sum(), 1.0, 1.0)
    half = so.LinearConstraint([[1.0, 0.0]], 0.0, 0.3)
    for method, constraints in ((None, circle), ("SLSQP", [circle]), ("SLSQP", nonlinear), ("trust-constr", nonlinear)):
        result = minimize(distance, start, method=method, constraints=constraints)
        np.testing.assert_allclose(result.x["p"], [0.6, 0.8], atol=1e-5)
    result = minimize(distance, start, method="SLSQP", constraints=[circle, half])
    np.testing.assert_allclose(result.x["p"], [0.3, np.sqrt(1 - 0.09)], atol=1e-5)


def test_callbacks_of_both_kinds():
    seen = []

    def with_result(intermediate_result):
        seen.append(intermediate_result.x)
        raise StopIteration

    minimize(bowl, TREE, method="BFGS", callback=with_result)
    minimize(bowl, TREE, method="trust-constr", callback=lambda tree, state: seen.append(tree))
    assert len(seen) > 2 and all(set(t) == {"a", "b"} for t in seen)


# --- least squares ------------------------------------------------------------------------------------------------------

TIMES = np.linspace(0, 3, 25)


def decay(p, times):
    return {"fit": p["height"] * np.exp(-p["rate"] * times) - 2 * np.exp(-0.7 * times), "prior": [0.01 * (p["rate"] - 0.7)]}


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "lm"}, {"method": "dogbox"}, {"tr_solver": "lsmr"}, {"tr_solver": "exact"}, {"loss": "soft_l1"},
     {"method": "dogbox", "tr_solver": "lsmr", "loss": "cauchy"}],
)  # fmt: skip
def test_least_squares(options):
    result = least_squares(decay, {"height": 1.0, "rate": 1.0}, args=(TIMES,), **options)
    np.testing.assert_allclose([result.x["height"], result.x["rate"]], [2, 0.7], rtol=1e-5)
    assert set(result.grad) == {"height", "rate"} and result.fun.shape == (26,)
    assert hasattr(result.jac, "rmatvec") == (options.get("tr_solver") == "lsmr")


def test_products_with_the_jacobian_agree_with_the_matrix():
    from chainrule.optim.scipy import _operator

    def f(x):
        return cr.sin(x) * x.sum()

    x, t, g = RNG.normal(size=5), RNG.normal(size=5), RNG.normal(size=5)
    matrix, operator = cr.jacobian(f)(x), _operator(f, x)
    np.testing.assert_allclose(operator @ t, matrix @ t, rtol=1e-12)
    np.testing.assert_allclose(operator.T @ g, matrix.T @ g, rtol=1e-12)


def test_least_squares_with_bounds():
    result = least_squares(decay, {"height": 1.0, "rate": 1.0}, bounds=({"height": 0, "rate": 0.9}, np.inf), args=(TIMES,))
    assert result.x["rate"] == pytest.approx(0.9, abs=1e-3) and result.x["height"] > 2
    plain = least_squares(lambda x: x - np.arange(4.0).reshape(2, 2), np.ones((2, 2)), bounds=(0.5, np.full((2, 2), 1.5)))
    np.testing.assert_allclose(plain.x, [[0.5, 1], [1.5, 1.5]], atol=1e-4)
    assert least_squares(lambda x: x - 4, 1.0, bounds=so.Bounds(0, 2)).x == pytest.approx(2.0, abs=1e-4)


# --- roots --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov", "df-sane", "anderson"])
def test_roots(method):
    def f(t, shift):
        return {"u": t["x"] ** 2 + t["y"] - shift, "v": t["y"] + 0.1 * t["x"]}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of line searches, in methods that know no derivatives
        result = root(f, {"x": np.array([1.5, 2.5]), "y": np.zeros(2)}, (4.0,), method=method)
    x, y = result.x["x"], result.x["y"]
    np.testing.assert_allclose(y + 0.1 * x, 0, atol=1e-4)
    np.testing.assert_allclose(x**2 + y, 4, atol=1e-4)


def test_a_root_needs_few_evaluations():
    result = root(lambda x: x**3 - np.array([1.0, 8.0]), np.array([2.0, 3.0]))
    assert result.success and result.njev >= 1
    np.testing.assert_allclose(result.x, [1, 2], rtol=1e-8)


# --- errors -------------------------------------------------------------------------------------------------------------


def test_what_cannot_be():
    for call, text in (
        (lambda: minimize(bowl, {}), "nothing to vary"),
        (lambda: minimize(bowl, {"a": np.zeros(0)}), "nothing to vary"),
        (lambda: minimize(START, rosenbrock), "fun must be a function"),
        (lambda: minimize(bowl, {"a": "no"}), "must consist of numbers"),
        (lambda: minimize(lambda x: x, START), "must return one scalar"),
        (lambda: root(lambda x: x[:2], START), "as many numbers as there are unknowns"),
        (lambda: minimize(abs, [1j], bounds=([0], [1])), "complex numbers have none"),
    ):
        with pytest.raises(ChainruleError, match=f"{text}(.|\n)*help:"):
            call()
    with pytest.raises(TreeError, match="lower bounds"):
        minimize(bowl, TREE, bounds=({"a": 0.0}, None))
    with pytest.raises(UnsupportedError, match="cannot be part of a compiled program"):
        cr.compile(lambda x: minimize(rosenbrock, x).x)(START)
    with pytest.raises(LostDerivativeError):
        cr.grad(lambda x: minimize(rosenbrock, x).fun)(START)
    assert issubclass(ArgumentError, ValueError)


def test_scipy_is_loaded_when_it_is_used():
    code = "import sys, chainrule as cr; cr.optim.scipy; print('scipy.optimize' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
