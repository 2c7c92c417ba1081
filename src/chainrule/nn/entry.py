"""What goes into a layer or a loss: checked, and cast to the dtype that it computes in."""

import numpy as np

from ..core.dispatch import state
from ..core.value import Value, dtype_of, ndim_of, shape_of
from ..devices import on_cpu
from ..errors import ArgumentError, ShapeError, UnsupportedError, explain
from ..ops import where
from ..ops.indexing import getitem
from ..ops.shaping import as_value, cast
from ..tensor import Tensor
from .errors import IndexRangeError

FLOAT32 = np.dtype(np.float32)


def parameter_dtype(dtype, device=None):
    """The dtype of new parameters; by default that of `set_default_dtype`, float32."""
    on_cpu(device)
    return state.layer_dtype if dtype is None else np.dtype(dtype)


def enter(x, dtype):
    """`x` in the dtype of a layer's parameters; complex numbers are left as they are."""
    try:
        x = as_value(x)
    except ValueError as error:
        found = f"found: {type(x).__name__}: {error}"
        raise ArgumentError(explain("a layer needs numbers as its input", found, help="pad rows to one length")) from None
    if x.dtype is dtype or x.dtype.kind == "c":
        return x
    if x.dtype.kind not in "biuf":
        raise ArgumentError(
            explain(
                "a layer needs numbers as its input",
                f"found: {x.dtype} {shape_of(x)}",
                help="encode what is text as integers first; None may come from a forward or collate_fn without return",
            )
        )
    return cast(x, dtype)


def check_last(x, sizes, layer, argument):
    """Raise unless the last axes of `x` have these lengths."""
    shape = shape_of(x)
    if shape[len(shape) - len(sizes) :] == sizes and len(shape) >= len(sizes):
        return
    wanted = ", ".join(map(str, sizes))
    hint = (
        f"give the layer {argument}={shape[-1]}, or reshape the input" if shape else "a single number has no axes; reshape it"
    )
    if len(sizes) == 1 and len(shape) == 2 and shape[0] == sizes[0]:
        hint = "did you mean x.T?"
    elif len(sizes) == 1 and len(shape) > 2 and int(np.prod(shape[1:])) == sizes[0]:
        hint = "flatten the input first: x.flatten(1), or nn.Flatten() in front"
    raise ShapeError(
        explain(
            f"{layer}: the input does not have the shape that it was made for",
            f"expected: (..., {wanted})    found: {dtype_of(x)} {shape}",
            help=hint,
        )
    )


def check_same_shape(input, target, what):
    """Raise unless both have one shape or `target` is a single number: broadcasting here is nearly always a mistake."""
    a, b = shape_of(input), shape_of(target)
    if a == b or b == ():
        return
    hint = "reshape one of them"
    if int(np.prod(a)) == int(np.prod(b)):
        hint = f"reshape the target: target.reshape({', '.join(map(str, a))})"
    raise ShapeError(explain(f"{what}: input and target must have the same shape", f"input: {a}    target: {b}", help=hint))


def like_input(target, input):
    """A plain array in the dtype of a floating input: NumPy data is float64 where models are float32. Tensors promote."""
    target = as_value(target)
    dtype = dtype_of(input)
    return (
        cast(target, dtype) if not isinstance(target, Value) and dtype.kind == "f" and target.dtype.kind in "fiub" else target
    )


def innermost(x):
    """The array at the bottom of a Tensor, whatever traces it: to look at, never to compute with."""
    while isinstance(x, Value):
        x = x.value
    return np.asarray(x)


def check_integers(x, what, name):
    """`x`, which must hold integers."""
    x = as_value(x)
    if x.dtype.kind not in "iu":
        raise ArgumentError(
            explain(
                f"{what}: `{name}` must hold integers",
                f"found: {x.dtype} {shape_of(x)}",
                help=f"convert it: {name}.astype(int)",
            )
        )
    return x


def check_range(ids, size, what, name, ignored=None):
    """Raise unless all integers are at least 0 and below `size`, or equal to `ignored`.

    Returns whether it is certain, also for later runs of a recorded program, that none is equal to `ignored`.
    """
    values = innermost(ids)
    if not values.size:
        return state.recorder is None
    low, high = values.min(), values.max()
    if low < 0 or high >= size:
        wrong = (values < 0) | (values >= size)
        if ignored is not None:
            wrong &= values != ignored
        if wrong.any():
            raise IndexRangeError(
                explain(
                    f"{what}: `{name}` must be at least 0 and below {size}",
                    f"found: {values[wrong].flat[0]} at position {tuple(int(i[0]) for i in np.nonzero(wrong))}"
                    f"    {name}: {dtype_of(ids)} {shape_of(ids)}",
                    help="count from 0"
                    if high == size
                    else f"check the data, or make room for {int(high) + 1}"
                    if low >= 0
                    else "negative numbers do not count from the end here",
                )
            )
    elif ignored is None or not low <= ignored <= high:
        return state.recorder is None
    return False


def countable(ids, size):
    """Integers that `check_range` has seen, for indexing. Later runs of a program may have others, so there negative ones
    become `size`, which programs refuse, too, instead of counting from the end."""
    if state.recorder is None or ids.dtype.kind == "u":
        return ids
    return where(ids < 0, np.asarray(size, ids.dtype), ids)


def counted(ids, size):
    """The same for integers that are not used as indices: in a program they are looked up, so that it refuses others."""
    return ids if state.recorder is None else getitem(np.arange(size), countable(ids, size))


def check_axes(x, at_least, what):
    if ndim_of(x) < at_least:
        raise ShapeError(
            explain(
                f"{what}: the input needs at least {at_least} ax{'es' if at_least > 1 else 'is'}",
                f"found: {dtype_of(x)} {shape_of(x)}",
                help="add an axis: x[None]",
            )
        )


def settled(x, shape, what):
    """The numbers of a statistic, whichever transforms are running: what is kept beyond them is a constant."""
    while isinstance(x, Value) and x.owner.level > 0:
        x = x.value
    if shape_of(x) != shape:
        raise UnsupportedError(
            explain(
                f"{what}: running statistics under vmap would differ from entry to entry",
                f"statistic: {shape}    with the batch of vmap: {shape_of(x)}",
                help="use model.eval(), or layers with track_running_stats=False",
            )
        )
    return x.detach() if isinstance(x, Tensor) else x
