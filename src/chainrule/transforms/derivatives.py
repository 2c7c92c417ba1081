"""The derivative operators: functions of functions, over any trees of arrays."""

import functools
import operator

import numpy as np

from ..core.dispatch import next_level, steady
from ..core.value import Value, dtype_of, shape_of, size_of
from ..dtypes import is_inexact
from ..errors import ArgumentError, NonDifferentiableError, NonScalarOutputError, ShapeError, explain
from ..ops.shaping import cast, reshape
from ..tensor import Tensor
from ..trees import flatten, leaves_like, paths, tree_map, unflatten
from .backward import Leaf, own, walk_back
from .batch import vmap
from .expansion import finished
from .forward import push_forward
from .lost import warn
from .reverse import ROOT, Tape, as_it_is
from .scope import Scope


def _name(f):
    return getattr(f, "__name__", type(f).__name__)


def _payload(x, what, asked):
    """An array leaf as what a Tensor wraps; raises unless it can carry a derivative."""
    if not isinstance(x, (np.ndarray, Value, np.generic)):
        if not isinstance(x, (bool, int, float, complex)):
            raise NonDifferentiableError(
                explain(
                    f"{asked}: {what} is not an array",
                    f"found: {type(x).__name__}",
                    help="differentiate with respect to arrays only (argnums), or close over the rest",
                )
            )
        x = np.asarray(x)
    if not is_inexact(dtype_of(x)):
        raise NonDifferentiableError(
            explain(
                f"{asked}: {what} must be floating point or complex to have a derivative",
                f"found: {dtype_of(x)} {shape_of(x)}",
                help="write 3.0 for 3, or convert with .astype(float); use argnums to choose other arguments",
            )
        )
    return as_it_is(x, met=True) if isinstance(x, Value) else x


def _payloads(leaves, structure, asked, prefix):
    return [_payload(x, name, asked) for x, name in zip(leaves, paths(structure, prefix), strict=True)]


def _check_output(x, f, asked):
    """An output leaf as an array or Value; raises if it is not one."""
    if isinstance(x, Value):
        return x
    array = np.asarray(x) if isinstance(x, (np.ndarray, np.generic, bool, int, float, complex)) else None
    if array is None or array.dtype.kind not in "biufc":
        raise NonDifferentiableError(
            explain(
                f"{asked}: {_name(f)} must return arrays or Tensors",
                f"found: {type(x).__name__}",
                help="return the array itself; with has_aux=True a second result may be anything",
            )
        )
    return array


def _zeros(x):
    return np.zeros(shape_of(x), dtype_of(x))[()]


def _like(derivative, x):
    """`derivative` as a Tensor if `x` is one of the user's, also where its numbers depend on no Tensor."""
    if isinstance(derivative, Value) and derivative.owner.level >= ROOT.level:
        return derivative
    while isinstance(x, Value) and x.owner is not ROOT:
        x = x.value
    return ROOT.constant(derivative) if isinstance(x, Value) else derivative


def _split_aux(out, f, has_aux, asked):
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise ArgumentError(
            explain(
                f"{asked} with has_aux=True: {_name(f)} must return a pair",
                f"found: {type(out).__name__}",
                help="return (result, aux)",
            )
        )
    return out


def _release_aux(aux, trace, scope):
    """Auxiliary results without the wrapping of the trace that ends."""

    def release(x):
        x = scope.strip(x)
        return x.value if isinstance(x, Value) and x.owner is trace else x

    return tree_map(release, aux)


