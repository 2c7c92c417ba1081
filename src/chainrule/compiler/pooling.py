"""Windows folded to one number each, as expressions: small windows are written out, large ones become loops.

Transposes are written as parts of one array: next to each other in memory stand the elements of different phases, those that
windows which move by `stride` meet at the same places.
"""

import math
from itertools import product

import numpy as np

from ..core.graph import Var
from ..core.primitive import ROWS
from .expressions import ZERO, Affine, Axis, Expressions, NeedsBuffer, Node, along, shape_of, strides_of

WRITTEN_OUT = 36  # elements of a window up to which it is no loop
CHEAP = 4  # weight of what windows that overlap may compute several times
BOOL, INT32, INT64 = np.dtype(bool), np.dtype(np.int32), np.dtype(np.int64)


def works(step):
    """Whether a pooling row has machine code for this geometry."""
    if step.row.name in ("max_pool_select", "max_pool_scatter"):
        return math.prod(step.params["window"]) <= WRITTEN_OUT and (step.row.name == "max_pool_select" or reaches(step))
    if step.row.name == "window_spread":
        return in_phases(step) or not overlaps(step.params) or set(step.params["stride"]) == {1}
    return True


def overlaps(params):
    """Whether an element may belong to several windows, along any axis."""
    extents = ((r - 1) * d + 1 for r, d in zip(params["window"], params["dilation"], strict=True))
    return any(s < extent for s, extent in zip(params["stride"], extents, strict=True))


def in_phases(step):
    """Whether a transpose is written out, phase by phase and element of the window by element."""
    return math.prod(step.params["window"]) <= WRITTEN_OUT and math.prod(step.params["stride"]) <= WRITTEN_OUT


def reaches(step):
    """Whether each window holds an element that is no padding."""
    p, sizes = step.params, _last(shape_of(step.inputs[1]), step.params["window"])
    for n, m, r, s, (lo, _), d in zip(sizes, _last(shape_of(step.inputs[0]), sizes), *_geometry(p), strict=True):
        places = np.arange(m)[:, None] * s - lo + np.arange(r) * d
        if not ((places >= 0) & (places < n)).any(1).all():
            return False
    return True


def _geometry(params):
    return tuple(params[k] for k in ("window", "stride", "padding", "dilation"))


def _last(shape, like):
    return shape[len(shape) - len(like) :]


def _lowest(dtype):
    if dtype.kind == "f":
        return -math.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def _bounds(index, shape):
    """Which of these indices may be out of bounds, as (index, size) pairs; None if one of them is in any case."""
    out = []
    for i, n in zip(index, shape, strict=True):
        least = i.const + sum(min(0, c * (a.size - 1)) for a, c in i.terms)
        most = i.const + sum(max(0, c * (a.size - 1)) for a, c in i.terms)
        if most < 0 or least >= n:
            return None
        if least < 0 or most >= n:
            out.append((i, n))
    return tuple(out)


