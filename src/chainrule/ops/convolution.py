"""Convolution over any number of spatial axes, and its two transposes.

The three rows are one sum of products, T(x, w, y) = sum of x * w * y over all pairs of an input element and an output element
that a kernel element connects: each row takes two of the three arrays and gives the derivative of T in the third. So the
derivatives of each are the other two, to any order.

`stride` and `dilation` hold an int per spatial axis, `padding` a pair (before, after) of zeros. Channel axes count groups
first: group i of the input channels connects to group i of the output channels alone.
"""

import math
from itertools import product

import numpy as np

from ..core.aval import Aval
from ..core.derivative import Linear
from ..core.lowering import Convolve
from ..core.primitive import primitive
from ..core.value import dtype_of, shape_of
from .shaping import _reshape, moveaxis

CHUNK = 1 << 21  # elements of unrolled windows that are held at once: small enough to stay in the cache


def output_sizes(sizes, kernel, stride, padding, dilation):
    """Along each spatial axis, in how many places a kernel fits into an input; at most 0 where it does not."""
    return tuple(
        (n + lo + hi - d * (r - 1) - 1) // s + 1
        for n, r, s, (lo, hi), d in zip(sizes, kernel, stride, padding, dilation, strict=True)
    )


# --- evaluation -------------------------------------------------------------------------------------------------------