class _Pulled:
    """A function's result with what is needed to pull cotangents back through it, once or many times."""

    def __init__(self, f, leaves, structure, has_aux, asked):
        self.inputs = leaves
        self.tape = Tape(next_level())
        self.leaves = [Leaf() for _ in leaves]
        with Scope(self.tape) as scope:
            wrapped = [Tensor(x, self.tape, leaf) for x, leaf in zip(leaves, self.leaves, strict=True)]
            out, aux = _split_aux(f(*unflatten(structure, wrapped)), f, has_aux, asked)
            out_leaves, self.out_structure = flatten(out)
            out_leaves = [_check_output(scope.strip(o), f, asked) for o in out_leaves]
            self.mine = mine = [isinstance(o, Value) and o.owner is self.tape for o in out_leaves]
            values = [o.value if m else o for o, m in zip(out_leaves, mine, strict=True)]
            self.nodes = [o.note if m else None for o, m in zip(out_leaves, mine, strict=True)]
            self.aux = _release_aux(aux, self.tape, scope) if has_aux else None
        self.values = [finished(v) for v in values]
        self.aux = tree_map(finished, self.aux) if has_aux else None

    @property
    def value(self):
        return unflatten(self.out_structure, self.values)

    def pull(self, cotangents):
        """Gradients of the inputs, in order, for a cotangent per output leaf; zeros where nothing flows."""
        found: dict = {}
        self.found = found
        handed = {id(g) for g in cotangents}

        def sink(leaf, g, ours):
            g = own(g, ours, handed)
            found[leaf] = g[()] if isinstance(g, np.ndarray) and g.ndim == 0 else g  # scalars, as NumPy gives them

        walk_back(list(zip(self.nodes, cotangents, strict=True)), sink, retain=True)
        pairs = zip(self.leaves, self.inputs, strict=True)
        return [_like(finished(found[leaf]) if leaf in found else _zeros(x), x) for leaf, x in pairs]

    def warn_of_losses(self, names, asked):
        """Warn of inputs that nothing came back to, because of operations without a derivative."""
        lost = self.tape.lost
        if lost.events and len(self.found) < len(self.leaves) and any(self.mine):
            unreached = [(leaf, name) for leaf, name in zip(self.leaves, names, strict=True) if leaf not in self.found]
            warn(lost, unreached, not any(self.nodes), asked)


def _as_cotangent(g, value, name, asked):
    if g is None:
        return _zeros(value)
    g = g if isinstance(g, (np.ndarray, Value)) else np.asarray(g)
    if shape_of(g) != shape_of(value):
        raise ShapeError(
            explain(
                f"{asked}: {name} must have the shape of what it belongs to",
                f"expected: {dtype_of(value)} {shape_of(value)}    found: {dtype_of(g)} {shape_of(g)}",
                help="one number for each element",
            )
        )
    return cast(g, dtype_of(value)) if is_inexact(dtype_of(value)) else g


