"""SciPy's minimize, least_squares and root for functions of any tree of arrays, with exact derivatives.

SciPy varies one vector of float64; the function is called with the tree. What a method asks for (gradients, Hessians,
products with them, Jacobians) is derived from the function, which therefore only has to compute its value. Hand in
`cr.compile(fun)` for more speed.
"""

import functools
import importlib
import inspect
import sys

import numpy as np

from ..core.dispatch import state
from ..errors import ArgumentError, UnsupportedError, explain
from ..transforms.derivatives import grad, hessian, jacobian, value_and_grad, vjp
from ..trees import flatten, leaves_like
from .vectors import Packed, packed

__all__ = ["least_squares", "minimize", "root"]

# What each method of `minimize` makes use of; others work with values alone.
GRADIENT = (
    "cg",
    "bfgs",
    "newton-cg",
    "l-bfgs-b",
    "tnc",
    "slsqp",
    "dogleg",
    "trust-ncg",
    "trust-krylov",
    "trust-exact",
    "trust-constr",
)
PRODUCTS = ("newton-cg", "trust-ncg", "trust-krylov", "trust-constr")
HESSIAN = ("dogleg", "trust-exact")
JACOBIAN = ("hybr", "lm")  # of `root`
DENSE = 1_000_000  # elements of a Jacobian up to which it is made as a matrix


def _optimize():
    """Imported at the first use, since it takes a while."""
    return importlib.import_module("scipy.optimize")


def _packed(x0, name, fun):
    """x0 as a vector; raises where SciPy could not do its work."""
    if not callable(fun):
        raise ArgumentError(
            explain(f"{name}: fun must be a function", f"found: {type(fun).__name__}", help=f"{name}(fun, x0), in this order")
        )
    if state.recorder is not None:
        raise UnsupportedError(
            explain(
                f"{name} cannot be part of a compiled program, since its course depends on values",
                help="compile the function that it is given, and call it outside",
            )
        )
    return Packed(x0, name)


def _of_vector(fun, x, args=(), kwargs=None):
    """`fun` as a function of the vector alone."""

    @functools.wraps(fun)
    def of_vector(vector):
        return fun(x.tree(vector), *args, **(kwargs or {}))

    return of_vector


def _tuple(args):
    return args if isinstance(args, tuple) else (args,)


def _compiler():
    """The compiler, if it is loaded: it need not be for functions that are not compiled."""
    return sys.modules.get("chainrule.compiler.compile")


def _is_compiled(fun):
    return _compiler() is not None and isinstance(fun, _compiler().Compiled)


def compile_function(f):
    return _compiler().compile(f)


def _as(fun, derived):
    """`derived`, compiled as a whole where the function that it comes from is."""
    return compile_function(derived) if _is_compiled(fun) else derived


def _residuals(fun, x, args=(), kwargs=None):
    """`fun`, whose result is a tree, as a function from vector to vector."""
    of_vector = _of_vector(fun, x, args, kwargs)

    @functools.wraps(fun)
    def residuals(vector):
        return packed(flatten(of_vector(vector))[0], np.float64)

    return residuals


class _AtPoint:
    """`make(x)` of the last x: SciPy asks for several products at each point."""

    def __init__(self, make):
        self.make, self.x, self.made = make, None, None

    def __call__(self, x):
        if self.x is None or not np.array_equal(x, self.x):
            self.x, self.made = np.array(x), self.make(x)
        return self.made


def _hessian_products(fun, f):
    """(x, v) -> Hessian times v; where nothing is compiled, `f` is differentiated once for all products at one x."""
    if _is_compiled(fun):
        return compile_function(lambda x, v: vjp(grad(f), x)[1](v)[0])
    pull_at = _AtPoint(lambda x: vjp(grad(f), x)[1])  # a Hessian is its own transpose
    return lambda x, v: pull_at(x)(v)[0]


def _operator(f, vector):
    """The Jacobian at a place, as products with it and with its transpose."""
    value, pull = vjp(f, vector)
    _, push = vjp(lambda g: pull(g)[0], np.zeros_like(value))
    linear = importlib.import_module("scipy.sparse.linalg").LinearOperator
    return linear(
        (value.size, vector.size), matvec=lambda t: push(np.ravel(t))[0], rmatvec=lambda g: pull(np.ravel(g))[0], dtype=float
    )


def _bounds(bounds, x, name):
    """A pair of trees as bounds of the vector, in SciPy's form; whatever else is in one of its forms already."""
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        return bounds
    low, high = bounds
    return _optimize().Bounds(
        _limits(low, x, -np.inf, f"{name}: lower bounds"), _limits(high, x, np.inf, f"{name}: upper bounds")
    )


