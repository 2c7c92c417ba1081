"""Numerical derivatives with an error estimate: for functions that chainrule cannot see into, and to check those it can.

Sources: complex step, Squire and Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40
(1998), for second derivatives Lai and Crassidis, "Extensions of the first and second complex-step derivative approximations",
J. Comput. Appl. Math. 219 (2008); extrapolation, Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", Adv. Eng.
Software 4 (1982); choice of a central step, Stepleman and Winarsky, "Adaptive numerical differentiation", Math. Comp. 33
(1979).
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from .core.value import Value
from .errors import ArgumentError, NonDifferentiableError, NonScalarOutputError, explain
from .transforms.derivatives import _choose, _cut_axis, _name, _partial
from .trees import flatten, paths, tree_map, unflatten

__all__ = ["Estimate", "derivative", "gradient", "hessian", "jacobian"]
_DOUBLE = (np.dtype(np.float64), np.dtype(np.complex128))


class Estimate(NamedTuple):
    """A numerical derivative and what is known about it.

    Attributes
    ----------
    value : the derivative
    error : estimate of its absolute error, a tree like `value`
    step : the step that each element comes from, a tree like `value`
    evaluations : how often the function was called
    method : 'complex', 'central' or 'richardson'; several joined by '+' where elements needed different ones
    """

    value: Any
    error: Any
    step: Any
    evaluations: int
    method: str


class Slope(NamedTuple):
    """A directional derivative of a function of flat lists: an array per result for each field but the last."""

    value: list
    error: list
    step: list
    method: str


# --- one direction: functions of flat lists of arrays, along tangents of which None is zero -------------------------


def _moved(xs, ts, h):
    """xs + h ts, each in its own dtype."""
    return [x if t is None else (x + h * t).astype(x.dtype, copy=False)[()] for x, t in zip(xs, ts, strict=True)]


def _moving(xs, ts):
    return [x for x, t in zip(xs, ts, strict=True) if t is not None]


def _reach(ts):
    return max((float(np.max(np.abs(t), initial=0)) for t in ts if t is not None), default=0.0) or 1.0


def _is_double(xs, outs):
    return all(x.dtype in _DOUBLE for x in (*xs, *outs))


def _central(f, xs, ts):
    """The central difference quotient as a function of its step."""

    def quotient(h):
        with np.errstate(all="ignore"):  # a step may leave the domain
            up, down = f(_moved(xs, ts, h)), f(_moved(xs, ts, -h))
            return [(a - b) / (2 * h) for a, b in zip(up, down, strict=True)]

    return quotient


def _rounding(at, double, length):
    """What rounding of arguments of size `length` and of values like `at` does to a quotient `q` of differences over `h`."""
    eps = float(np.finfo(float if double else np.float32).eps)
    return lambda h, q: [eps * (np.abs(a) + np.abs(b) * length) / h for a, b in zip(at, q, strict=True)]


def _size(xs, ts):
    """How large the numbers are that move: the length on which a function may be expected to vary."""
    return max([1.0, *(float(np.max(np.abs(x[t != 0]), initial=0)) for x, t in zip(xs, ts, strict=True) if t is not None)])


def _first_step(xs, ts, double):
    """A power of two, so that adding it to an argument loses as little as can be."""
    h = (0.02 if double else 0.2) * min(math.sqrt(_size(xs, ts)), 100.0) / _reach(ts)
    return 2.0 ** round(math.log2(h))


def extrapolate(quotient, rounding, h, rows=9, tries=40):
    """The limit of `quotient(h)`, a list of arrays with an error in even powers of h, for h to 0; its error, and the step.

    Ridders' tableau, element by element: each row halves the step, each column removes one more power; the entry whose
    neighbours differ least wins. Steps that leave the domain (a result that is not finite) are made smaller first.
    `rounding(h, quotients)` is what no agreement of neighbours can be better than.
    """
    row = quotient(h)
    while tries and not all(np.isfinite(q).all() for q in row):
        h, tries = h / 4, tries - 1
        row = quotient(h)
    above: list = [row]
    best = [np.array(q) for q in row]
    error = [np.full(np.shape(q), np.inf) for q in row]
    step = [np.full(np.shape(q), h) for q in row]
    worse = 0
    for i in range(1, rows):
        h /= 2
        tableau = [quotient(h)]
        noise = rounding(h, tableau[0])
        improved = False
        for j in range(i):
            factor = 4.0 ** (j + 1)
            pairs = list(zip(tableau[j], above[j], strict=True))
            tableau.append([(factor * fine - coarse) / (factor - 1) for fine, coarse in pairs])
            for k, value in enumerate(tableau[-1]):
                apart = np.maximum(np.maximum(np.abs(value - tableau[j][k]), np.abs(value - above[j][k])), noise[k])
                better = apart < error[k]
                improved = improved or bool(np.any(better))
                best[k] = np.where(better, value, best[k])
                error[k] = np.where(better, apart, error[k])
                step[k] = np.where(better, h, step[k])
        above = tableau
        worse = 0 if improved else worse + 1
        if worse == 2:  # rounding has taken over
            break
    return best, error, step


def _extrapolated(f, xs, ts, at, double, h):
    best, error, step = extrapolate(_central(f, xs, ts), _rounding(at, double, _length(xs, ts)), h)
    return Slope(best, error, step, "richardson")


def _narrowed(f, xs, ts, at, double, h):
    """One central difference, its step made smaller as long as quotients move closer together, element by element.

    When rounding drives them apart, the step before wins.
    """
    quotient, rounding = _central(f, xs, ts), _rounding(at, double, _length(xs, ts))
    old = quotient(h)
    best, step = [np.array(q) for q in old], [np.full(np.shape(q), h) for q in old]
    error = [np.full(np.shape(q), np.inf) for q in old]
    for _ in range(24 if double else 12):
        h /= 4
        new, closer = quotient(h), False
        for k, (a, b, noise) in enumerate(zip(old, new, rounding(h, new), strict=True)):
            apart = np.abs(a - b) / 15 + noise  # what the smaller of two steps has left of the truncation error
            better = apart < error[k]
            closer = closer or bool(np.any(better))
            best[k], step[k] = np.where(better, b, best[k]), np.where(better, h, step[k])
            error[k] = np.where(better, apart, error[k])
        if not closer and all(np.isfinite(e).all() for e in error):
            break
        old = new
    return Slope(best, error, step, "central")


def _careful(method):
    """The method from a wide first step, and again from a narrow one where a tiny step says something else.

    There the wide step has crossed a kink, a jump, a pole or many waves, and its small error estimate means nothing.
    """

    def careful(f, xs, ts, h=None):
        at = f(xs)
        double = _is_double(_moving(xs, ts), at)
        found = method(f, xs, ts, at, double, h or _first_step(xs, ts, double))
        tiny = 2.0 ** (-23 if double else -10) * min(_length(xs, ts), 1.0) / _reach(ts)
        near = _central(f, xs, ts)(tiny)
        noise = _rounding(at, double, min(_length(xs, ts), 1.0))(tiny, near)
        crossed = [
            (np.abs(q - value) > 100 * n + 4 * error) | ((error > 0.01 * np.abs(value)) & (100 * n < error))
            for q, n, value, error in zip(near, noise, *found[:2], strict=True)
        ]
        if not any(np.any(c) for c in crossed):
            return found
        again = method(f, xs, ts, at, double, (1024 if double else 8) * tiny)
        # Where the two differ by no more than the narrow one's own error, it is noise that made them differ.
        parts = zip(crossed, again.value, found.value, again.error, strict=True)
        better = [c & (np.abs(new - old) > 10 * error) for c, new, old, error in parts]

        def chosen(new, old):
            return [np.where(c, a, b) for c, a, b in zip(better, new, old, strict=True)]

        return Slope(*map(chosen, again[:3], found[:3]), found.method)  # type: ignore[call-arg, arg-type]

    return careful


richardson = _careful(_extrapolated)
central = _careful(_narrowed)


def _tilted(xs, ts, h):
    """xs + i h ts"""
    return [x if t is None else (x + (1j * h) * t)[()] for x, t in zip(xs, ts, strict=True)]


def complex_step(f, xs, ts, h=None):
    """Slope of a real-analytic `f` along `ts` to the last digits, or None where `f` does not take complex numbers."""
    if any(x.dtype.kind == "c" for x in _moving(xs, ts)):
        return None
    h = h or 1e-20 / _reach(ts)
    try:
        with np.errstate(all="ignore"):
            near, far = f(_tilted(xs, ts, h)), f(_tilted(xs, ts, 4 * h))
    except Exception:
        return None
    if not any(o.dtype.kind == "c" for o in near):
        return None
    values = [o.imag / h for o in near]
    eps = [np.finfo(o.dtype).eps for o in near]
    errors = [np.abs(v - o.imag / (4 * h)) + 4 * e * np.abs(v) for v, o, e in zip(values, far, eps, strict=True)]
    return Slope(values, errors, [np.full(np.shape(v), h) for v in values], "complex")


def _agrees(sharp, quotients, h, values, double):
    """Whether a complex step fits a plain difference: it does not where the function uses moduli, real parts or branches."""
    eps = 1e-15 if double else 1e-6
    for a, q, value in zip(sharp.value, quotients, values, strict=True):
        noise = 100 * eps * (np.abs(value) + np.finfo(float).tiny) / h
        if np.shape(a) != np.shape(q) or not np.all(np.abs(a - q) <= (1e-4 if double else 2e-2) * np.abs(q) + 1e-6 + noise):
            return False
    return True


def _length(xs, ts):
    """The size of the one number that moves; 1 if several do, or it is 0."""
    parts = [np.abs(x[t != 0]) for x, t in zip(xs, ts, strict=True) if t is not None]
    sizes = np.concatenate([p.reshape(-1) for p in parts]) if parts else np.ones(1)
    return float(sizes[0]) if len(sizes) == 1 and sizes[0] else 1.0


def slope(f, xs, ts, h=None):
    """Slope along `ts` by complex step where that agrees with a plain difference, else by extrapolated differences."""
    sharp = complex_step(f, xs, ts)
    if sharp is not None:
        at = f(xs)
        double = _is_double(_moving(xs, ts), at)
        h_rough = (6e-6 if double else 5e-3) / _reach(ts)
        for length in {_length(xs, ts), 1.0}:  # the function varies on the scale of a number, or on that of 1
            if _agrees(sharp, _central(f, xs, ts)(h_rough * length), h_rough * length, at, double):
                return sharp
    return richardson(f, xs, ts, h)


METHODS = {"auto": slope, "complex": complex_step, "central": central, "richardson": richardson}


# --- all directions: functions of trees -----------------------------------------------------------------------------


class _Flat:
    """A function of trees at one point, as a function of flat lists of arrays that counts its calls."""

    def __init__(self, f, argnums, args, kwargs, asked):
        wanted, self.single = _choose(argnums, args, asked)
        self.name, self.asked, self.count = _name(f), asked, 0
        self.call = _partial(f, args, kwargs, wanted)
        leaves, self.structure = flatten(tuple(args[i] for i in wanted))
        self.xs = [self._array(x, name) for x, name in zip(leaves, paths(self.structure, "argument "), strict=True)]
        self.out_structure: Any = None

    def _array(self, x, name):
        array = np.asarray(x)
        if array.dtype.kind not in "fc":
            raise NonDifferentiableError(
                explain(
                    f"{self.asked}: {name} must be floating point or complex to have a derivative",
                    f"found: {array.dtype} {array.shape}",
                    help="write 3.0 for 3, or convert with .astype(float); use argnums to choose other arguments",
                )
            )
        return array

    def __call__(self, xs):
        self.count += 1
        outs, self.out_structure = flatten(self.call(*unflatten(self.structure, [x[()] for x in xs])))
        outs = [np.asarray(o.detach() if isinstance(o, Value) else o) for o in outs]  # type: ignore[attr-defined]
        return [o if o.dtype.kind in "fc" else o.astype(float) for o in outs]

    def scalar(self, xs):
        """The same for a function that must return one real number."""
        outs = self(xs)
        if self.out_structure.kind is not None or outs[0].shape != ():
            found = ", ".join(f"{o.dtype} {o.shape}" for o in outs) or "no array"
            raise NonScalarOutputError(
                explain(
                    f"{self.asked}: {self.name} must return one scalar",
                    f"found: {found}",
                    help="sum the result, or use numeric.jacobian for other outputs",
                )
            )
        return outs

    def directions(self, imaginary=False):
        """(leaf number, index, tangents) for every number of the argument; for complex ones in both directions if asked."""
        for k, x in enumerate(self.xs):
            for index in np.ndindex(x.shape):
                for unit in (1, 1j) if imaginary and x.dtype.kind == "c" else (1,):
                    ts: list = [None] * len(self.xs)
                    ts[k] = np.zeros(x.shape, x.dtype)
                    ts[k][index] = unit
                    yield k, index, ts


def _slope(flat, f, ts, method, step):
    found = METHODS[method](f, flat.xs, ts, step)
    if found is None:
        raise _not_complex(flat)
    return found


def _check(method, step, asked):
    if method not in METHODS:
        raise ArgumentError(
            explain(
                f"{asked}: no method {method!r}", f"methods: {', '.join(map(repr, METHODS))}", help="'auto' chooses among them"
            )
        )
    if step is not None and not step > 0:
        raise ArgumentError(
            explain(f"{asked}: the first step must be positive", f"found: {step}", help="leave it to the method")
        )


def _joined(methods):
    return "+".join(sorted(set(methods)))


def derivative(f, *, method="auto", step=None, full_output=False):
    """The numerical derivative of a function of one number, or of one that works element by element.

    Parameters
    ----------
    f : function of a number, giving a tree of arrays; or of an array, giving one array of its shape, each element of which
        depends on the element at its place only
    method : 'complex', 'central', 'richardson', or 'auto': complex step where `f` takes complex numbers and that agrees with
        a plain difference, else Richardson extrapolation
    step : first step, default by dtype and size of the argument; for 'complex' the step
    full_output : give an `Estimate` (value, error, step, evaluations, method) instead of the value

    Returns
    -------
    function with the arguments of `f`, giving a tree like its result; in float32 if that is

    Raises
    ------
    NonDifferentiableError
        The argument is not floating point, or `method='complex'` and `f` does not take complex numbers.
    ShapeError
        `f` of an array gives another shape.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.numeric.derivative(np.exp)(0.0)
    np.float64(1.0)
    >>> found = cr.numeric.derivative(np.sin, method="richardson", full_output=True)(np.array([0.0, 1.0]))
    >>> bool(np.all(abs(found.value - np.cos([0.0, 1.0])) <= found.error + 1e-12))
    True
    """
    _check(method, step, "numeric.derivative")

    @functools.wraps(f)
    def derivative_of(x, *args, **kwargs):
        flat = _Flat(f, 0, (x, *args), kwargs, "numeric.derivative")
        moved = [np.ones(x.shape, x.dtype) for x in flat.xs]
        if any(x.ndim for x in flat.xs):
            _check_elementwise(flat)
        found = _slope(flat, flat, moved, method, step)
        return _finished(flat, found.value, found.error, found.step, found.method, full_output)

    return derivative_of


def _check_elementwise(flat):
    outs = flat(flat.xs)
    if len(flat.xs) != 1 or len(outs) != 1 or outs[0].shape != flat.xs[0].shape:
        raise ArgumentError(
            explain(
                f"numeric.derivative: {flat.name} must work element by element",
                f"argument: {', '.join(str(x.shape) for x in flat.xs)}    result: {', '.join(str(o.shape) for o in outs)}",
                help="use numeric.gradient or numeric.jacobian",
            )
        )


def _finished(flat, values, errors, steps, method, full_output):
    value = unflatten(flat.out_structure, [np.asarray(v)[()] for v in values])
    if not full_output:
        return value
    error, step = (unflatten(flat.out_structure, [np.asarray(v)[()] for v in part]) for part in (errors, steps))
    return Estimate(value, error, step, flat.count, method)


def gradient(f, argnums=0, *, method="auto", step=None, full_output=False):
    """The numerical gradient of a scalar function, at the cost of a few evaluations for every number of its argument.

    Parameters
    ----------
    f : function of trees of arrays, returning one real number
    argnums : position of the argument to differentiate, or a tuple of positions
    method, step, full_output : as for `derivative`

    Returns
    -------
    function with the arguments of `f`; as `chainrule.grad(f)` it gives a tree like the argument, of the same dtypes. For
    complex arguments the gradient is d/dRe + i d/dIm.

    Raises
    ------
    NonDifferentiableError
        An argument is not floating point, or `method='complex'` and `f` does not take complex numbers.
    NonScalarOutputError
        The result is not a scalar.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.numeric.gradient(lambda p: p["w"] @ p["w"] * p["b"])({"w": np.array([1.0, 2.0]), "b": 3.0})
    {'w': array([ 6., 12.]), 'b': np.float64(5.0)}
    """
    _check(method, step, "numeric.gradient")

    @functools.wraps(f)
    def gradient_of(*args, **kwargs):
        flat = _Flat(f, argnums, args, kwargs, "numeric.gradient")
        parts = [[np.zeros(x.shape, x.dtype if i == 0 else float) for x in flat.xs] for i in range(3)]
        methods = []
        for k, index, ts in flat.directions(imaginary=True):
            found = _slope(flat, flat.scalar, ts, method, step)
            methods.append(found.method)
            unit = ts[k][index]
            parts[0][k][index] += unit * found.value[0].real
            parts[1][k][index] += found.error[0]
            parts[2][k][index] = found.step[0]
        trees = [unflatten(flat.structure, [p[()] for p in part]) for part in parts]
        value, error, steps = (t[0] if flat.single else t for t in trees)
        return Estimate(value, error, steps, flat.count, _joined(methods)) if full_output else value

    return gradient_of


def jacobian(f, argnums=0, *, method="auto", step=None, full_output=False):
    """The numerical Jacobian, column by column: a few evaluations for every number of the argument.

    Parameters
    ----------
    f : function of trees of real arrays, returning a tree of arrays
    argnums, method, step, full_output : as for `gradient`

    Returns
    -------
    function with the arguments of `f`; as `chainrule.jacobian(f)` it gives, for each leaf of the result, a tree like the
    argument, whose leaves have shape (*result.shape, *argument.shape). For complex arguments `f` is taken to be holomorphic.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.numeric.jacobian(lambda x: x.sum() * x)(np.array([1.0, 3.0]))
    array([[5., 1.],
           [3., 7.]])
    """
    _check(method, step, "numeric.jacobian")

    @functools.wraps(f)
    def jacobian_of(*args, **kwargs):
        flat = _Flat(f, argnums, args, kwargs, "numeric.jacobian")
        columns = [_slope(flat, flat, ts, method, step) for _, _, ts in flat.directions()]
        outs = flat(flat.xs)
        fields = [_jacobian_tree(flat, outs, [c[i] for c in columns], i == 0) for i in range(3)]
        value, error, steps = fields
        return Estimate(value, error, steps, flat.count, _joined(c.method for c in columns)) if full_output else value

    return jacobian_of


def _jacobian_tree(flat, outs, columns, exact):
    """Columns (lists of arrays, one per result) as the tree of trees that `chainrule.jacobian` gives."""
    sizes, shapes = [x.size for x in flat.xs], [x.shape for x in flat.xs]
    per_output = []
    for i, out in enumerate(outs):
        dtype = np.result_type(out, *flat.xs) if exact and any(x.dtype.kind == "c" for x in flat.xs) else out.dtype
        stacked = np.zeros((*out.shape, sum(sizes)), dtype if exact else float)
        for j, column in enumerate(columns):
            stacked[..., j] = column[i]
        tree = unflatten(flat.structure, _cut_axis(stacked, out.ndim, sizes, shapes))
        per_output.append(tree[0] if flat.single else tree)
    return unflatten(flat.out_structure, per_output)


def hessian(f, argnums=0, *, method="auto", step=None, full_output=False):
    """The numerical matrix of second derivatives of a scalar function.

    Complex steps in one direction are extrapolated in the other where `f` takes complex numbers; otherwise, or if asked for,
    second differences are, over four evaluations each.

    Parameters
    ----------
    f : function of trees of real arrays, returning one real number
    argnums, method, step, full_output : as for `gradient`

    Returns
    -------
    function with the arguments of `f`; as `chainrule.hessian(f)` it gives an array of shape (*x.shape, *x.shape) for one
    array argument, a tree of trees for a tree

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.numeric.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0])).round(9)
    array([[6., 2.],
           [2., 0.]])
    """
    _check(method, step, "numeric.hessian")

    @functools.wraps(f)
    def hessian_of(*args, **kwargs):
        flat = _Flat(f, argnums, args, kwargs, "numeric.hessian")
        units = [ts for _, _, ts in flat.directions()]
        if any(x.dtype.kind == "c" for x in flat.xs):
            raise NonDifferentiableError(
                explain("numeric.hessian: arguments must be real", help="give real and imaginary parts as two arguments")
            )
        methods = {slope(flat.scalar, flat.xs, t).method for t in units} if method == "auto" else {method}
        second = _complex_second if methods == {"complex"} else _second
        n = len(units)
        fields = [np.zeros((n, n)) for _ in range(3)]
        for i, j in itertools.combinations_with_replacement(range(n), 2):
            parts = _limit(flat, second, units[i], units[j], method, step)
            for field, (part,) in zip(fields, parts, strict=True):
                field[i, j] = field[j, i] = part
        trees = [_hessian_tree(flat, field) for field in fields]
        name = "complex" if second is _complex_second else "central" if method == "central" else "richardson"
        value, error, steps = trees
        return Estimate(value, error, steps, flat.count, name) if full_output else value

    return hessian_of


def _limit(flat, second, ts, us, method, step):
    """Value, error and step of the second derivative along `ts` and `us`."""
    (at,) = flat.scalar(flat.xs)
    double = _is_double(flat.xs, [at])
    quotient, rounding = second(flat, ts, us, at, double)
    if method != "central":
        h = step or 4 * max(_first_step(flat.xs, ts, double), _first_step(flat.xs, us, double))
        return extrapolate(quotient, rounding, h)
    # Truncation h**2 and rounding eps / h**2 are alike at the fourth root.
    h = step or float(np.finfo(float if double else np.float32).eps) ** 0.25 * max(_size(flat.xs, ts), _size(flat.xs, us))
    (value,), (other,) = quotient(h), quotient(2 * h)
    return [value], [np.abs(value - other) / 3 + rounding(h, [value])[0]], [np.asarray(h)]


def _second(flat, ts, us, at, double):
    """The mixed second difference quotient, and its rounding."""

    def quotient(h):
        def value(a, b):
            return flat.scalar(_moved(_moved(flat.xs, ts, a * h), us, b * h))[0]

        with np.errstate(all="ignore"):
            return [(value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / (4 * h * h)]

    noise = _rounding([at], double, 0.0)
    return quotient, lambda h, q: [n / h for n in noise(h, q)]


def _complex_second(flat, ts, us, at, double):
    """The central difference of a complex step, and its rounding."""

    def sharp(xs):
        found = complex_step(flat.scalar, xs, ts)
        if found is None:
            raise _not_complex(flat)
        return found.value[0]

    def quotient(h):
        return [(sharp(_moved(flat.xs, us, h)) - sharp(_moved(flat.xs, us, -h))) / (2 * h)]

    return quotient, _rounding([sharp(flat.xs)], double, _length(flat.xs, us))


def _not_complex(flat):
    return NonDifferentiableError(
        explain(
            f"{flat.asked}: {flat.name} does not take complex numbers, which method='complex' needs",
            help="use method='richardson'",
        )
    )


def _hessian_tree(flat, matrix):
    sizes, shapes = [x.size for x in flat.xs], [x.shape for x in flat.xs]
    rows = _cut_axis(matrix, 0, sizes, shapes)
    trees = []
    for x, row in zip(flat.xs, rows, strict=True):
        columns = [c.astype(x.dtype) for c in _cut_axis(row, x.ndim, sizes, shapes)]
        tree = unflatten(flat.structure, columns)
        trees.append(tree[0] if flat.single else tree)
    whole = unflatten(flat.structure, trees)
    return tree_map(lambda x: x[()], whole[0] if flat.single else whole)
