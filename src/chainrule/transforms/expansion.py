"""Series in a formal number e that is smaller than any other: values below all tapes, where equal eigenvalues are split.

A Tensor of this trace has the coefficient of e^0 as its value and keeps the others in its note: a dict from powers, negative
ones too, to arrays, and the last power that is known. Operations look at e^0 alone where they decide something. See
ops/linalg/splitting.py for what this is good for.
"""

import math
import warnings

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear
from ..core.dispatch import Trace, _State, plain, state
from ..core.value import Value, dtype_of, shape_of
from ..errors import RepeatedValuesWarning, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from .forward import Forward, no_backward
from .lost import place_of_user

_EXACT = 64  # the last power known of what does not depend on e


class Expansion(Trace):
    """The trace of these series; there is one."""

    level = -0.5  # type: ignore[assignment]  # below all tapes, above a recorder

    def series(self, terms, known):
        """The Tensor of a series."""
        rest = {k: v for k, v in terms.items() if k and k <= known and (isinstance(v, Value) or v.any())}
        zeroth = terms.get(0)
        if zeroth is None:
            first = next(iter(terms.values()))
            zeroth = np.zeros(shape_of(first), dtype_of(first))
        return Tensor(zeroth, self, (rest, known))

    def terms(self, x):
        """(coefficients, last known power) of a series or a constant."""
        if isinstance(x, Value) and x.owner is self:
            rest, known = x.note
            return {0: x.value, **rest}, known
        return {0: x}, _EXACT

    def process(self, row, args, params):
        args = [a if isinstance(a, Value) and a.owner is self else plain(a) for a in args]
        if callable(row.series):
            return row.series(self, args, params)
        moving = [i for i, a in enumerate(args) if isinstance(a, Value) and a.owner is self and row.kind(i) is not None]
        if not moving:
            return row.call(*map(self.constant_term, args), **params)
        args = [a if i in moving else self.constant_term(a) for i, a in enumerate(args)]
        if row.joint is None:
            linear = next((i for i in moving if isinstance(row.derivative[min(i, len(row.derivative) - 1)], Linear)), None)
            if linear is not None:
                return self._linear(row, args, params, linear)
            if row.series == "product":
                return self._product(row, args)
            if row.series == "quotient" and 1 in moving and min(0, *self.terms(args[1])[0]) == 0:
                return self._quotient(row, args)
            if all(getattr(row.derivative[min(i, len(row.derivative) - 1)], "each", False) for i in moving):
                out = self._integrated(row, args, params, moving)
                if out is not None:
                    return out
        return self.composed(row, args, params, moving)

    def _linear(self, row, args, params, i):
        """The sum of what the op gives for each coefficient of argument `i`, which it is linear in."""
        terms, known = self.terms(args[i])
        total: dict = {}
        last, several = known, False
        lowest = min(0, *terms)
        for k, coefficient in terms.items():
            out = row.call(*args[:i], coefficient, *args[i + 1 :], **params)
            several = isinstance(out, tuple)
            for at, o in enumerate(out if several else (out,)):
                parts, own = self.terms(o)
                last = min(last, known + min(0, *parts), own + lowest)
                for j, part in parts.items():
                    key = at, j + k
                    total[key] = total[key] + part if key in total else part
        results = [
            self.series({k: v for (at, k), v in total.items() if at == n}, last) for n in range(1 + max(a for a, _ in total))
        ]
        return tuple(results) if several else results[0]

    def _product(self, row, args):
        (x, known_x), (y, known_y) = map(self.terms, args)
        last = min(known_x + min(0, *y), known_y + min(0, *x))
        total: dict = {}
        for i, a in x.items():
            for j, b in y.items():
                if i + j <= last:
                    part = row.call(a, b)
                    total[i + j] = total[i + j] + part if i + j in total else part
        return self.series(total or {0: row.call(x[0], y[0])}, last)

    def _quotient(self, row, args):
        """Long division by a series that does not begin with 0."""
        (x, known_x), (y, known_y) = map(self.terms, args)
        last = min(known_x, known_y + min(0, *x))
        found: dict = {}
        for k in range(min(0, *x), last + 1):
            rest = x.get(k)
            for j, c in y.items():
                if j and k - j in found:
                    part = found[k - j] * c
                    rest = -part if rest is None else rest - part
            if rest is not None:
                found[k] = row.call(rest, y[0])
        return self.series(found, last)

    def _integrated(self, row, args, params, moving):
        """The series whose slope in e is the sum of partials times slopes of the arguments: as cheap as products are."""
        parts = {i: self.terms(args[i]) for i in moving}
        last = min(known for _, known in parts.values())
        if last < 2 or any(min(terms) < 0 for terms, _ in parts.values()) or all(max(terms) < 1 for terms, _ in parts.values()):
            return None
        slopes = {i: {k - 1: v * k for k, v in terms.items() if k} for i, (terms, _) in parts.items()}
        found = {0: row.call(*map(self.constant_term, args), **params)}
        if dtype_of(found[0]).kind not in "fc":
            return found[0]
        # A partial that is stated by the result is known one power further with each turn.
        turns = range(last) if any(-1 in row.kind(i).keeps for i in moving) else [last - 1]
        for known in turns:
            cut = [self.series(dict(parts[i][0]), known) if i in parts else a for i, a in enumerate(args)]
            env = (*cut, self.series(dict(found), known))
            total: dict = {}
            for i in moving:
                aval = Aval(shape_of(args[i]), dtype_of(args[i]))
                slope = slopes[i] or {0: np.zeros(aval.shape, aval.dtype)}
                t, _ = self.terms(row.kind(i).push(self.series(slope, known), env, params, aval))
                for k, v in t.items():
                    total[k + 1] = total.get(k + 1, 0) + v / (k + 1)
            found.update({k: cast(v, found[0].dtype) for k, v in total.items()})
        return self.series(found, last)

    def composed(self, row, args, params, moving):
        """Taylor's formula, by forward mode nested as often as there are powers.

        An op whose arguments hold powers of 1 / e is linear in these, or in each of two.
        """
        parts = {i: self.terms(args[i]) for i in moving}
        last = min(known for _, known in parts.values())
        depth = max(0, last) if any(k > 0 for terms, _ in parts.values() for k in terms) else 0
        poles = sorted({k for terms, _ in parts.values() for k in terms if k < 0})
        runs: list = [()] + [(p,) for p in poles] + [(p, q) for p in poles for q in poles if p <= q]
        total: dict = {}
        count = several = None
        for powers in runs:
            out = self._run(row, args, params, parts, depth, powers)
            if out is None:
                continue
            several, found = out
            count = len(found)
            for at, coefficients in enumerate(found):
                for k, c in enumerate(coefficients):
                    if c is not None:
                        key = at, k + sum(powers)
                        c = c * 0.5 if len(powers) == 2 and powers[0] == powers[1] else c
                        total[key] = total[key] + c if key in total else c
        results = []
        for at in range(count or 0):
            terms = {k: v for (n, k), v in total.items() if n == at}
            inexact = dtype_of(terms[0]).kind in "fc"
            results.append(self.series(terms, last) if inexact else terms[0])
        return tuple(results) if several else results[0]

    def _run(self, row, args, params, parts, depth, powers):
        """Coefficients of e^0 to e^depth, of the derivative along the coefficients of e^p for every p in `powers`."""
        if any(all(p not in terms for terms, _ in parts.values()) for p in powers):
            return None
        levels = [Forward() for _ in range(depth)]
        extra = [Forward() for _ in powers]

        def wrapped(terms, k, left):
            if not left:
                c = terms.get(k)
                return c if c is None or k < 2 else c * math.factorial(k)
            value, tangent = wrapped(terms, k, left[:-1]), wrapped(terms, k + 1, left[:-1])
            if value is None:
                if tangent is None:
                    return None
                value = np.zeros(tangent.shape, tangent.dtype)
            return value if tangent is None else Tensor(value, left[-1], tangent)

        new = list(args)
        for i, (terms, _) in parts.items():
            x = wrapped({k: v for k, v in terms.items() if k >= 0}, 0, levels)
            for trace, p in zip(extra, powers, strict=True):
                x = Tensor(x, trace, terms[p]) if p in terms else x
            new[i] = x
        out = row.call(*new, **params)
        several = isinstance(out, tuple)

        def taken(x, trace, tangent):
            if isinstance(x, Value) and x.owner is trace:
                return x.note if tangent else x.value
            return None if tangent else x

        found = []
        for x in out if several else (out,):
            for trace in reversed(extra):
                x = taken(x, trace, True)
            coefficients = []
            for k in range(depth + 1):
                c = x
                for at, trace in enumerate(reversed(levels)):
                    c = taken(c, trace, at < k)
                coefficients.append(c if c is None or k < 2 else c / math.factorial(k))
            found.append(coefficients)
        return several, found

    def without_constant(self, x):
        """A series without what stands at e^0."""
        terms, known = self.terms(x)
        return self.series({k: v for k, v in terms.items() if k} or {0: 0 * terms[0]}, known)

    def lowered(self, x):
        """A series over e."""
        terms, known = self.terms(x)
        return self.series({k - 1: v for k, v in terms.items()}, known - 1)

    # --- the end of a series ----------------------------------------------------------------------------------------------

    def constant_term(self, x):
        return x.value if isinstance(x, Value) and x.owner is self else x

    def settle(self, x, size=0.0):
        """What stands at e^0 of a result, after a look at whether that is all."""
        if not (isinstance(x, Value) and x.owner is self):
            return x
        rest, known = x.note
        poles = [_numbers(v) for k, v in rest.items() if k < 0]
        value, found = x.value, _numbers(x.value)
        if known < 0:
            _warn(
                "a derivative of higher order than was expected when they were found",
                "cr.linalg.funm for functions of a matrix",
            )
        elif poles:
            eps = np.finfo(found.dtype).eps
            size = max(float(np.max(_numbers(size), initial=0)), float(np.abs(found).max(initial=0)))
            if max(float(np.abs(p).max(initial=0)) for p in poles) > math.sqrt(eps) * size:
                _warn(
                    "this derivative is infinite, or depends on which basis is chosen",
                    "functions that do not depend on it, such as v @ diag(f(w)) @ v.T, have derivatives",
                )
        return value

    def mapped(self, f, x):
        """The series with `f` of its coefficients."""
        rest, known = x.note
        return Tensor(f(x.value), self, ({k: f(v) for k, v in rest.items()}, known))

    # --- what a Tensor asks of its owner ----------------------------------------------------------------------------------

    def carries_derivative(self, x):
        return False

    def is_leaf(self, x):
        return True

    def grad_fn(self, x):
        return None

    def constant(self, array):
        return self.series({0: array}, _EXACT)

    def rebind(self, x, new):
        if isinstance(new, Tensor):
            x.value, x.owner, x.note = new.value, new.owner, new.note
        else:
            x.value, x.note = new, ({}, _EXACT)

    def replace(self, x, value):
        x.value, x.note = self.constant_term(value), ({}, _EXACT)

    def detach(self, x):
        return x

    def to_array(self, x, asked):
        return x.value.owner.to_array(x.value, asked) if isinstance(x.value, Value) else x.value

    to_scalar = to_array

    def truth(self, x):
        return bool(x.value)

    def describe(self, x):
        return f"tensor({x.value!r})"

    def backward(self, x, *options):
        no_backward("an expansion", x)

    retain_grad = register_hook = backward


def _numbers(x):
    """The array in a value of a recorded program, which is looked at but decides nothing."""
    while isinstance(x, Value):
        x = x.value
    return np.asarray(x)


def _warn(found, help):
    file, line = place_of_user()
    message = explain("eigenvalues or singular values are equal: " + found, help=help)
    warnings.warn_explicit(message, RepeatedValuesWarning, file, line)


EXPANSION = Expansion()
_State.expansion = EXPANSION


def finished(x):
    """A result that leaves the last transform: without its series, if it has one."""
    if isinstance(x, Value) and x.owner is EXPANSION and not state.scopes:
        return EXPANSION.settle(x)
    return x
