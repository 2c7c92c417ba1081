"""Linear equations whose matrix is a function, solved by iteration; derivatives come from the equation, not from the iteration.

From A x = b follows A dx = db - dA x, and the transpose of b -> x solves with the adjoint of A. Both are equations of the same
kind, so derivatives of any order follow. The function is written down as a graph, so what it closes over has derivatives too.
"""

import importlib

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Joint
from ..core.graph import Graph
from ..core.lowering import Call
from ..core.primitive import primitive
from ..core.value import dtype_of, shape_of
from ..ops.joining import stack
from ..ops.shaping import cast
from .abstract import input_avals, jvp_graph, pull_back, remember, trace, vjp_graph, zeros_of
from .programs import inexact, run_graph, size_of_batch, spread


def adjoint_graph(graph: Graph) -> Graph:
    """The graph of y -> A^H y, for the graph of a linear function x -> A x, where x and A x are as many arrays of the same
    shapes; further inputs are what A is made of."""

    def make():
        avals, n = input_avals(graph), len(graph.outputs)
        xs = avals[:n]

        def adjoint(*operands):
            wanted = [*(True for _ in xs), *(False for _ in avals[n:])]
            found = pull_back(graph, [*map(zeros_of, xs), *operands[n:]], wanted, operands[:n])[1]
            return [zeros_of(x) if f is None else cast(f, x.dtype) for f, x in zip(found[:n], xs, strict=True)]

        return trace(adjoint, avals, f"adjoint of {graph.name}", capture=False).graph

    return remember(graph, ("adjoint",), make)


# --- the row --------------------------------------------------------------------------------------------------------------
#
# Arguments: b, the first guess, what the operator is made of (`consts` arrays), what the preconditioner is made of.


def _solve_again(rhs, args, params, back=False):
    """The solution for another right side, from zero; with `back`, of the adjoint equation."""
    turned = {k: adjoint_graph(g) if back and g is not None else g for k, g in params.items() if k in ("operator", "inverse")}
    options = (
        ("rtol", dict(params["options"])["rtol"]),
        *((k, v) for k, v in params["options"] if k in ("restart", "maxiter")),
    )
    nothing = np.zeros(shape_of(rhs), dtype_of(rhs))
    return _linear_solve(rhs, nothing, *args[2:], **{**params, **turned, "options": options})[0]


def _push(args, tangents, params):
    x, info = _linear_solve(*args, **params)
    n = params["consts"]
    moved, rhs = tangents[2 : 2 + n], tangents[0]
    if any(t is not None for t in moved):
        made = jvp_graph(params["operator"], [False, *(t is not None for t in moved)])
        out = made.graph.apply(x, *args[2 : 2 + n], *(t for t in moved if t is not None))
        if len(out) > 1:
            rhs = -out[1] if rhs is None else rhs - out[1]
    return (x, info), (None if rhs is None else _solve_again(cast(rhs, dtype_of(x)), args, params), None)


def _record(args, active, params):
    out = _linear_solve(*args, **params)
    return out, [*args, out[0]]


def _pull(gs, kept, active, params):
    if gs[0] is None:
        return [None] * len(active)
    *args, x = kept
    n, operator = params["consts"], params["operator"]
    s = _solve_again(gs[0], args, params, back=True)
    avals = input_avals(operator)
    wanted = (False, *(a and i for a, i in zip(active[2 : 2 + n], inexact(avals[1:]), strict=True)))
    parts = []
    if any(wanted):
        parts = vjp_graph(operator, wanted, (True,)).graph.apply(x, *args[2 : 2 + n], -s)
    rest = [None] * (len(active) - 2 - n)
    return [s if active[0] else None, None, *spread(parts, wanted)[1:], *rest]


def _batch(args, batched, params):
    size = size_of_batch(args, batched)
    entries = [_linear_solve(*(x[k] if b else x for x, b in zip(args, batched, strict=True)), **params) for k in range(size)]
    if not entries:
        b = args[0]
        return np.zeros((0, *shape_of(b)[batched[0] :]), dtype_of(b)), np.zeros(0, np.intp)
    xs, infos = zip(*entries, strict=True)
    return stack(xs), stack(infos)


@primitive(
    derivative=[Joint(_push, _record, _pull)],
    aval=lambda b, *rest, **params: (Aval(b.shape, b.dtype), Aval((), np.dtype(np.intp))),
    batch=_batch,
    lower=Call(),
    name="linear_solve",
    several=True,
)
def _linear_solve(*args, operator, inverse, consts, solver, options):
    """The solution of a linear equation by one of SciPy's iterations, and what it reports."""
    sparse = importlib.import_module("scipy.sparse.linalg")
    b, guess = args[:2]
    n, dtype = b.shape[0], b.dtype
    if n == 0:
        return np.zeros(0, dtype), np.intp(0)

    def linear(graph, operands):
        def product(x):
            (out,) = run_graph(graph, [np.asarray(x, dtype).reshape(n), *operands])
            return np.asarray(out, dtype)

        return sparse.LinearOperator((n, n), matvec=product, dtype=dtype)

    more = {} if inverse is None else {"M": linear(inverse, args[2 + consts :])}
    iterate = getattr(sparse, solver)
    x, info = iterate(linear(operator, args[2 : 2 + consts]), b, guess, **dict(options), **more)
    return np.asarray(x, dtype).reshape(n), np.intp(info)


def linear_solve(operator, b, guess, inverse, solver, options):
    """Solve `A x = b` by an iteration of scipy.sparse.linalg.

    Parameters
    ----------
    operator, inverse : (graph, operands), the graph of x -> A x with x and these operands as inputs; for an approximate
        inverse of A likewise, or None
    b, guess : vectors
    solver : name of SciPy's function
    options : dict of its keyword arguments

    Returns
    -------
    x, info
    """
    graph, operands = operator
    inverse, more = inverse or (None, [])
    return _linear_solve(
        b, guess, *operands, *more,
        operator=graph, inverse=inverse, consts=len(operands), solver=solver, options=tuple(options.items()),
    )  # fmt: skip