def _limits(limit, x, none, what):
    """A vector of what a tree like x0 says, in which leaves may be numbers for whole arrays; or one number for all."""
    if limit is None or isinstance(limit, (int, float)):
        return np.full(x.layout.size, none if limit is None else limit)
    leaves, parts = [limit] if x.structure.kind is None else leaves_like(x.structure, limit, what), []
    for leaf, (start, end, shape, dtype) in zip(leaves, x.layout.places, strict=True):
        if dtype.kind == "c":
            raise ArgumentError(
                explain(f"{what}: complex numbers have none", help="vary real and imaginary part as two arrays")
            )
        parts.append(np.broadcast_to(np.asarray(leaf, np.float64), shape).reshape(end - start))
    return np.concatenate(parts)


def _constraints(constraints, x, second):
    """Constraints on the tree as such on the vector, with first and perhaps second derivatives."""
    several = isinstance(constraints, (list, tuple))
    return [_constraint(c, x, second) for c in (constraints if several else [constraints])]


def _constraint(constraint, x, second):
    optimize = _optimize()
    if isinstance(constraint, dict):
        f = _residuals(constraint["fun"], x, constraint.get("args", ()))
        return {"jac": _as(constraint["fun"], jacobian(f)), **{k: v for k, v in constraint.items() if k != "args"}, "fun": f}
    if not isinstance(constraint, optimize.NonlinearConstraint):
        return constraint  # linear ones are about the vector
    f = _residuals(constraint.fun, x)
    jac, hess = constraint.jac, constraint.hess
    if isinstance(jac, str):  # which is the default
        jac, hess = jacobian(f), (lambda v, weights: hessian(lambda u: (f(u) * weights).sum())(v)) if second else hess
    return optimize.NonlinearConstraint(f, constraint.lb, constraint.ub, jac, hess, constraint.keep_feasible)


def _callback(callback, x):
    """A callback that is given trees."""
    if callback is None:
        return None
    if set(inspect.signature(callback).parameters) == {"intermediate_result"}:

        def with_result(intermediate_result):
            tree = x.result(intermediate_result.x)
            return callback(intermediate_result=type(intermediate_result)({**intermediate_result, "x": tree}))

        # SciPy looks at the name of the parameter to see what is wanted.
        return with_result
    return lambda vector, *more: callback(x.result(vector), *more)


def _in_trees(result, x, *names):
    for name in names:
        if np.shape(result.get(name)) == (x.layout.size,):
            result[name] = x.result(result[name])
    return result


def minimize(
    fun, x0, args=(), method=None, jac=None, hess=None, hessp=None, bounds=None, constraints=(), tol=None, callback=None,
    options=None,
):  # fmt: skip
    """`scipy.optimize.minimize` over any tree of arrays, with exact derivatives.

    Parameters
    ----------
    fun : function (tree, *args) -> number
    x0 : first guess: an array, or any tree of arrays and numbers, such as a Module. Complex numbers are varied as two real
        ones. The function is called with leaves of the dtypes that `x0` has; SciPy reckons in float64.
    args : further arguments of `fun`
    method : as in SciPy, by default 'BFGS', 'L-BFGS-B' with bounds, 'SLSQP' with constraints. Gradients are given to every
        method that uses them, products with the Hessian to Newton-CG, trust-ncg, trust-krylov and trust-constr, the Hessian
        itself to dogleg and trust-exact.
    jac, hess, hessp : by default derived from `fun`; anything else is handed to SciPy as it is, and concerns the vector
    bounds : in SciPy's forms, about the vector; for a tree also a pair (lower, upper), each of which is None, a number or a
        tree like `x0` of numbers and arrays
    constraints : as in SciPy, of functions of the tree, whose derivatives are added; linear ones are about the vector
    tol, options : as in SciPy
    callback : called as in SciPy, with trees

    Returns
    -------
    SciPy's result, in which `x` and `jac` are trees like `x0`

    Raises
    ------
    ArgumentError
        There are no numbers in `x0`.
    UnsupportedError
        The call is part of a program that is being compiled.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> def energy(p):
    ...     return ((p["a"] - 1) ** 2).sum() + 10 * (p["b"] - p["a"].sum()) ** 2
    >>> result = optim.scipy.minimize(energy, {"a": np.zeros(2), "b": 5.0}, method="trust-ncg")
    >>> result.x["a"].round(6), result.x["b"].round(6)
    (array([1., 1.]), np.float64(2.0))
    """
    x = _packed(x0, "minimize", fun)
    f = _of_vector(fun, x, _tuple(args))
    name = _method_name(method, bounds, constraints)
    given: dict = {"jac": jac, "hess": hess, "hessp": hessp}
    run = f
    if jac is None and name in GRADIENT:
        run, given["jac"] = _as(fun, value_and_grad(f)), True
    if hess is None and hessp is None:
        given["hessp"] = _hessian_products(fun, f) if name in PRODUCTS else None
        given["hess"] = _as(fun, hessian(f)) if name in HESSIAN else None
    if x.structure.kind is not None:
        bounds = _bounds(bounds, x, "minimize")
    constraints = _constraints(constraints, x, name == "trust-constr")
    result = _optimize().minimize(
        run, x.start, method=method, **given, bounds=bounds, constraints=constraints, tol=tol,
        callback=_callback(callback, x), options=options,
    )  # fmt: skip
    return _in_trees(result, x, "x", "jac")


