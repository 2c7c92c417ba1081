"""Solutions of equations found by any program: custom_root and custom_linear_solve, with JAX's signatures.

Derivatives follow from the equation (the implicit function theorem), not from the way in which it was solved. The equation is
written down as a graph, so that what it closes over has derivatives too.
"""

import copy

import numpy as np

from ..core.value import dtype_of, shape_of
from ..errors import ArgumentError, ShapeError, TreeError, explain
from ..ops.shaping import cast
from ..trees import flatten, paths, tree_map, unflatten
from .abstract import aval_like, input_avals, jvp_graph, output_avals, trace, vjp_graph
from .control import _arrays, _Flat, _name
from .custom import Rules
from .derivatives import stop_gradient, vjp
from .implicit import adjoint_graph
from .programs import inexact, or_zeros, spread


def _floats(xs):
    """Whole numbers as floating point ones, since an equation is not solved in whole numbers."""
    return [x if dtype_of(x).kind in "fc" else cast(x, np.dtype(float)) for x in xs]


class _Equation:
    """f(x) = 0 or A x = b: a function of a tree, which gives a tree of the same kind, as a graph.

    Its inputs are the leaves of x, then what the function takes from outside.
    """

    def __init__(self, asked, f, leaves, structure):
        self.asked, self.structure, self.n = asked, structure, len(leaves)
        flat = _Flat(f, [structure], asked)
        self.graph, self.operands = trace(flat, list(map(aval_like, leaves)), _name(f))
        self._compare(f, flat.structure, leaves, output_avals(self.graph))

    def _compare(self, f, structure, xs, ys):
        if structure != self.structure:
            raise TreeError(
                explain(
                    f"{self.asked}: {_name(f)} must return the structure that it is given",
                    f"given: {self.structure}    returned: {structure}",
                    help="as many equations as unknowns, in the same tree",
                )
            )
        for x, y, name in zip(xs, ys, paths(structure, "x"), strict=True):
            if shape_of(x) != y.shape:
                raise ShapeError(
                    explain(
                        f"{self.asked}: {_name(f)} must return the shapes that it is given",
                        f"{name}: {shape_of(x)}    returned: {y.shape}",
                        help="as many equations as unknowns",
                    )
                )

    def checked(self, solve, x):
        """The leaves of what `solve` returned."""
        leaves, structure = _arrays(x, f"{self.asked}: the result of {_name(solve)}")
        wanted = [a.shape for a in input_avals(self.graph)[: self.n]]
        if structure != self.structure or list(map(shape_of, leaves)) != wanted:
            raise TreeError(
                explain(
                    f"{self.asked}: {_name(solve)} must return a solution like the unknowns",
                    f"expected: {self.structure} of shapes {wanted}",
                    f"returned: {structure} of shapes {list(map(shape_of, leaves))}",
                    help="with has_aux=True, it returns a pair (solution, something else)",
                )
            )
        return [cast(x, a.dtype) for x, a in zip(leaves, input_avals(self.graph), strict=False)]

    def tree(self, leaves):
        return unflatten(self.structure, leaves)

    def function(self, operands):
        """x -> f(x), a function of trees."""
        return lambda x: self.tree(self.graph.apply(*flatten(x)[0], *operands))

    def adjoint(self):
        """The equation with the adjoint of A, of the same operands."""
        other = copy.copy(self)
        other.graph = adjoint_graph(self.graph)
        return other

    def moved_by(self, x, operands, tangents):
        """How f(x) moves when what it takes from outside does; None if it does not."""
        moving = inexact(map(aval_like, operands))
        if not any(moving):
            return None
        made = jvp_graph(self.graph, [*(False for _ in x), *moving])
        out = made.graph.apply(*x, *operands, *or_zeros(tangents, operands, moving))
        return spread(out[self.n :], made.flags)

    def pulled(self, x, operands, g):
        """Cotangents of what f takes from outside."""
        wanted = inexact(map(aval_like, operands))
        if not any(wanted):
            return [None] * len(operands)
        made = vjp_graph(self.graph, [*(False for _ in x), *wanted], [True] * self.n)
        return spread(made.graph.apply(*x, *operands, *g), wanted)


