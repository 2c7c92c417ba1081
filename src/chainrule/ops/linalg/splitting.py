"""Equal eigenvalues and singular values, split by a formal number e that is smaller than any other.

For any e other than 0 the matrix A + e V D V^H, with different d within each space of equal values, has one basis, V, and all
rules of derivatives hold. What they give is a series in e. Derivatives of functions that do not depend on the basis are
smooth, so what stands at e^0 is their value at A, to any order, although single terms on the way have factors 1 / e: those by
which vectors of equal values turn. Such series are Tensors of their own trace, `transforms.expansion`, below all tapes.
"""

import math
import warnings

import numpy as np

from ...core.derivative import Linear, Pair, zero
from ...core.dispatch import state
from ...core.lowering import Call
from ...core.primitive import primitive
from ...core.value import Value, dtype_of, shape_of
from ...errors import RepeatedValuesWarning, explain
from ..elementwise import absolute, where
from ..shaping import broadcast_to, expand

MORE = 2  # orders kept beyond those of the derivatives: one is used up on the way, one is for backward(create_graph=True)


def is_split(x):
    """Whether a series in e stands below all the traces that wrap `x`."""
    while isinstance(x, Value):
        if x.owner is state.expansion:
            return True
        x = x.value
    return False


def can_split():
    """Whether operations find values at all, by which to decide: they do not in the bodies of loops."""
    return state.expansion is not None and not state.abstract


def written_down(x):
    """Whether `x` is a value of a program that is being recorded, with nothing in between."""
    return isinstance(x, Value) and x.owner is state.recorder


def warn_of_equal(name):
    """What the body of a loop says, which cannot split, where it will be asked for derivatives and finds equal values."""
    message = explain(
        f"{name} in the body of a loop: eigenvalues or singular values are equal",
        "first derivatives in reverse mode are right for functions symmetric in them, or for one function v f(w) v^H",
        help="use cr.linalg.funm for functions of a matrix, or a Python loop in place of scan, while_loop, fori_loop",
    )
    warnings.warn(message, RepeatedValuesWarning, stacklevel=3)


def _doubted_batch(args, batched, params):
    x, values = args
    if not batched[0]:
        x = broadcast_to(expand(x, (0,)), (shape_of(values)[0], *shape_of(x)))
    return _doubted(x, values, **params)


@primitive(
    derivative=[Pair(lambda t: t, lambda g: g), zero],
    aval=lambda x, values, name, symmetric: x,
    batch=_doubted_batch,
    lower=Call(),
    name="doubted",
)
def _doubted(x, values, *, name, symmetric):
    """x, with a warning where some of the sorted `values` are equal; with `symmetric`, only if x, one number
    for each, differs between those."""
    groups = groups_of(values)
    if groups is None:
        return x
    if symmetric and x.shape == values.shape:
        equal = (groups[..., :, None] == groups[..., None, :]) & (groups[..., :, None] >= 0)
        apart = np.abs(x[..., :, None] - x[..., None, :])
        if not (equal & (apart > 100 * tolerance(values) * np.abs(x).max())).any():
            return x
    warn_of_equal(name)
    return x


def doubted(name, x, values, symmetric=False):
    """`x`, which is made in the body of a loop, where equal `values` cannot be split, and is right only where they differ."""
    return x if is_split(values) else _doubted(x, values, name=name, symmetric=symmetric)


def groups_of(values):
    """Numbers for each group of equal ones among sorted values, -1 for one that is alone; None if all are."""
    n = values.shape[-1]
    if n < 2 or not values.size:
        return None
    apart = np.abs(np.diff(values, axis=-1)) > tolerance(values) * np.abs(values).max(-1, keepdims=True)
    if apart.all():
        return None
    ends = np.ones((*apart.shape[:-1], 1), bool)
    alone = np.concatenate([ends, apart], -1) & np.concatenate([apart, ends], -1)
    return np.where(alone, -1, np.concatenate([0 * ends, np.cumsum(apart, axis=-1)], -1))


def clusters_of(values):
    """As `groups_of`, for values in no order, complex ones too: the number of the first that one is equal to."""
    n = values.shape[-1]
    if n < 2 or not values.size:
        return None
    apart = np.abs(values[..., :, None] - values[..., None, :])
    equal = apart <= tolerance(values) * np.abs(values).max(-1)[..., None, None]
    if equal.sum() == values.size:
        return None
    for _ in range(n.bit_length()):  # what is equal to the same is one group
        equal = (equal[..., :, :, None] & equal[..., None, :, :]).any(-2)
    return np.where(equal.sum(-1) > 1, equal.argmax(-1), -1)