def _method_name(method, bounds, constraints):
    """The method's name in lower case, SciPy's choice if there is none."""
    if method is None:
        several = not isinstance(constraints, (list, tuple)) or len(constraints) > 0
        return "slsqp" if several else "l-bfgs-b" if bounds is not None else "bfgs"
    return method.lower() if isinstance(method, str) else ""


def least_squares(
    fun, x0, jac=None, bounds=(-np.inf, np.inf), method="trf", *, args=(), kwargs=None, tr_solver=None, callback=None, **options
):
    """`scipy.optimize.least_squares` over any tree of arrays, with exact Jacobians.

    Parameters
    ----------
    fun : function (tree, *args, **kwargs) -> residuals, an array or a tree of arrays. Complex residuals count as two.
    x0 : first guess, as in `minimize`
    jac : by default derived from `fun`: a matrix up to a million elements, else only products with it; anything else is handed
        to SciPy as it is
    bounds : pair (lower, upper), each of which is a number, or a tree like `x0` of numbers and arrays
    method : 'trf', 'dogbox' or 'lm', as in SciPy
    args, kwargs : further arguments of `fun`
    tr_solver : as in SciPy; with 'lsmr' there are only products with the Jacobian, with 'exact' it is a matrix
    callback : called as in SciPy, with trees
    options : further arguments of SciPy's function, such as `loss`, `ftol` or `max_nfev`

    Returns
    -------
    SciPy's result, in which `x` and `grad` are trees like `x0`

    Raises
    ------
    ArgumentError
        There are no numbers in `x0`.
    UnsupportedError
        The call is part of a program that is being compiled.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> t = np.linspace(0.0, 3.0, 20)
    >>> def residuals(p):
    ...     return p["height"] * np.exp(-p["rate"] * t) - 2.0 * np.exp(-0.7 * t)
    >>> result = optim.scipy.least_squares(residuals, {"height": 1.0, "rate": 1.0})
    >>> result.x["height"].round(6), result.x["rate"].round(6)
    (np.float64(2.0), np.float64(0.7))
    """
    x = _packed(x0, "least_squares", fun)
    f = _residuals(fun, x, args, kwargs)
    if jac is None:
        whole = method == "lm" or tr_solver == "exact"
        if not whole and tr_solver is None:
            whole = x.layout.size * f(x.start).size <= DENSE
        jac = _as(fun, jacobian(f)) if whole else functools.partial(_operator, f)
    if callback is not None:
        options["callback"] = _callback(callback, x)
    bounds = _bounds(bounds, x, "least_squares")
    result = _optimize().least_squares(f, x.start, jac, bounds, method, tr_solver=tr_solver, **options)
    return _in_trees(result, x, "x", "grad")


def root(fun, x0, args=(), method="hybr", jac=None, tol=None, callback=None, options=None):
    """`scipy.optimize.root` over any tree of arrays: where a function is zero, with exact Jacobians.

    Parameters
    ----------
    fun : function (tree, *args) -> an array or a tree of arrays, with as many elements as `x0`
    x0 : first guess, as in `minimize`
    args : further arguments of `fun`
    method : as in SciPy; 'hybr' and 'lm' are given the Jacobian
    jac : by default derived from `fun`; anything else is handed to SciPy as it is
    tol, options : as in SciPy
    callback : called as in SciPy, with trees

    Returns
    -------
    SciPy's result, in which `x` is a tree like `x0`

    Raises
    ------
    ArgumentError
        There are no numbers in `x0`, or the result has not as many.
    UnsupportedError
        The call is part of a program that is being compiled.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> result = optim.scipy.root(lambda p: [p["x"] + p["y"] - 3, p["x"] * p["y"] - 2], {"x": 0.0, "y": 5.0})
    >>> result.x["x"].round(6), result.x["y"].round(6)
    (np.float64(1.0), np.float64(2.0))
    """
    x = _packed(x0, "root", fun)
    residuals, n = _residuals(fun, x, _tuple(args)), x.layout.size

    @functools.wraps(fun)
    def f(vector):
        out = residuals(vector)
        if out.size != n:
            raise ArgumentError(
                explain(
                    "root: fun must give as many numbers as there are unknowns",
                    f"x0: {n}    result: {out.size}",
                    help="least_squares finds the best compromise where the numbers differ",
                )
            )
        return out

    if jac is None and method in JACOBIAN:
        jac = jacobian(f)
    result = _optimize().root(f, x.start, method=method, jac=jac, tol=tol, callback=_callback(callback, x), options=options)
    return _in_trees(result, x, "x")
