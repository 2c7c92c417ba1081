"""From formulas to programs: an expression becomes a list of calls of chainrule's own functions."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops, special
from ..errors import ArgumentError, UnsupportedError, explain
from ..ops.shaping import as_value
from .arrays import box, symbols_of, sympy


def _power(x, y):
    if isinstance(y, (int, float)) and not isinstance(x, (int, float)):
        if y == 0.5:
            return ops.sqrt(x)
        if y == -0.5:
            return 1.0 / ops.sqrt(x)
        return x ** (int(y) if float(y).is_integer() else y)
    return ops.power(x, y)


def _chain(f):
    return lambda *xs: functools.reduce(f, xs)


@functools.cache
def _functions() -> dict[str, Callable]:
    """Name of a class of SymPy's -> the function of ours."""
    return {
        "Add": _chain(lambda x, y: x + y),
        "Mul": _chain(lambda x, y: x * y),
        "Pow": _power,
        "Max": _chain(ops.maximum),
        "Min": _chain(ops.minimum),
        "Abs": ops.absolute,
        "sign": ops.sign,
        "floor": ops.floor,
        "ceiling": ops.ceil,
        "frac": lambda x: x - ops.floor(x),
        "Mod": ops.remainder,
        "exp": ops.exp,
        "log": ops.log,
        "sin": ops.sin,
        "cos": ops.cos,
        "tan": ops.tan,
        "cot": lambda x: 1.0 / ops.tan(x),
        "sec": lambda x: 1.0 / ops.cos(x),
        "csc": lambda x: 1.0 / ops.sin(x),
        "asin": ops.arcsin,
        "acos": ops.arccos,
        "atan": ops.arctan,
        "atan2": ops.arctan2,
        "acot": lambda x: ops.arctan(1.0 / x),
        "sinh": ops.sinh,
        "cosh": ops.cosh,
        "tanh": ops.tanh,
        "coth": lambda x: 1.0 / ops.tanh(x),
        "sech": lambda x: 1.0 / ops.cosh(x),
        "csch": lambda x: 1.0 / ops.sinh(x),
        "asinh": ops.arcsinh,
        "acosh": ops.arccosh,
        "atanh": ops.arctanh,
        "sinc": lambda x: ops.sinc(x * (1 / math.pi)),
        "Heaviside": ops.heaviside,
        "re": ops.real,
        "im": ops.imag,
        "conjugate": ops.conjugate,
        "arg": ops.angle,
        "erf": special.erf,
        "erfc": special.erfc,
        "erfinv": special.erfinv,
        "erfcinv": special.erfcinv,
        "erfi": special.erfi,
        "lowergamma": lambda a, x: special.gammainc(a, x) * special.gamma(a),
        "uppergamma": lambda a, x: special.gammaincc(a, x) * special.gamma(a),
        "betainc_regularized": lambda a, b, x, y: special.betainc(a, b, y) - special.betainc(a, b, x),
        "expint": special.expn,
        "Ei": special.expi,
        "Si": lambda x: special.sici(x)[0],
        "Ci": lambda x: special.sici(x)[1],
        "Shi": lambda x: special.shichi(x)[0],
        "Chi": lambda x: special.shichi(x)[1],
        "fresnels": lambda x: special.fresnel(x)[0],
        "fresnelc": lambda x: special.fresnel(x)[1],
        "LambertW": special.lambertw,
        **{
            name: lambda x, k=k: special.airy(x)[k] for k, name in enumerate(("airyai", "airyaiprime", "airybi", "airybiprime"))
        },
        "elliptic_k": special.ellipk,
        "elliptic_f": special.ellipkinc,
        "elliptic_e": lambda *xs: special.ellipeinc(*xs) if len(xs) == 2 else special.ellipe(*xs),
        "chebyshevt": special.eval_chebyt,
        "chebyshevu": special.eval_chebyu,
        "legendre": special.eval_legendre,
        "hermite": special.eval_hermite,
        "laguerre": special.eval_laguerre,
        "RisingFactorial": special.poch,
        "binomial": special.binom,
        "loggamma": special.gammaln,
        "polygamma": special.polygamma,
        "digamma": lambda x: special.polygamma(0, x),
        "gamma": special.gamma,
        "beta": special.beta,
        "factorial": lambda x: special.gamma(x + 1.0),
        "besselj": special.jv,
        "bessely": special.yv,
        "besseli": special.iv,
        "besselk": special.kv,
        "zeta": special.zeta,
        "And": _chain(ops.logical_and),
        "Or": _chain(ops.logical_or),
        "Not": ops.logical_not,
        "Xor": _chain(ops.logical_xor),
        "Equality": ops.equal,
        "Unequality": ops.not_equal,
        "StrictLessThan": ops.less,
        "LessThan": ops.less_equal,
        "StrictGreaterThan": ops.greater,
        "GreaterThan": ops.greater_equal,
    }