def slopes_of(values, groups, rising=True):
    """Different positive numbers, in order, for the members of each group; 0 for others."""
    same = (groups[..., :, None] == groups[..., None, :]) & (groups[..., :, None] >= 0)
    before = np.tri(values.shape[-1], dtype=bool)
    place, count = (same & (before if rising else before.T)).sum(-1), same.sum(-1)
    size = np.abs(values).max(-1, keepdims=True)
    return (place / np.maximum(count, 1) * np.where(size > 0, size, 1)).astype(values.dtype)


def split(values, groups, order, rising=True):
    """`values` as series, for so many derivatives: those of one group get different slopes."""
    return state.expansion.series({0: values, 1: slopes_of(values, groups, rising)}, order + MORE)


def decomposed(call, row):
    """How a decomposition runs on a series in e: anew if it has equal values. `call` and `row` give what runs it and its row.

    For its argument A(e) is as good as any A + e E, as long as what is asked for does not depend on a basis.
    """

    def series(trace, args, params):
        out = call()(*map(trace.constant_term, args), **params)
        if any(is_split(x) for x in out):
            return out
        return trace.composed(row().row, args, params, [0])

    return series


def split_in_program(values, slopes, order):
    """As `split`, of values of a program that is being recorded, whose slopes a row has found; none are all 0, which the
    program then relies on."""
    return state.expansion.series({0: values, 1: slopes}, order + MORE) if bool((slopes != 0).any()) else values


# --- rows that say something about the series only ------------------------------------------------------------------------


def _batch(row):
    def batch(args, batched, params):
        x, like = args
        if not batched[0]:
            x = broadcast_to(expand(x, (0,)), (shape_of(like)[0], *shape_of(x)))
        return row()(x, like)

    return batch


@primitive(
    derivative=[Linear(lambda g, like: _over_e(g, like)), zero],
    aval=lambda x, like: x,
    batch=_batch(lambda: _over_e),
    lower=Call(),
    series=lambda trace, args, params: trace.lowered(args[0]),
    name="over_splitting",
)
def _over_e(x, like):
    """x / e, where `like` is a series in e of the shape of x; plain arrays know no e."""
    return x


@primitive(
    derivative=[Pair(lambda t, like: _over_e(t, like), lambda g, like: _over_e(g, like)), zero],
    aval=lambda x, like: x,
    batch=_batch(lambda: _rest_over_e),
    lower=Call(),
    series=lambda trace, args, params: trace.lowered(trace.without_constant(args[0])),
    name="rest_over_splitting",
)
def _rest_over_e(x, like):
    """(x - c) / e, where c is what stands at e^0 of x, as a constant."""
    return x


@primitive(
    derivative=[Linear(lambda g, like: _settled(g, like)), zero],
    aval=lambda x, like: x,
    batch=_batch(lambda: _settled),
    lower=Call(),
    series=lambda trace, args, params: trace.settle(args[0], trace.constant_term(args[1])),
    name="settled",
)
def _settled(x, like):
    """What stands at e^0 of a result, in which all powers of 1 / e have to cancel; `like` holds numbers of the size of what
    it was computed from."""
    return x


# --- rates ----------------------------------------------------------------------------------------------------------------


def reciprocal(x, none, like):
    """1 / x, which is of the order of 1 / e where `none` says that x is 0 at e^0."""
    scaled = where(none, _rest_over_e(x, like), x)
    inverse = 1 / where(scaled == 0, 1, scaled)
    inverse = where(scaled == 0, 0, inverse)
    return where(none, _over_e(inverse, like), inverse)


def settled(x, *wholes):
    """`x` at e^0, said to be of the size of `wholes` before anything cancelled."""
    size = 0.0
    for w in wholes:
        size = size + absolute(w).max() if not isinstance(w, float) else size
    return _settled(x, size)


def regular(t, values):
    """A tangent of a matrix whose `values` are split: of what does not depend on a basis, it has no powers of 1 / e."""
    return settled(t) if isinstance(t, Value) and is_split(values) else t


def tolerance(values):
    """Values that differ by less, relative to the largest, are equal: LAPACK's rounding errors are about this large."""
    n = values.shape[-1]
    return 10 * math.sqrt(n) * float(np.finfo(dtype_of(values)).eps)
