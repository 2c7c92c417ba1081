"""Check derivatives against numerical ones (numeric.py), in both modes, and against each other."""

import numpy as np

from .core.value import dtype_of, shape_of
from .errors import ArgumentError, ChainruleError, NonDifferentiableError, explain
from .numeric import slope
from .tensor import Tensor
from .transforms.derivatives import jvp, vjp
from .trees import flatten, paths, unflatten


class GradcheckError(ChainruleError, AssertionError):
    """A derivative disagrees with its numerical estimate, or forward and reverse mode with each other."""


def _as_arrays(leaves):
    return [np.asarray(x) for x in leaves]


def _inner(xs, ys):
    return sum(float(np.sum((np.conj(x) * y).real)) for x, y in zip(xs, ys, strict=True))


def _random_like(rng, x):
    t = rng.standard_normal(x.shape)
    if x.dtype.kind == "c":
        t = t + 1j * rng.standard_normal(x.shape)
    return t.astype(x.dtype)


def gradcheck(f, args, *, order=1, modes=("forward", "reverse"), rtol=None, atol=None, seed=0, raise_exception=True):
    """Whether the derivatives of `f` at `args` are right.

    Forward mode is compared with the numerical slope along random directions, reverse mode with forward mode through
    random cotangents; for a function with custom rules for both modes, that compares the two rules.

    Parameters
    ----------
    f : function of trees of arrays, returning a tree of arrays
    args : tuple of its arguments (or one array), floating point or complex; float64 gives sharp checks
    order : 1, or 2 to check second derivatives too (forward over reverse and reverse over reverse), those of the pullback in
        the cotangent included
    modes : which of 'forward' and 'reverse' to check
    rtol, atol : tolerances, relative to the largest element; default by dtype (1e-6 in float64, 1e-2 in float32)
    seed : of the random directions
    raise_exception : raise on a mismatch; otherwise return False

    Raises
    ------
    GradcheckError
        Says which mode, order, output and how large the mismatch is.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.gradcheck(lambda x, y: cr.sin(x) * y, (np.ones(3), np.array(2.0)), order=2)
    True
    """
    return run(f, args, order, modes, (rtol, atol), seed, raise_exception, (slope, vjp))


def run(f, args, order, modes, tolerances, seed, raise_exception, means):
    """`gradcheck` by other means: how to estimate a slope, and how to pull back."""
    args = args if isinstance(args, tuple) else (args,)
    leaves, structure = flatten(args)
    xs = _as_arrays([x.detach() if isinstance(x, Tensor) else x for x in leaves])
    if not xs:
        raise ArgumentError(explain("gradcheck: there are no arguments", help="pass a tuple with at least one array"))
    for x, name in zip(xs, paths(structure, "argument "), strict=True):
        if x.dtype.kind not in "fc":
            raise NonDifferentiableError(
                explain(
                    f"gradcheck: {name} must be floating point or complex",
                    f"found: {x.dtype}",
                    help="convert it with .astype(float)",
                )
            )
    names: list = []

    def flat(values):
        out, out_structure = flatten(f(*unflatten(structure, list(values))))
        names[:] = paths(out_structure, "result")
        return [o.detach() if isinstance(o, Tensor) and not o.requires_grad else o for o in out]

    try:
        _check(flat, xs, modes, order, tolerances, np.random.default_rng(seed), names, "", means)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(flat, xs, modes, order, tolerances, rng, names, what, means):
    double = all(x.dtype in (np.float64, np.complex128) for x in xs)
    (rtol, atol), (estimate, pulled_back) = tolerances, means
    rtol = rtol if rtol is not None else (1e-6 if double else 1e-2)
    atol = atol if atol is not None else (1e-8 if double else 1e-3)
    ts = [_random_like(rng, x) for x in xs]

    def on_arrays(values):
        return [np.asarray(o) for o in flat(values)]

    outs = on_arrays(xs)
    real = [i for i, o in enumerate(outs) if o.dtype.kind in "fc"]
    numeric = estimate(lambda v: [on_arrays(v)[i] for i in real], xs, ts)

    def pushed(*values):
        return tuple(flat(values)[i] for i in real)

    labels = [names[i] for i in real]
    if "forward" in modes:
        tangents = [np.asarray(t) for t in jvp(pushed, tuple(xs), tuple(ts))[1]]
        for t, n, e, label in zip(tangents, numeric.value, numeric.error, labels, strict=True):
            _compare(t, n, rtol, atol + 10 * np.max(e, initial=0), f"{what}forward mode", label, numeric.method)
    if "reverse" in modes:
        value, pullback = pulled_back(pushed, *xs)
        gs = [_random_like(rng, np.asarray(v)) for v in value]
        pulled = [np.asarray(g) for g in pullback(tuple(gs))]
        against = tangents if "forward" in modes else numeric.value
        other = "forward mode" if "forward" in modes else "the numerical slope"
        left, right = _inner(gs, against), _inner(pulled, ts)
        size = sum(np.sum(np.abs(np.asarray(g) * np.asarray(n))) for g, n in zip(gs, against, strict=True))
        slack = 0 if "forward" in modes else 10 * sum(np.sum(np.abs(g) * e) for g, e in zip(gs, numeric.error, strict=True))
        if not abs(left - right) <= atol + rtol * max(size, abs(left)) + slack:
            raise GradcheckError(
                explain(
                    f"gradcheck: {what}reverse mode is not the transpose of {other}",
                    f"<cotangent, derivative of direction>: {left:.12g}    <pullback of cotangent, direction>: {right:.12g}",
                    help="one of the two rules is wrong; the slope above tells which, if forward mode passed",
                )
            )
        if order > 1:

            def first_order(values):  # of the arguments and of the cotangents: both have derivatives in the next order
                out, pull = pulled_back(lambda *v: tuple(flat(v)[i] for i in real), *values[: len(xs)])
                return list(pull(tuple(g.astype(dtype_of(o)) for g, o in zip(values[len(xs) :], out, strict=True))))

            inner = [f"gradient of argument {i}" for i in range(len(xs))]
            what = f"{what}derivative of the gradient: "
            _check(first_order, [*xs, *gs], modes, order - 1, tolerances, rng, inner, what, means)


def _compare(got, expected, rtol, atol, what, label, method):
    if shape_of(got) != shape_of(expected):
        raise GradcheckError(
            explain(
                f"gradcheck: {what} of {label} has the wrong shape",
                f"expected {shape_of(expected)}, found {shape_of(got)}",
                help="a jvp rule must give a tangent of the result's shape",
            )
        )
    bound = atol + rtol * np.max(np.abs(expected), initial=0)
    worst = np.abs(np.asarray(got) - expected)
    if not np.all(worst <= bound):
        place = np.unravel_index(int(np.argmax(np.where(np.isnan(worst), np.inf, worst))), worst.shape) if worst.ndim else ()
        raise GradcheckError(
            explain(
                f"gradcheck: {what} of {label} disagrees with the numerical slope (method {method!r})",
                f"largest mismatch {worst[place]:.3g} at index {tuple(map(int, place))}",
                f"found {np.asarray(got)[place]:.12g}, expected {expected[place]:.12g}",
                help="check the derivative rule; near a kink or in float32, move the point or pass larger rtol and atol",
            )
        )
