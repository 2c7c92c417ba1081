"""What convolution and pooling share: an int for every spatial axis, inputs with or without a batch axis, sizes that fit."""

from operator import index

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops.shaping import as_value, cast, expand, reshape


def per_axis(value, ndim, what, name, at_least=1):
    """`value`, an int or one for each of `ndim` spatial axes, as a tuple of ints."""
    try:
        values = (index(value),) * ndim if ndim_of(value) == 0 else tuple(index(v) for v in value)
    except TypeError:
        values = ()
    if len(values) == 1:
        values *= ndim
    if len(values) != ndim or min(values, default=0) < at_least:
        raise ArgumentError(
            explain(
                f"{what}: `{name}` must be an integer of at least {at_least}, or {ndim} of them",
                f"found: {value!r}",
                help=f"one for each spatial axis, for example {name}={(max(at_least, 1),) * ndim}",
            )
        )
    return values


def enter_spatial(x, ndim, what):
    """(x with a batch axis, whether it had one): x has shape (channels, *sizes) or (batch, channels, *sizes)."""
    x = as_value(x)
    if ndim_of(x) == ndim + 2:
        return x, True
    if ndim_of(x) == ndim + 1:
        return expand(x, (0,)), False
    axes = ", ".join(f"d{i + 1}" for i in range(ndim))
    hint = "add the axis of channels: x[:, None]" if ndim_of(x) == ndim else "check which axes the input has"
    raise ShapeError(
        explain(
            f"{what}: the input needs {ndim + 2} axes, or {ndim + 1} without a batch",
            f"expected: (batch, channels, {axes}) or (channels, {axes})    found: {dtype_of(x)} {shape_of(x)}",
            help=hint,
        )
    )


def leave_spatial(x, batched):
    """The result with the batch axis that the input had, or without."""
    return x if batched else reshape(x, shape_of(x)[1:])


def as_float(x):
    """`x` as floating point numbers: integers become float64."""
    x = as_value(x)
    return x if x.dtype.kind in "fc" else cast(x, np.float64)


def check_places(places, sizes, extent, what):
    """Raise unless a window of this extent fits into the padded sizes at least once."""
    if min(places, default=1) < 1:
        raise ShapeError(
            explain(
                f"{what}: the window is larger than the padded input",
                f"window: {tuple(extent)} (dilation included)    input: {tuple(sizes)}",
                help="use more padding, a smaller window, or fewer layers that shrink the input",
            )
        )