def shifts(sizes, out, kernel, stride, padding, dilation):
    """(position in the kernel, part of the output, part of the input that it meets there) for each kernel element."""
    axes = []
    for n, m, r, s, (lo, _), d in zip(sizes, out, kernel, stride, padding, dilation, strict=True):
        pairs = []
        for k in range(r):
            start = k * d - lo  # the input position that output position 0 meets
            first = max(0, -(start // s))
            last = min(m, (n - 1 - start) // s + 1)
            if first < last:
                a = first * s + start
                pairs.append((k, slice(first, last), slice(a, a + (last - first - 1) * s + 1, s)))
        axes.append(pairs)
    for parts in product(*axes):
        yield tuple(zip(*parts, strict=True)) if parts else ((), (), ())


def _blocks(n, per_image):
    """Ranges of images that are worked on together."""
    step = max(1, CHUNK // max(per_image, 1))
    return [slice(a, min(a + step, n)) for a in range(0, n, step)]


def _padded(x, padding):
    """x (n, groups, per, *sizes) with its zeros around it."""
    if not any(map(any, padding)):
        return x
    sizes = [n + lo + hi for n, (lo, hi) in zip(x.shape[3:], padding, strict=True)]
    out = np.zeros((*x.shape[:3], *sizes), x.dtype)
    inside: tuple = tuple(slice(lo, lo + n) for n, (lo, _) in zip(x.shape[3:], padding, strict=True))
    out[(..., *inside)] = x
    return out


def _unrolled(x, out, kernel, geometry):
    """Of x (n, groups, per, *sizes) the windows as columns: (groups, per * kernel elements, n * output positions)."""
    stride, padding, dilation = geometry
    x = _padded(x, padding)
    n, groups, per = x.shape[:3]
    moved = x.transpose(1, 2, 0, *range(3, x.ndim))
    if all(r == 1 for r in kernel) and out == x.shape[3:]:
        columns = np.ascontiguousarray(moved)
    else:
        columns = np.empty((groups, per, *kernel, n, *out), x.dtype)
        for at, _, source in shifts(x.shape[3:], out, kernel, stride, ((0, 0),) * len(out), dilation):
            columns[(slice(None), slice(None), *at)] = moved[(..., *source)]
    return columns.reshape(groups, per * math.prod(kernel), n * math.prod(out))


def _grouped(x, axis, groups):
    """The channel axis in two: (groups, channels of each)."""
    return x.reshape(*x.shape[:axis], groups, x.shape[axis] // max(groups, 1), *x.shape[axis + 1 :])


def _cost(places, per, kernel, outputs, groups):
    """Nanoseconds to unroll the windows at so many places, and for the product."""
    return 40e3 + places * per * math.prod(kernel) * (groups + 0.04 * outputs)


def _conv_aval(x, w, stride, padding, dilation, groups):
    sizes = output_sizes(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return Aval((x.shape[0], w.shape[0], *sizes), np.result_type(x.dtype, w.dtype))


def _input_grad_aval(g, w, sizes, stride, padding, dilation, groups):
    return Aval((g.shape[0], groups * w.shape[1], *sizes), np.result_type(g.dtype, w.dtype))


def _weight_grad_aval(x, g, kernel, stride, padding, dilation, groups):
    return Aval((g.shape[1], x.shape[1] // max(groups, 1), *kernel), np.result_type(x.dtype, g.dtype))


# --- batches ----------------------------------------------------------------------------------------------------------


def _fold(x, axis, groups):
    """The leading batch axis moved into another one, within each of its groups."""
    size, *shape = shape_of(x)
    per = shape[axis] // max(groups, 1)
    x = _reshape(x, shape=(size, *shape[:axis], groups, per, *shape[axis + 1 :]))
    return _reshape(moveaxis(x, 0, axis + 1), shape=(*shape[:axis], size * shape[axis], *shape[axis + 1 :]))


def _unfold(x, axis, groups, size):
    """Back from `_fold`."""
    shape = shape_of(x)
    per = shape[axis] // max(groups * size, 1)
    x = _reshape(x, shape=(*shape[:axis], groups, size, per, *shape[axis + 1 :]))
    return _reshape(moveaxis(x, axis + 1, 0), shape=(size, *shape[:axis], groups * per, *shape[axis + 1 :]))


def _batch(row, first, second, both):
    """A batch rule, for either argument and for both: into which axes of the arguments the batch is folded, and out of which
    axis of the result it comes. For a single argument also whether these two axes count groups first; with both, the
    entries of the batch become groups themselves."""

    def run(args, batched, params):
        call, groups = row(), params["groups"]
        size = shape_of(args[batched.index(True)])[0]
        if not size:
            one = call.row.aval(*(Aval(shape_of(x)[b:], dtype_of(x)) for x, b in zip(args, batched, strict=True)), **params)
            return np.zeros((0, *one.shape), one.dtype)
        if all(batched):
            *axes, out_axis = both
            x, y = (_fold(a, axis, 1) for a, axis in zip(args, axes, strict=True))
            return _unfold(call(x, y, **{**params, "groups": groups * size}), out_axis, 1, size)
        axis, out_axis, grouped, out_grouped = first if batched[0] else second
        folded = _fold(args[batched.index(True)], axis, groups if grouped else 1)
        x, y = (folded, args[1]) if batched[0] else (args[0], folded)
        return _unfold(call(x, y, **params), out_axis, groups if out_grouped else 1, size)

    return run


def _conj(x):
    return x.conj() if dtype_of(x).kind == "c" else x


# --- rows -------------------------------------------------------------------------------------------------------------


@primitive(
    derivative=[
        Linear(
            lambda g, w, in_shape, stride, padding, dilation, groups: conv_input_grad(
                g, _conj(w), sizes=in_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
        Linear(
            lambda g, x, in_shape, stride, padding, dilation, groups: conv_weight_grad(
                _conj(x), g, kernel=in_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
    ],
    aval=_conv_aval,
    batch=_batch(lambda: conv, (0, 0, False, False), (0, 1, True, True), (1, 0, 1)),
    lower=Convolve(),
    cost=lambda x, w, stride, padding, dilation, groups: _cost(
        x.shape[0] * math.prod(x.shape[2:]) / math.prod(stride), w.shape[1], w.shape[2:], w.shape[0], groups
    ),
)
def conv(x, w, *, stride, padding, dilation, groups):
    """Cross-correlation of x (n, channels, *sizes) with w (outputs, channels / groups, *kernel): (n, outputs, *places)."""
    aval = _conv_aval(x, w, stride, padding, dilation, groups)
    kernel, out, geometry = w.shape[2:], aval.shape[2:], (stride, padding, dilation)
    if 0 in x.shape or 0 in w.shape or 0 in aval.shape:
        return np.zeros(aval.shape, aval.dtype)
    n, each = x.shape[0], w.shape[0] // groups
    x = _grouped(x, 1, groups)
    w = w.reshape(groups, each, -1)
    y = np.empty((n, groups, each, math.prod(out)), aval.dtype)
    for block in _blocks(n, w.shape[2] * groups * y.shape[3]):
        columns = _unrolled(x[block], out, kernel, geometry)
        y[block] = np.matmul(w, columns).reshape(groups, each, -1, y.shape[3]).transpose(2, 0, 1, 3)
    return y.reshape(aval.shape)


@primitive(
    derivative=[
        Linear(
            lambda g, w, stride, padding, dilation, groups: conv(
                g, _conj(w), stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
        Linear(
            lambda g, y, in_shape, stride, padding, dilation, groups: conv_weight_grad(
                g, _conj(y), kernel=in_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
    ],
    aval=_input_grad_aval,
    batch=_batch(lambda: conv_input_grad, (0, 0, False, False), (1, 1, False, True), (1, 0, 1)),
    lower=Convolve(),
    cost=lambda y, w, sizes, stride, padding, dilation, groups: _cost(
        y.shape[0] * math.prod(y.shape[2:]), w.shape[1], w.shape[2:], w.shape[0], groups
    ),
)
def conv_input_grad(y, w, *, sizes, stride, padding, dilation, groups):
    """Transpose of `conv` in its input: y (n, outputs, *places) and w as there give (n, channels, *sizes)."""
    shape, dtype, _ = _input_grad_aval(y, w, sizes, stride, padding, dilation, groups)
    kernel, out, geometry = w.shape[2:], y.shape[2:], (stride, padding, dilation)
    n, per, each = y.shape[0], w.shape[1], w.shape[0] // max(groups, 1)
    x = np.zeros((n, groups, per, *sizes), dtype)
    if 0 in y.shape or 0 in w.shape or 0 in shape:
        return x.reshape(shape)
    y = _grouped(y, 1, groups)
    w = np.moveaxis(w.reshape(groups, each, -1), 1, 2)
    for block in _blocks(n, w.shape[1] * groups * math.prod(out)):
        rows = np.ascontiguousarray(y[block].transpose(1, 2, 0, *range(3, y.ndim))).reshape(groups, each, -1)
        # A product over a single output is an outer one, which multiplication makes sooner.
        columns = (w * rows if each == 1 else np.matmul(w, rows)).reshape(groups, per, *kernel, -1, *out)
        total = x[block].transpose(1, 2, 0, *range(3, x.ndim))
        for at, to, target in shifts(sizes, out, kernel, *geometry):
            total[(..., *target)] += columns[(slice(None), slice(None), *at, slice(None), *to)]
    return x.reshape(shape)


@primitive(
    derivative=[
        Linear(
            lambda g, y, in_shape, stride, padding, dilation, groups: conv_input_grad(
                _conj(y), g, sizes=in_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
        Linear(
            lambda g, x, stride, padding, dilation, groups: conv(
                _conj(x), g, stride=stride, padding=padding, dilation=dilation, groups=groups
            )
        ),
    ],
    aval=_weight_grad_aval,
    batch=_batch(lambda: conv_weight_grad, (1, 1, True, False), (1, 0, True, True), (1, 1, 0)),
    lower=Convolve(),
    cost=lambda x, y, kernel, stride, padding, dilation, groups: _cost(
        y.shape[0] * math.prod(y.shape[2:]), x.shape[1] / max(groups, 1), kernel, y.shape[1], groups
    ),
)
def conv_weight_grad(x, y, *, kernel, stride, padding, dilation, groups):
    """Transpose of `conv` in its weight: x (n, channels, *sizes) and y (n, outputs, *places) give
    (outputs, channels / groups, *kernel)."""
    shape, dtype, _ = _weight_grad_aval(x, y, kernel, stride, padding, dilation, groups)
    out, geometry = y.shape[2:], (stride, padding, dilation)
    if 0 in x.shape or 0 in y.shape or 0 in shape:
        return np.zeros(shape, dtype)
    n, each = x.shape[0], y.shape[1] // groups
    x, y = _grouped(x, 1, groups), _grouped(y, 1, groups)
    w = np.zeros((groups, each, shape[1] * math.prod(kernel)), dtype)
    for block in _blocks(n, w.shape[2] * groups * math.prod(out)):
        columns = _unrolled(x[block], out, kernel, geometry)
        rows = np.ascontiguousarray(y[block].transpose(1, 2, 0, *range(3, y.ndim))).reshape(groups, each, -1)
        w += np.matmul(rows, columns.transpose(0, 2, 1))
    return w.reshape(shape)
