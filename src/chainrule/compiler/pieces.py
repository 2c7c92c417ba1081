"""Arrays put together from parts, each part written where it belongs."""

import numpy as np

from ..core.graph import Var
from ..core.lowering import Assemble, Pool
from ..ops.indexing import _where_arrays_go, result_shape
from .expressions import ZERO, Axis, NeedsBuffer, along, read_at, shape_of
from .fused import NotAffine, place_of, root_of, scattered
from .recording import Recording
from .scalars import NoLowering

_CHANGES = {"index_set", "index_add"}
CHEAP = 8  # additions; each part is computed by itself, so what leads to several parts would run for each of them


def are_made_by(step):
    """Whether a step puts an array together from parts."""
    lower = step.row.lower
    return isinstance(lower, Assemble) or (isinstance(lower, Pool) and lower.spreads)


def work(step):
    """Whether loops can write the parts."""
    stored = {x.id for x in step.inputs if isinstance(x, Var)}
    try:
        roots_of(step, Recording({}, stored, lambda step: True))
    except (NotAffine, NoLowering):
        return False
    return True


def roots_of(step, ex):
    """What is written where: a root for each part, in the order in which they are written."""
    if isinstance(step.row.lower, Pool):
        return list(ex.parts(step))
    return list({"concatenate": _joined, "pad": _padded}.get(step.row.name, _updated)(step, ex))


def _whole(out, node_at):
    """All elements of an array."""
    axes = tuple(Axis(n) for n in out.aval.shape if n != 1)
    return root_of(out, node_at(place_of(out, axes)), axes)


def _part(out, ex, operand, shape, place, mode="set"):
    """`operand`, broadcast to `shape`, where `place` says of each of its indices."""
    axes = tuple(Axis(n) for n in shape)
    index = tuple(along(a) for a in axes)
    own = shape_of(operand)
    tail = index[len(index) - len(own) :] if len(own) <= len(index) else (ZERO,) * (len(own) - len(index)) + index
    node = ex.at(operand, tuple(ZERO if n == 1 else i for n, i in zip(own, tail, strict=True)))
    where = place(index)
    if where is None:
        raise NotAffine
    return scattered(out, node, tuple(a for a in axes if a.size != 1), where, mode)


def _joined(step, ex):
    axis, start = step.params["axis"], 0
    for operand, n in zip(step.inputs, step.params["sizes"], strict=True):
        s = start
        if n:
            place = lambda i, s=s: (*i[:axis], i[axis] + s, *i[axis + 1 :])  # noqa: E731
            yield _part(step.outputs[0], ex, operand, shape_of(operand), place)
        start += n


def _padded(step, ex):
    (x,), (out,), widths = step.inputs, step.outputs, step.params["widths"]
    yield _whole(out, lambda index: ex.number(out.aval.dtype.type(0)))
    yield _part(out, ex, x, shape_of(x), lambda i: tuple(a + lo for a, (lo, _) in zip(i, widths, strict=True)))


def _updated(step, ex):
    (out,) = step.outputs
    changes = _changes(step, ex)
    base = changes[0].inputs[0]
    whole = _whole(out, lambda index: ex.at(base, index))
    yield whole
    for change in changes:
        _, v, *arrays = change.inputs
        if arrays:
            selected, reader = _selected(change, ex, arrays)
        else:
            shape, key = out.aval.shape, change.params["key"]
            selected = np.shape(np.broadcast_to(np.zeros(()), shape)[key])
            reader = lambda index, shape=shape, key=key: read_at(key, shape, list(index))[0]  # noqa: E731
        part = _part(out, ex, v, selected, reader, "add" if change.row.name == "index_add" else "set")
        if len(changes) > 1 and isinstance(v, Var) and v.id not in ex.stored and part.node.weight >= CHEAP:
            raise NeedsBuffer(v)
        yield part
        ex.expanded.setdefault(change.outputs[0].id, whole.node)


def _changes(step, ex):
    """The steps, first one first, that change elements of the same array until it is as `step` leaves it."""
    changes = [step]
    while True:
        x = changes[-1].inputs[0]
        before = ex.makers.get(x.id) if isinstance(x, Var) and x.id not in ex.stored else None
        if before is None or not goes_on(before, changes[-1]):
            return changes[::-1]
        changes.append(before)


def is_one_of_many(step, makers, stored):
    """Whether a step changes elements of an array that has been changed before, and does not stand in memory yet."""
    x = step.inputs[0] if step.row.name in _CHANGES else None
    return isinstance(x, Var) and x.id in makers and x.id not in stored and goes_on(makers[x.id], step)


def goes_on(step, later):
    """Whether `later` changes more elements of the array of which `step` changes some."""
    (out,) = step.outputs
    changes = step.row.name in _CHANGES and later.row.name in _CHANGES
    return changes and later.inputs[0] is out and out not in later.inputs[1:]


def _selected(step, ex, arrays):
    """(shape of x[key], its index -> index into x), for keys with index arrays."""
    key, shape = step.params["key"], step.outputs[0].aval.shape
    parts = key if isinstance(key, tuple) else (key,)
    shapes = [shape_of(a) for a in arrays]
    selected = result_shape(shape, key, shapes)
    before = _where_arrays_go(parts, len(shape)) or 0
    n = len(np.broadcast_shapes(*shapes))

    def reader(index):
        shared, others = index[before : before + n], [*index[:before], *index[before + n :]]
        found = []
        for a, own in zip(arrays, shapes, strict=True):
            tail = shared[n - len(own) :]
            found.append(ex.at(a, tuple(ZERO if m == 1 else i for m, i in zip(own, tail, strict=True))))
        return read_at(parts, shape, others, iter(found), ex.bounded)[0]

    return selected, reader