def vjp(f, *primals, has_aux=False):
    """Value of `f` at `primals`, and the function that pulls cotangents back.

    Parameters
    ----------
    f : function of trees of arrays, returning a tree of arrays
    primals : arguments of `f`, floating point or complex
    has_aux : `f` returns (result, aux), and aux is handed through

    Returns
    -------
    value : result of `f`
    pullback : function of a tree like the result (the cotangents), giving a tuple with a tree like each argument;
        may be called any number of times
    aux : with has_aux only

    Examples
    --------
    >>> import chainrule as cr
    >>> value, pullback = cr.vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> pullback(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    leaves, structure = flatten(primals)
    payloads = list(map(steady, _payloads(leaves, structure, "vjp", "argument ")))  # they may be written to meanwhile
    pulled = _Pulled(f, payloads, structure, has_aux, "vjp")

    def pullback(cotangents):
        gs = leaves_like(pulled.out_structure, cotangents, "cotangents")
        names = paths(pulled.out_structure, "the cotangent")
        gs = [_as_cotangent(g, v, n, "pullback") for g, v, n in zip(gs, pulled.values, names, strict=True)]
        return unflatten(structure, pulled.pull(gs))

    return (pulled.value, pullback, pulled.aux) if has_aux else (pulled.value, pullback)


def jvp(f, primals, tangents, has_aux=False):
    """Value of `f` at `primals`, and its derivative in direction `tangents`.

    Parameters
    ----------
    f : function of trees of arrays, returning a tree of arrays
    primals : tuple of its arguments
    tangents : tuple of trees like `primals`; a leaf None stands for zeros
    has_aux : `f` returns (result, aux), and aux is handed through

    Returns
    -------
    value, tangent : trees like the result of `f`; and aux with has_aux

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jvp(cr.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentError(
            explain(
                "jvp: primals and tangents must be tuples, one entry per argument",
                f"found: {type(primals).__name__} and {type(tangents).__name__}",
                help="write jvp(f, (x,), (t,)) for a function of one argument",
            )
        )
    leaves, structure = flatten(tuple(primals))
    moved = leaves_like(structure, tuple(tangents), "tangents")
    names = paths(structure, "argument ")
    leaves = [_payload(x, n, "jvp") for x, n in zip(leaves, names, strict=True)]
    moved = [
        None if t is None else _as_cotangent(t, x, f"the tangent of {n}", "jvp")
        for t, x, n in zip(moved, leaves, names, strict=True)
    ]
    kept: dict = {}

    def flat(*xs):
        out, aux = _split_aux(f(*unflatten(structure, xs)), f, has_aux, "jvp")
        out_leaves, kept["structure"] = flatten(out)
        if has_aux:
            owner = xs[0].owner
            kept["aux"] = tree_map(lambda x: x.value if isinstance(x, Value) and x.owner is owner else x, aux)
        return [_check_output(o, f, "jvp") for o in out_leaves]

    values, ts = push_forward(flat, leaves, moved)
    ts = [_like(_zeros(v) if t is None else finished(t), v) for v, t in zip(values, ts, strict=True)]
    values = [finished(v) for v in values]
    result = unflatten(kept["structure"], values), unflatten(kept["structure"], ts)
    return (*result, kept["aux"]) if has_aux else result


def linearize(f, *primals, has_aux=False):
    """Value of `f` at `primals`, and its derivative there as a linear function that does not run `f` again.

    With has_aux, `f` returns (result, aux), and aux comes third.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, tangent_of = cr.linearize(lambda x: x * x, 3.0)
    >>> tangent_of(1.0)
    np.float64(6.0)
    """
    value, pullback, *aux = vjp(f, *primals, has_aux=has_aux)
    _, structure = flatten(primals)
    # The pullback is linear in the cotangent; its own transpose is the derivative itself.
    zeros = tree_map(_zeros, value)
    _, push = vjp(pullback, zeros)

    def tangent_of(*tangents):
        ts = leaves_like(structure, tangents, "tangents")
        return push(unflatten(structure, ts))[0]

    return value, tangent_of, *aux


def _choose(argnums, args, asked):
    """Positions named by argnums, and whether one int was given."""
    single = isinstance(argnums, (int, np.integer)) and not isinstance(argnums, bool)
    try:
        wanted = (operator.index(argnums),) if single else tuple(operator.index(i) for i in argnums)
    except TypeError:
        raise ArgumentError(
            explain(
                f"{asked}: argnums must be an int or a tuple of ints",
                f"found: {argnums!r}",
                help="argnums=0 is the first argument",
            )
        ) from None
    n = len(args)
    if any(not -n <= i < n for i in wanted):
        raise ArgumentError(
            explain(
                f"{asked}: argnums={argnums} names an argument that was not given",
                f"{n} positional argument{'s' if n != 1 else ''} given",
                help="keyword arguments cannot be differentiated; pass them by position",
            )
        )
    wanted = tuple(i % n for i in wanted)
    if len(set(wanted)) < len(wanted):
        raise ArgumentError(explain(f"{asked}: argnums={argnums} names an argument twice", help="name each argument once"))
    return wanted, single


def _partial(f, args, kwargs, wanted):
    """f as a function of the arguments in `wanted` alone."""

    def g(*chosen):
        full = list(args)
        for i, x in zip(wanted, chosen, strict=True):
            full[i] = x
        return f(*full, **kwargs)

    g.__name__ = _name(f)
    return g


def _check_holomorphic(arrays, names, asked):
    """The derivative of a holomorphic function exists from complex to complex numbers."""
    for x, name in zip(arrays, names, strict=True):
        if dtype_of(x).kind != "c":
            raise NonDifferentiableError(
                explain(
                    f"{asked} with holomorphic=True: {name} must be complex",
                    f"found: {dtype_of(x)} {shape_of(x)}",
                    help="convert it with .astype(complex), or leave holomorphic=True out",
                )
            )


def value_and_grad(f, argnums=0, has_aux=False, holomorphic=False):
    """As `grad`, giving (value, gradient), or ((value, aux), gradient) with has_aux.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.value_and_grad(lambda x: x**2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    @functools.wraps(f)
    def value_and_grad_of(*args, **kwargs):
        wanted, single = _choose(argnums, args, "grad")
        chosen = tuple(args[i] for i in wanted)
        leaves, structure = flatten(chosen)
        structures = [flatten(c)[1] for c in chosen]
        names = [p for i, s in zip(wanted, structures, strict=True) for p in paths(s, f"argument {i}")]
        leaves = [_payload(x, n, "grad") for x, n in zip(leaves, names, strict=True)]
        if holomorphic:
            _check_holomorphic(leaves, names, "grad")
        pulled = _Pulled(_partial(f, args, kwargs, wanted), leaves, structure, has_aux, "grad")
        if len(pulled.values) != 1 or pulled.out_structure.kind is not None or shape_of(pulled.values[0]) != ():
            found = ", ".join(f"{dtype_of(v)} {shape_of(v)}" for v in pulled.values) or "no array"
            raise NonScalarOutputError(
                explain(
                    f"grad: {_name(f)} must return one scalar",
                    f"found: {found}",
                    help="sum the result, or use jacrev, jacfwd or vjp (which takes a cotangent) for other outputs",
                )
            )
        (value,) = pulled.values
        if holomorphic:
            _check_holomorphic([value], [f"the result of {_name(f)}"], "grad")
        elif is_inexact(dtype_of(value)) and dtype_of(value).kind == "c":
            raise NonDifferentiableError(
                explain(
                    f"grad: {_name(f)} must return a real number",
                    f"found: {dtype_of(value)}",
                    help="take the real part or the modulus; for a holomorphic function pass holomorphic=True; or use vjp",
                )
            )
        if not is_inexact(dtype_of(value)):
            raise NonDifferentiableError(
                explain(
                    f"grad: {_name(f)} must return a floating point number",
                    f"found: {dtype_of(value)}",
                    help="integers and booleans have no derivative",
                )
            )
        gradients = pulled.pull([np.ones((), dtype_of(value))])
        # A pullback multiplies by the conjugate of the derivative.
        gradients = unflatten(structure, [g.conj() for g in gradients] if holomorphic else gradients)
        pulled.warn_of_losses(names, "grad")
        result = gradients[0] if single else gradients
        return ((value, pulled.aux), result) if has_aux else (value, result)

    return value_and_grad_of


def grad(f, argnums=0, has_aux=False, holomorphic=False):
    """The gradient of a scalar function, by reverse mode.

    Parameters
    ----------
    f : function returning one real floating point number
    argnums : position of the argument to differentiate, or a tuple of positions
    has_aux : `f` returns (value, aux), and the result is (gradient, aux)
    holomorphic : `f` is a holomorphic function of complex arguments with a complex result, whose derivative f'(z) is wanted

    Returns
    -------
    function with the arguments of `f`; it gives a tree like the argument (a tuple of them for a tuple of argnums).
    For complex arguments of a real function the gradient is d/dRe + i d/dIm, the direction of steepest ascent.

    Raises
    ------
    NonDifferentiableError
        An argument has an integer or boolean dtype, or the result is not a real array; with `holomorphic`, either is not
        complex.
    NonScalarOutputError
        The result is not a scalar.
    ArgumentError
        `argnums` names no argument.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> cr.grad(cr.grad(cr.sin))(0.5) == -np.sin(0.5)
    np.True_
    >>> cr.grad(lambda z: z**3, holomorphic=True)(1 + 2j)
    np.complex128(-9+12j)
    """
    both = value_and_grad(f, argnums, has_aux, holomorphic)

    @functools.wraps(f)
    def grad_of(*args, **kwargs):
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return grad_of


def _basis(leaves):
    """For each leaf, the unit vectors of all leaves together: arrays of shape (total, *leaf.shape)."""
    sizes = [size_of(x) for x in leaves]
    total, start, out = sum(sizes), 0, []
    for x, n in zip(leaves, sizes, strict=True):
        e = np.zeros((total, n), dtype_of(x))
        e[start : start + n] = np.eye(n, dtype=dtype_of(x))
        out.append(e.reshape(total, *shape_of(x)))
        start += n
    return out, sizes


def _cut_axis(stacked, axis, sizes, shapes):
    """Cut the axis of all unit vectors into one axis group per leaf."""
    pieces, start = [], 0
    for n, shape in zip(sizes, shapes, strict=True):
        piece = stacked[(slice(None),) * axis + (slice(start, start + n),)]
        have = shape_of(piece)
        pieces.append(reshape(piece, (*have[:axis], *shape, *have[axis + 1 :])))
        start += n
    return pieces


def _jacobian_arguments(f, argnums, args, kwargs, asked):
    wanted, single = _choose(argnums, args, asked)
    chosen = tuple(args[i] for i in wanted)
    leaves, structure = flatten(chosen)
    leaves = _payloads(leaves, structure, asked, "argument ")
    return _partial(f, args, kwargs, wanted), leaves, structure, single


# Between real and complex numbers: the Jacobian of a complex result is d(Re f) + i d(Im f), that with respect to a complex
# argument d/dRe + i d/dIm, as for a gradient. The mode that does not see the second part makes another run for it.


def _turned(basis):
    """The unit vectors times i; nothing for real leaves."""
    return [e * 1j if e.dtype.kind == "c" else 0 * e for e in basis]


def _is_complex(x):
    return dtype_of(x).kind == "c"


def _needs_turning(seeds, others, holomorphic, asked):
    """Whether a second run is needed: from complex seeds to real numbers. Raises where there is no Jacobian."""
    mixed = any(map(_is_complex, seeds))
    if holomorphic:
        _check_holomorphic([*seeds, *others], ["every argument and result"] * (len(seeds) + len(others)), asked)
        return False
    if mixed and any(map(_is_complex, others)):
        x, y = (next(filter(_is_complex, xs)) for xs in (seeds, others))
        raise NonDifferentiableError(
            explain(
                f"{asked}: from complex to complex numbers, only a holomorphic function has a complex derivative",
                f"found: {dtype_of(x)} {shape_of(x)} and {dtype_of(y)} {shape_of(y)}",
                help="pass holomorphic=True if it is; else differentiate real and imaginary parts, or use jvp or vjp",
            )
        )
    return mixed


def _pulled_rows(pulled, structure, single, has_aux, holomorphic=False, asked="jacrev"):
    """The Jacobian from a recorded run: the pullback of every unit cotangent, as one batch."""
    basis, sizes = _basis(pulled.values)
    turning = _needs_turning(pulled.values, pulled.inputs, holomorphic, asked)
    if sum(sizes):
        rows = vmap(pulled.pull, randomness="same")(basis)
    else:
        rows = [np.zeros((0, *shape_of(x)), dtype_of(x)) for x in pulled.inputs]
    shapes = [shape_of(v) for v in pulled.values]
    per_input = [_cut_axis(r.conj() if holomorphic else r, 0, sizes, shapes) for r in rows]
    if turning and sum(sizes):
        more = [_cut_axis(r, 0, sizes, shapes) for r in vmap(pulled.pull, randomness="same")(_turned(basis))]
        per_input = [
            [p + 1j * m if _is_complex(v) else p for p, m, v in zip(pieces, others, pulled.values, strict=True)]
            for pieces, others in zip(per_input, more, strict=True)
        ]
    per_input = [[_like(p, x) for p in pieces] for pieces, x in zip(per_input, pulled.inputs, strict=True)]
    per_output = [unflatten(structure, list(column)) for column in zip(*per_input, strict=True)]
    result = unflatten(pulled.out_structure, [t[0] for t in per_output] if single else per_output)
    return (result, pulled.aux) if has_aux else result


def jacrev(f, argnums=0, has_aux=False, holomorphic=False):
    """The Jacobian by reverse mode: one pullback, batched over the elements of the result. Good for few results.

    Parameters
    ----------
    f : function returning a tree of arrays
    argnums, has_aux : as in `grad`
    holomorphic : `f` is a holomorphic function of complex arguments with complex results

    Returns
    -------
    function giving, for each leaf of the result, a tree like the argument, whose leaves have shape
    (*result.shape, *argument.shape). It is d(Re f) + i d(Im f) for complex results, d/dRe + i d/dIm for complex arguments.

    Raises
    ------
    NonDifferentiableError
        Arguments and results are complex, but `holomorphic` is not given.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jacrev(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """

    @functools.wraps(f)
    def jacobian_of(*args, **kwargs):
        g, leaves, structure, single = _jacobian_arguments(f, argnums, args, kwargs, "jacrev")
        pulled = _Pulled(g, leaves, structure, has_aux, "jacrev")
        return _pulled_rows(pulled, structure, single, has_aux, holomorphic)

    return jacobian_of


def jacfwd(f, argnums=0, has_aux=False, holomorphic=False):
    """The Jacobian by forward mode: one pushforward, batched over the elements of the argument. Good for few arguments.

    Parameters, result and errors as `jacrev`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jacfwd(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """

    return _forward_jacobian(f, argnums, has_aux, holomorphic, "jacfwd")


def _forward_jacobian(f, argnums, has_aux, holomorphic, asked):
    @functools.wraps(f)
    def jacobian_of(*args, **kwargs):
        g, leaves, structure, single = _jacobian_arguments(f, argnums, args, kwargs, asked)
        primals = unflatten(structure, leaves)
        basis, sizes = _basis(leaves)
        aux = None

        def push(ts):
            return jvp(g, primals, unflatten(structure, ts), has_aux=has_aux)[1:]

        def pushed(basis):
            axes = (-1, 0) if has_aux else -1
            return vmap(push, out_axes=axes, randomness="same")(basis)  # all columns are of one function

        if sum(sizes):
            tangent, *rest = pushed(basis)
            if has_aux:
                aux = tree_map(lambda a: a[0], rest[0])
        else:
            value = g(*primals)
            value, aux = _split_aux(value, f, has_aux, asked)
            tangent = tree_map(lambda v: np.zeros((*shape_of(v), 0), dtype_of(v)), value)
        columns, out_structure = flatten(tangent)
        shapes = [shape_of(x) for x in leaves]
        pieces = [_cut_axis(c, len(shape_of(c)) - 1, sizes, shapes) for c in columns]
        if _needs_turning(leaves, columns, holomorphic, asked) and sum(sizes):
            more = [_cut_axis(c, len(shape_of(c)) - 1, sizes, shapes) for c in flatten(pushed(_turned(basis))[0])[0]]
            pieces = [
                [p + 1j * m if _is_complex(x) else p for p, m, x in zip(row, others, leaves, strict=True)]
                for row, others in zip(pieces, more, strict=True)
            ]
        per_output = [unflatten(structure, list(map(_like, row, leaves))) for row in pieces]
        if single:
            per_output = [t[0] for t in per_output]
        result = unflatten(out_structure, per_output)
        return (result, aux) if has_aux else result

    return jacobian_of


def jacobian(f, argnums=0, has_aux=False, holomorphic=False):
    """The Jacobian, by the mode that is cheaper for the numbers of elements of the argument and the result.

    Parameters, result and errors as `jacrev`.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.jacobian(lambda x: x.sum() * x)(np.array([1.0, 3.0]))
    array([[5., 1.],
           [3., 7.]])
    """

    forward = _forward_jacobian(f, argnums, has_aux, holomorphic, "jacobian")

    @functools.wraps(f)
    def jacobian_of(*args, **kwargs):
        g, leaves, structure, single = _jacobian_arguments(f, argnums, args, kwargs, "jacobian")
        n_in = sum(size_of(x) for x in leaves)
        if n_in <= 4:  # forward mode wins or nearly so, however few the results
            return forward(*args, **kwargs)
        pulled = _Pulled(g, leaves, structure, has_aux, "jacobian")
        if n_in < sum(size_of(v) for v in pulled.values):
            return forward(*args, **kwargs)
        return _pulled_rows(pulled, structure, single, has_aux, holomorphic, "jacobian")

    return jacobian_of


def hessian(f, argnums=0, has_aux=False, holomorphic=False):
    """Matrix of second derivatives of a scalar function: forward mode over reverse mode.

    Parameters
    ----------
    f : function returning one scalar
    argnums, has_aux, holomorphic : as in `grad`. For complex arguments of a real function there is no such matrix of complex
        numbers; `hvp` gives its products.

    Returns
    -------
    function giving, for one array argument, an array of shape (*x.shape, *x.shape); for a tree, a tree of trees

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacfwd(jacrev(f, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def hvp(f, primals, tangents):
    """Product of the Hessian of a scalar function with a vector, at the cost of a few evaluations of `f`.

    Parameters
    ----------
    f : function returning one scalar
    primals : tuple of its arguments
    tangents : tuple of trees like `primals`

    Returns
    -------
    gradient, product : trees like `primals` (a tuple of them for several arguments)

    Examples
    --------
    >>> import chainrule as cr
    >>> x, v = np.array([1.0, 3.0]), np.array([1.0, 0.0])
    >>> cr.hvp(lambda x: x[0] ** 2 * x[1], (x,), (v,))[1]
    array([6., 2.])
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), tuple(primals), tuple(tangents))


def stop_gradient(tree):
    """The same values as constants: no derivative flows through, in any mode or order.

    >>> import chainrule as cr
    >>> cr.grad(lambda x: x * cr.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) else x, tree)