def _and_aux(solve, has_aux, out):
    """The solution and the rest of what a solver returned."""
    if not has_aux:
        return out, ()
    if not (isinstance(out, tuple) and len(out) == 2):
        raise ArgumentError(
            explain(
                f"{_name(solve)} must return a pair (solution, something else), as has_aux=True says",
                f"found: {type(out).__name__}",
                help="return a tuple of two, or leave has_aux out",
            )
        )
    return out[0], stop_gradient(tree_map(lambda x: _arrays(x, "has_aux")[0][0], out[1]))


def _still(tree):
    """A tangent of zero."""
    return tree_map(lambda x: np.zeros(shape_of(x), dtype_of(x)), tree)


# --- f(x) = 0 ---------------------------------------------------------------------------------------------------------------


def custom_root(f, initial_guess, solve, tangent_solve, has_aux=False):
    """The x for which `f(x)` is zero, as `solve` finds it, with the derivatives of the solution.

    From f(x, a) = 0 follows dx = -(df/dx)^-1 df/da da, whatever the way in which x was found. So the cost of a derivative is
    that of one linear system, and nothing of the iteration is kept.

    Parameters
    ----------
    f : function of a tree of arrays that returns one of the same structure and shapes. Derivatives flow into the arrays and
        Tensors that it takes from outside. It must not decide by values.
    initial_guess : tree like x; it has no derivative
    solve : function (f, initial_guess) -> x; any program, since it is not differentiated. Under `vmap` and in compiled loops
        it must not decide by values in Python: use `cr.while_loop`.
    tangent_solve : function (g, y) -> x that solves g(x) = y for a linear function g, such as
        `lambda g, y: y / g(1.0)` for numbers, or `lambda g, y: cr.linalg.solve(cr.jacobian(g)(y), y)` for vectors. It must be
        differentiable in y.
    has_aux : `solve` returns a pair, the second of which is returned as it is, without derivative

    Returns
    -------
    x, or (x, what else `solve` gave)

    Raises
    ------
    TreeError, ShapeError
        There are not as many equations as unknowns.
    LostDerivativeError
        `f` decides by values.

    Examples
    --------
    >>> import chainrule as cr
    >>> def newton(f, x):
    ...     for _ in range(20):
    ...         x = x - f(x) / cr.grad(f)(x)
    ...     return x
    >>> cube_root = lambda a: cr.custom_root(lambda x: x**3 - a, 1.0, newton, lambda g, y: y / g(1.0))
    >>> cube_root(8.0), cr.grad(cube_root)(8.0).round(12), cr.grad(cr.grad(cube_root))(8.0).round(12)
    (np.float64(2.0), np.float64(0.083333333333), np.float64(-0.006944444444))
    """
    leaves, structure = _arrays(stop_gradient(initial_guess), "custom_root: initial_guess")
    leaves = _floats(leaves)
    equation = _Equation("custom_root", f, leaves, structure)
    n = equation.n

    def value(guess, operands):
        out = solve(equation.function(operands), equation.tree([cast(x, dtype_of(x)) for x in guess]))
        x, aux = _and_aux(solve, has_aux, out)
        return equation.checked(solve, x), aux

    def linear(x, operands):
        """The derivative of f at x, as a function of trees."""
        made = jvp_graph(equation.graph, [*(True for _ in x), *(False for _ in operands)], [True] * n).graph
        return lambda v: equation.tree(made.apply(*x, *operands, *flatten(v)[0])[n:])

    def solved(x, operands, y):
        return equation.checked(tangent_solve, tangent_solve(linear(x, operands), equation.tree(y)))

    def push(primals, tangents):
        operands, x_and_aux = primals[1], rules.call(*primals)
        x, aux = x_and_aux
        moved = equation.moved_by(x, operands, tangents[1])
        if moved is None or all(m is None for m in moved):
            return x_and_aux, _still(x_and_aux)
        y = [-m if m is not None else np.zeros(shape_of(v), dtype_of(v)) for m, v in zip(moved, x, strict=True)]
        return x_and_aux, (solved(x, operands, y), _still(aux))

    def forward(guess, operands):
        x_and_aux = rules.call(guess, operands)
        return x_and_aux, (x_and_aux[0], operands)

    def pull(kept, g):
        x, operands = kept
        zeros = [np.zeros(shape_of(v), dtype_of(v)) for v in x]
        (s,) = vjp(lambda y: solved(x, operands, y), zeros)[1](g[0])
        return None, equation.pulled(x, operands, [-v for v in s])

    rules = Rules("custom_root", value, push, forward, pull)
    x, aux = rules.call(leaves, equation.operands)
    return (equation.tree(x), aux) if has_aux else equation.tree(x)


