"""vmap. The batch axis is always axis 0, so no rule has to track where it went."""

import contextlib
import functools
import operator
import threading

import numpy as np

from ..core.dispatch import Trace, next_level, plain, writer_below
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, LostDerivativeError, ShapeError, explain
from ..numpy_errors import reword
from ..ops.shaping import broadcast_to, expand, moveaxis
from ..tensor import Tensor
from ..trees import flatten, paths, unflatten
from .expansion import finished
from .forward import no_backward
from .scope import Scope


class Batch(Trace):
    """A trace whose Tensors stand for one entry of a batch; their `value` holds all entries along axis 0."""

    def __init__(self, size, randomness="same"):
        self.level = next_level()
        self.size = size
        self.randomness = randomness

    def entry(self):
        """The position of the entry in the batch."""
        return Tensor(np.arange(self.size), self)

    def shape_of(self, x):
        return shape_of(x.value)[1:]

    def process(self, row, args, params):
        if (writer := writer_below(self, args)) is not None:
            return writer.process(row, args, params)
        batched = tuple(isinstance(a, Value) and a.owner is self for a in args)
        values = [a.value if b else plain(a) for a, b in zip(args, batched, strict=True)]
        try:
            out = row.batch(values, batched, params)
        except Exception as error:  # which may speak of the batch
            reword(error, row.evaluate, args, params)
            raise
        return tuple(Tensor(o, self) for o in out) if isinstance(out, tuple) else Tensor(out, self)

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def carries_derivative(self, x):
        return isinstance(x.value, Value) and x.value.owner.carries_derivative(x.value)

    def is_leaf(self, x):
        return False

    def grad_fn(self, x):
        return None

    def constant(self, array):
        return Tensor(broadcast_to(expand(array, (0,)), (self.size, *shape_of(array))), self)

    def rebind(self, x, new):
        x.value, x.owner, x.note = (new.value, new.owner, new.note) if isinstance(new, Tensor) else self._all(new)

    def _all(self, array):
        return self.constant(array).value, self, None

    def replace(self, x, value):
        x.value = value.value if isinstance(value, Tensor) and value.owner is self else self.constant(value).value

    def detach(self, x):
        value = x.value
        return Tensor(value.owner.detach(value) if isinstance(value, Value) else value, self)

    def to_array(self, x, asked):
        raise LostDerivativeError(
            explain(
                f"{asked} of a Tensor inside vmap, where it stands for every entry of a batch at once",
                f"Tensor: {x.dtype} {x.shape}, batch of {self.size}",
                help="use chainrule functions on it, or a Python loop in place of vmap",
            )
        )

    to_scalar = to_array

    def truth(self, x):
        raise ArgumentError(
            explain(
                "the truth of a Tensor inside vmap differs from entry to entry",
                f"Tensor: {x.dtype} {x.shape}, batch of {self.size}",
                help="use cr.where(condition, x, y), cr.cond or cr.while_loop, which go by each entry",
            )
        )

    def describe(self, x):
        return f"Tensor(batch of {self.size}: {x.value!r}, level={self.level})"

    def backward(self, x, *options):
        no_backward("vmap", x)

    retain_grad = register_hook = backward


class _Draws(threading.local):
    """The running vmaps whose entries draw random numbers of their own, outermost first."""

    batches: tuple = ()


draws = _Draws()


@contextlib.contextmanager
def drawing(batches):
    """Inside, random numbers are drawn for every entry of these batches."""
    before, draws.batches = draws.batches, tuple(batches)
    try:
        yield
    finally:
        draws.batches = before