class Pooling(Expressions):
    """Expressions of pooling rows."""

    # --- elements of windows ----------------------------------------------------------------------------------------------

    def plain(self, step, index):
        """Raises unless `index` is affine: then the result needs a place in memory."""
        if any(isinstance(i, Node) for i in index):
            raise NeedsBuffer(step.outputs[0])

    def element(self, x, index, bounds, otherwise, several):
        """x at `index`, or `otherwise` where that is out of bounds; `several` windows may ask for it."""
        node = self.at(x, index)
        if not bounds:
            if isinstance(x, Var) and x.id not in self.stored and (node.folds or (several and node.weight > CHEAP)):
                raise NeedsBuffer(x)
            return node
        if node.kind == "number":
            return self.map(ROWS["where"], {}, [self.within(bounds), node, self.number(node.dtype.type(otherwise))], node.dtype)
        if node.kind != "load" or node.args or node.guard:
            raise NeedsBuffer(x)
        operand, offset = node.data
        axes = node.axes.union(*(i.axes for i, _ in bounds))
        key = (operand.id if isinstance(operand, Var) else id(operand), offset, bounds, otherwise)
        return self.node("load", node.data, (), axes, node.dtype, key, weight=1.0, guard=(bounds, otherwise))

    def within(self, bounds):
        """Whether these indices are within bounds."""
        axes = frozenset().union(*(i.axes for i, _ in bounds))
        return self.node("inside", None, (), axes, BOOL, bounds, weight=1.0, guard=(bounds, None))

    def places(self, params, index, shape):
        """For each element of the window at `index`: its index in an array of this shape, and which bounds it must keep to."""
        lead, corner = index[: len(index) - len(params["window"])], _last(index, params["window"])
        window, stride, padding, dilation = _geometry(params)
        for k in product(*map(range, window)):
            at = tuple(
                i.times(s) + (j * d - lo) for i, j, s, (lo, _), d in zip(corner, k, stride, padding, dilation, strict=True)
            )
            bounds = _bounds(at, _last(shape, at))
            if bounds is not None:
                yield (*lead, *at), bounds

    def folded(self, combine, step, index, otherwise):
        """All elements of a window as one number."""
        self.plain(step, index)
        (x,) = step.inputs
        params, shape, dtype = step.params, shape_of(x), step.outputs[0].aval.dtype
        several = overlaps(params)
        if math.prod(params["window"]) <= WRITTEN_OUT:
            nodes = [self.element(x, at, bounds, otherwise, several) for at, bounds in self.places(params, index, shape)]
            if not nodes:
                return self.number(dtype.type(otherwise))
            out, *rest = nodes
            for node in rest:
                out = self.map(ROWS[combine], {}, [out, node], dtype)
            return out
        lead, corner = index[: len(index) - len(params["window"])], _last(index, params["window"])
        loops = tuple(Axis(r) for r in params["window"])
        at = tuple(
            i.times(s) + along(a).times(d) + -lo
            for i, a, (_, s, (lo, _), d) in zip(corner, loops, zip(*_geometry(params), strict=True), strict=True)
        )
        bounds = _bounds(at, _last(shape, at))
        if bounds is None:
            return self.number(dtype.type(otherwise))
        return self.fold(combine, self.element(x, (*lead, *at), bounds, otherwise, several), loops, dtype)

    def row_max_pool(self, step, index):
        return self.folded("maximum", step, index, _lowest(step.outputs[0].aval.dtype))

    def row_window_sum(self, step, index):
        return self.folded("add", step, index, 0)

    # --- the first maximum --------------------------------------------------------------------------------------------------

    def both(self, a, b):
        """a and b; None stands for what always holds."""
        return (a or b) if a is None or b is None else self.map(ROWS["bitwise_and"], {}, [a, b], BOOL)

    def records(self, x, step, index):
        """For each element of a window: its index, its bounds, and whether it is larger than all before (None: always)."""
        best = found = None
        several = overlaps(step.params)
        for at, bounds in self.places(step.params, index, shape_of(x)):
            node = self.element(x, at, bounds, _lowest(x.aval.dtype if isinstance(x, Var) else x.value.dtype), several)
            here = self.within(bounds) if bounds else None
            if best is None:
                larger, best, found = here, node, here
            else:
                larger = self.map(ROWS["invert"], {}, [self.map(ROWS["less_equal"], {}, [node, best], BOOL)], BOOL)
                if node.dtype.kind == "f":  # after a NaN nothing counts
                    number = self.map(ROWS["invert"], {}, [self.map(ROWS["isnan"], {}, [best], BOOL)], BOOL)
                    larger = self.both(larger, number)
                record = larger
                if found is not None:  # perhaps only padding came before
                    record = self.map(ROWS["bitwise_or"], {}, [larger, self.map(ROWS["invert"], {}, [found], BOOL)], BOOL)
                larger = self.both(record, here)
                best = self.map(ROWS["where"], {}, [larger, node, best], node.dtype)
                if found is not None:
                    found = None if here is None else self.map(ROWS["bitwise_or"], {}, [found, here], BOOL)
            yield at, bounds, larger

    def row_max_pool_select(self, step, index):
        self.plain(step, index)
        t, x = step.inputs
        dtype, out = step.outputs[0].aval.dtype, None
        for at, bounds, larger in self.records(x, step, index):
            node = self.element(t, at, bounds, 0, overlaps(step.params))
            out = node if out is None else self.map(ROWS["where"], {}, [larger, node, out], dtype)
        return self.number(dtype.type(0)) if out is None else out

    # --- transposes, as parts: (element, loops, where it goes, mode, whether lanes may go to places far apart) ----------------

    def parts(self, step):
        """The parts of the result of `window_spread` or `max_pool_scatter`."""
        shape = step.outputs[0].aval.shape
        lead = tuple(Axis(n) for n in shape[: len(shape) - len(step.params["window"])])
        if step.row.name == "window_spread":
            return self.spread(step, lead, _last(shape, step.params["window"]))
        p, sizes = step.params, _last(shape, step.params["window"])
        apart = not overlaps(p) and set(p["dilation"]) <= {1} and not any(lo for lo, _ in p["padding"]) and in_phases(step)
        return (self.scatter_apart if apart else self.scatter)(step, lead, sizes)

    def phases(self, sizes, stride, lead):
        """Loops over all elements of spatial axes: (axes, for each element of a phase: (its phases, its index))."""
        along_each = []
        for n, s in zip(sizes, stride, strict=True):
            full, rest = divmod(n, s)
            along_each.append([(Axis(q), start, r) for q, start, r in ((full, 0, s), (1, full, rest)) if q and r])
        for part in product(*along_each):
            axes = (*lead, *(axis for axis, _, _ in part))
            turns = tuple(along(axis) + start for axis, start, _ in part)
            yield axes, turns, list(product(*(range(r) for _, _, r in part)))

    def spread(self, step, lead, sizes):
        (y,) = step.inputs
        params, dtype = step.params, step.outputs[0].aval.dtype
        window, stride, padding, dilation = _geometry(params)
        places, zero = _last(shape_of(y), window), self.number(dtype.type(0))
        front = tuple(along(a) for a in lead)
        several = overlaps(params)
        if in_phases(step):
            for axes, turns, phases in self.phases(sizes, stride, lead):
                for phase in phases:
                    choices = [
                        [i + (a + lo - k * d) // s for k in range(r) if (a + lo - k * d) % s == 0]
                        for i, a, r, s, (lo, _), d in zip(turns, phase, window, stride, padding, dilation, strict=True)
                    ]
                    out = None
                    for at in product(*choices):
                        bounds = _bounds(at, places)
                        if bounds is not None:
                            node = self.element(y, (*front, *at), bounds, 0, several)
                            out = node if out is None else self.map(ROWS["add"], {}, [out, node], dtype)
                    where = (i.times(s) + a for i, s, a in zip(turns, stride, phase, strict=True))
                    yield zero if out is None else out, axes, (*front, *where), "set", False
        elif several:  # by single steps
            axes, loops = tuple(Axis(n) for n in sizes), tuple(Axis(r) for r in window)
            at = tuple(
                along(i) + along(k).times(-d) + lo for i, k, (lo, _), d in zip(axes, loops, padding, dilation, strict=True)
            )
            bounds = _bounds(at, places)
            node = zero if bounds is None else self.fold("add", self.element(y, (*front, *at), bounds, 0, True), loops, dtype)
            yield node, (*lead, *axes), (*front, *(along(i) for i in axes)), "set", False
        else:  # each number fills its window
            axes = tuple(Axis(n) for n in sizes)
            yield zero, (*lead, *axes), (*front, *(along(i) for i in axes)), "set", False
            for corner, inside in self.whole_windows(step, sizes):
                rows = tuple(x for pair in zip(corner, inside, strict=True) for x in (pair[0][0], pair[1]))
                at = tuple(along(i) + start for i, start in corner)
                where = tuple(
                    i.times(s) + along(k).times(d) + -lo
                    for i, k, s, (lo, _), d in zip(at, inside, stride, padding, dilation, strict=True)
                )
                first = tuple(f for _, f in zip(inside, self.firsts, strict=True))
                where = tuple(w + f * d for w, f, d in zip(where, first, dilation, strict=True))
                yield self.element(y, (*front, *at), (), 0, False), (*lead, *rows), (*front, *where), "set", False

    def whole_windows(self, step, sizes):
        raise NotImplementedError