class _Program:
    """Expressions as a list of calls on numbered values: each part that occurs several times is computed once."""

    def __init__(self, symbols):
        self.slots = {symbol: i for i, symbol in enumerate(symbols)}
        self.start = len(symbols)
        self.calls: list = []  # (function, what it takes: slot numbers, or numbers as they are in a list)

    def add(self, e):
        """The slot of an expression, or a number in a list of one."""
        s = sympy()
        if e in self.slots:
            return self.slots[e]
        if getattr(e, "is_number", False):
            return [_python(e)]
        if e in (s.true, s.false):
            return [e == s.true]
        if isinstance(e, s.Symbol):
            raise ArgumentError(
                explain(
                    f"symbolic.function: {e} is not among the arguments",
                    f"arguments: {', '.join(map(str, self.slots)) or 'none'}",
                    help="name every free symbol of the expression",
                )
            )
        call = self.piecewise(e) if isinstance(e, s.Piecewise) else self.call(e)
        self.calls.append(call)
        self.slots[e] = self.start + len(self.calls) - 1
        return self.slots[e]

    def call(self, e):
        s, name = sympy(), type(e).__name__
        known = _functions().get(name)
        if known is None and isinstance(e, s.core.function.AppliedUndef) and name in special.__all__:
            known = getattr(special, name)
        if known is None:
            raise UnsupportedError(
                explain(
                    f"symbolic.function: {name} has no counterpart in chainrule",
                    f"in {str(e)[:200]}",
                    help="evaluate it with .doit() first, or write it with other functions",
                )
            )
        args = e.args[:1] if name == "Heaviside" else e.args
        taken = [self.add(a) for a in args]
        return known, taken if name != "Heaviside" else [*taken, [float(e.args[1]) if len(e.args) > 1 else 0.5]]

    def piecewise(self, e):
        """The first piece whose condition holds; NaN where none does."""
        taken = [self.add(part) for piece in e.args for part in (piece.expr, piece.cond)]

        def choose(*parts):
            out: Any = math.nan
            for value, condition in zip(parts[-2::-2], parts[::-2], strict=True):
                out = value if condition is True else ops.where(condition, value, out)
            return out

        return choose, taken

    def run(self, values):
        values = list(values)
        for f, taken in self.calls:
            values.append(f(*(t[0] if type(t) is list else values[t] for t in taken)))
        return values


def _python(e):
    s = sympy()
    if e.is_Integer:
        return int(e)
    if e in (s.nan, s.zoo):
        return math.nan
    value = complex(e)
    return value if value.imag else value.real


def function(expr, *symbols):
    """The program that computes a formula: a function to differentiate, map and compile like any other.

    Parameters
    ----------
    expr : SymPy expression, or a Matrix, Array or list of them (the result is then an array)
    symbols : the arguments, in order: symbols or their names, or lists, Matrices, Arrays or (name, shape) pairs of them, which
        stand for one array argument each

    Returns
    -------
    function of numbers or arrays; parts that occur several times are computed once. Where a symbol stands for a number, arrays
    are computed with element by element.

    Raises
    ------
    UnsupportedError
        A function of SymPy's has no counterpart here.
    ArgumentError
        The expression has a symbol that is not among the arguments.
    MissingExtraError
        SymPy is not installed.

    Examples
    --------
    >>> import sympy
    >>> import chainrule as cr
    >>> x = sympy.Symbol("x")
    >>> f = cr.symbolic.function(sympy.sin(x) / x, x)
    >>> cr.grad(f)(1.0) == np.cos(1.0) - np.sin(1.0)
    np.True_
    >>> cr.vmap(cr.grad(f))(np.array([1.0, np.pi])).round(6)
    array([-0.301169, -0.31831 ])
    """
    s = sympy()
    specs = [_argument(x, expr) for x in symbols]
    if isinstance(expr, (s.MatrixBase, s.NDimArray, list, tuple)):
        wanted = np.array(expr.tolist() if hasattr(expr, "tolist") else expr, dtype=object)
    else:
        wanted = box(s.sympify(expr))
    flat = [symbol for spec in specs for symbol in spec.reshape(-1)]
    program = _Program(flat)
    slots = [program.add(s.sympify(e)) for e in wanted.reshape(-1)]

    def computed(*arrays):
        if len(arrays) != len(specs):
            raise TypeError(f"a function of {len(specs)} arguments was called with {len(arrays)}")
        values: list = []
        for spec, x in zip(specs, arrays, strict=True):
            values += _elements(spec, x)
        values = program.run(values)
        outs = [t[0] if type(t) is list else values[t] for t in slots]
        if wanted.ndim == 0:
            return _as_result(outs[0], arrays)
        whole = ops.stack(list(ops.broadcast_arrays(*(_as_result(o, arrays) for o in outs)))) if outs else np.zeros(0)
        return ops.reshape(whole, (*wanted.shape, *np.shape(whole)[1:]))

    computed.__name__ = "formula"
    computed.__doc__ = str(expr)
    return computed


def _argument(spec, expr):
    """As symbols_of, but a name means the symbol of that name in `expr`, whatever is assumed about it."""
    s = sympy()
    if isinstance(spec, str):
        free = {str(x): x for x in s.Tuple(*s.flatten([expr])).free_symbols}
        return box(free.get(spec, s.Symbol(spec)))
    return symbols_of(spec)


def _elements(spec, x):
    if spec.ndim == 0:
        return [x]
    x = as_value(x)
    if x.shape != spec.shape:
        raise ArgumentError(
            explain(
                "a formula was called with an array of another shape than its symbols have",
                f"symbols: {spec.shape}    array: {x.shape}",
                help="pass an array of the shape of the symbols, or map over it with cr.vmap",
            )
        )
    return [x[index] for index in np.ndindex(spec.shape)]


def _as_result(out, arrays):
    """Constants too are arrays, of the dtype of the arguments."""
    if isinstance(out, (bool, int, float, complex)):
        return np.asarray(out, np.result_type(float, *(np.asarray(x).dtype for x in arrays if isinstance(x, np.ndarray))))[()]
    return out