# --- A x = b ----------------------------------------------------------------------------------------------------------------


def custom_linear_solve(matvec, b, solve, transpose_solve=None, symmetric=False, has_aux=False):
    """The x for which `matvec(x)` is `b`, as `solve` finds it, with the derivatives of the solution.

    From A x = b follows A dx = db - dA x, which `solve` solves too; reverse mode solves with the adjoint of A.

    Parameters
    ----------
    matvec : linear function x -> A x of a tree of arrays, which returns one of the same structure and shapes. Derivatives
        flow into the arrays and Tensors that it takes from outside. It must not decide by values.
    b : tree of arrays
    solve : function (matvec, b) -> x; any program, since it is not differentiated. It may use what is known of A, such as a
        factorization: derivatives call it again with the same A.
    transpose_solve : function (vecmat, b) -> x that solves with the adjoint of A, the conjugate transpose, which `vecmat`
        multiplies with. Without it, and unless `symmetric`, there is no reverse mode.
    symmetric : A is its own adjoint, so that `solve` does for both
    has_aux : `solve` and `transpose_solve` return pairs, the second of which is returned as it is, without derivative

    Returns
    -------
    x, or (x, what else `solve` gave)

    Raises
    ------
    TreeError, ShapeError
        A is not square.
    ArgumentError
        Reverse mode is asked for, and there is no `transpose_solve`.
    LostDerivativeError
        `matvec` decides by values.

    Examples
    --------
    >>> import chainrule as cr
    >>> def jacobi(matvec, b):
    ...     x = b
    ...     for _ in range(100):
    ...         x = x + 0.2 * (b - matvec(x))
    ...     return x
    >>> A, b = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([6.0, 7.0])
    >>> f = lambda scale: cr.custom_linear_solve(lambda x: scale * (A @ x), b, jacobi, symmetric=True)
    >>> f(1.0).round(6), cr.jacobian(f)(1.0).round(6)
    (array([1., 2.]), array([-1., -2.]))
    """
    leaves, structure = _arrays(b, "custom_linear_solve: b")
    leaves = _floats(leaves)
    equation = _Equation("custom_linear_solve", matvec, leaves, structure)
    if symmetric:
        transpose_solve = solve
    elif transpose_solve is None:
        transpose_solve = _no_transpose
    rules = _linear_rules(equation, solve, transpose_solve, has_aux)
    x, aux = rules.call(leaves, equation.operands)
    return (equation.tree(x), aux) if has_aux else equation.tree(x)


def _no_transpose(vecmat, b):
    raise ArgumentError(
        explain(
            "custom_linear_solve: reverse mode needs a solver for the adjoint equation",
            "transpose_solve: None    symmetric: False",
            help="pass transpose_solve=, which may be `solve` itself if that uses nothing but its arguments, or symmetric=True",
        )
    )


def _linear_rules(equation, solve, transpose_solve, has_aux):
    """Rules of the solution of one of the two equations, with A and with its adjoint; each needs the other."""

    def value(b, operands):
        x, aux = _and_aux(solve, has_aux, solve(equation.function(operands), equation.tree(b)))
        return equation.checked(solve, x), aux

    def push(primals, tangents):
        (b, operands), (db, moves) = primals, tangents
        x_and_aux = rules.call(b, operands)
        x, aux = x_and_aux
        moved = equation.moved_by(x, operands, moves) or [None] * len(x)
        right = [t if m is None else t - m for t, m in zip(db, moved, strict=True)]
        return x_and_aux, (rules.call(right, operands)[0], _still(aux))

    def forward(b, operands):
        x_and_aux = rules.call(b, operands)
        return x_and_aux, (x_and_aux[0], operands)

    def pull(kept, g):
        x, operands = kept
        s = _linear_rules(equation.adjoint(), transpose_solve, solve, has_aux).call(g[0], operands)[0]
        return s, equation.pulled(x, operands, [-v for v in s])

    rules = Rules("custom_linear_solve", value, push, forward, pull)
    return rules