def vmap(f, in_axes=0, out_axes=0, randomness="different", *, axis_size=None):
    """`f` applied to every entry along an axis of its arguments, as whole-array operations.

    Parameters
    ----------
    f : function of trees of arrays
    in_axes : int, None, or a tuple with one for each argument; an argument's may be a tree like the argument.
        The axis that is mapped over; None leaves an argument as it is.
    out_axes : int, or a tree like the result; where the mapped axis stands in the result. None for what is the same for all
        entries, which then gets no such axis.
    randomness : what `f` draws from a `cr.random` generator: 'different' numbers for each entry, as a Python loop would;
        the 'same' for all, as when a sample is drawn before; or 'error', to be asked
    axis_size : number of entries; needed where no argument is mapped over

    Returns
    -------
    function with the signature of `f`; keyword arguments are mapped along axis 0

    Notes
    -----
    With 'different', drawing words of some shape takes words of shape (entries, *shape) from the stream: `rng.random(shape)`
    gives each entry its part of what `rng.random((entries, *shape))` gives outside.

    Raises
    ------
    ShapeError
        Mapped axes differ in length, or there is none.
    ArgumentError
        `in_axes` does not fit the arguments, or numbers are drawn with randomness='error'.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.vmap(lambda x, y: (x * y).sum(), in_axes=(0, None))(np.ones((2, 3)), np.arange(3.0))
    array([3., 3.])
    """

    if randomness not in ("different", "same", "error"):
        raise ArgumentError(explain(f"vmap: unknown randomness {randomness!r}", help="use 'different', 'same' or 'error'"))

    @functools.wraps(f)
    def mapped(*args, **kwargs):
        axes = in_axes if isinstance(in_axes, (tuple, list)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ArgumentError(
                explain(
                    "vmap: in_axes has one entry per positional argument",
                    f"in_axes: {in_axes}    arguments: {len(args)}",
                    help="use None for arguments that are not mapped over",
                )
            )
        leaves, structure = flatten((tuple(args), kwargs))
        leaf_axes = [a for arg, axis in zip(args, axes, strict=True) for a in _axes_of(arg, axis)]
        leaf_axes += [0] * (len(leaves) - len(leaf_axes))
        leaf_axes = [
            None if not _is_array(x) and a is not None and ndim_of(x) == 0 else a
            for x, a in zip(leaves, leaf_axes, strict=True)
        ]
        size = _batch_size(leaves, leaf_axes, paths(structure, ""), axis_size)
        trace = Batch(size, randomness)
        batches = draws.batches if randomness == "same" else (*draws.batches, trace)
        with Scope(trace) as scope, drawing(batches):
            wrapped = [
                x if a is None else Tensor(moveaxis(x if _is_array(x) else np.asarray(x), a, 0), trace)
                for x, a in zip(leaves, leaf_axes, strict=True)
            ]
            own_args, own_kwargs = unflatten(structure, wrapped)
            out_leaves, out_structure = flatten(f(*own_args, **own_kwargs))
            places = spread(out_structure, out_axes)
            values = [_unwrap(scope.strip(o), trace, size, a) for o, a in zip(out_leaves, places, strict=True)]
        values = [finished(v) for v in values]
        return unflatten(out_structure, [_place(v, a) for v, a in zip(values, places, strict=True)])

    return mapped


def _is_array(x):
    return isinstance(x, (np.ndarray, Value))


def _axes_of(arg, axis):
    leaves, structure = flatten(arg)
    if axis is None or isinstance(axis, int):
        return [axis] * len(leaves)
    return spread(structure, axis)


def spread(structure, axes):
    """Axes of each leaf from a tree that may stop above the leaves."""
    if axes is None or isinstance(axes, int):
        return [axes] * structure.size
    inner = _children_like(structure, axes)
    return [a for child, ax in zip(structure.children, inner, strict=True) for a in spread(child, ax)]


def _children_like(structure, tree):
    if structure.kind is None:
        raise ArgumentError(explain(f"vmap: axes {tree!r} go deeper than the argument", help="give an int or None for a leaf"))
    _, children = structure.kind[1].split(tree)
    if len(children) != len(structure.children):
        raise ArgumentError(
            explain(f"vmap: axes {tree!r} do not fit the tree {structure}", help="use a tree of the same structure")
        )
    return children


def _batch_size(leaves, axes, names, given):
    sizes: dict = {}
    names = [f"argument{name}" for name in names]
    for x, a, name in zip(leaves, axes, names, strict=True):
        if a is not None:
            shape = shape_of(x)
            if not -len(shape) <= a < len(shape):
                raise ShapeError(
                    explain(
                        f"vmap: {name} has no axis {a} to map over",
                        f"its shape is {shape}",
                        help="use in_axes=None for arguments that are not mapped over",
                    )
                )
            sizes.setdefault(shape[a], name)
    if given is not None:
        sizes.setdefault(operator.index(given), "axis_size")
    if len(sizes) > 1:
        found = ", ".join(f"{name}: {n}" for n, name in sizes.items())
        raise ShapeError(explain("vmap: mapped axes differ in length", found, help="all mapped axes must have one length"))
    if not sizes:
        raise ShapeError(
            explain("vmap: no argument has an axis to map over", help="map over at least one array, or give axis_size")
        )
    return next(iter(sizes))


def _unwrap(x, trace, size, axis):
    if isinstance(x, Value) and x.owner is trace:
        if axis is None:
            raise ArgumentError(
                explain(
                    "vmap: out_axes is None for a result that differs from entry to entry",
                    f"result: {x.dtype} {x.shape}, batch of {size}",
                    help="give the axis along which the entries shall stand",
                )
            )
        return x.value
    x = x if isinstance(x, (np.ndarray, Value)) else np.asarray(x)
    if dtype_of(x).kind not in "biufc":
        raise ArgumentError(explain("vmap: the function must return arrays", f"found: {x!r}", help="return arrays or Tensors"))
    if axis is None:
        return x
    out = broadcast_to(expand(x, (0,)), (size, *shape_of(x)))
    return out.copy() if isinstance(out, np.ndarray) else out


def _place(x, axis):
    if axis is not None and not -ndim_of(x) <= axis < ndim_of(x):
        raise ShapeError(
            explain(
                f"vmap: there is no axis {axis} where the entries could stand in the result",
                f"shape of an entry: {shape_of(x)[1:]}",
                help=f"out_axes may be from {-ndim_of(x)} to {ndim_of(x) - 1}, or None for what is the same for all entries",
            )
        )
    return x if axis is None or axis == 0 else moveaxis(x, 0, axis)
