"""Windows folded to one number each, as expressions: small windows are written out, large ones become loops.

Transposes are written as parts of one array: next to each other in memory stand the elements of different phases, those that
windows which move by `stride` meet at the same places.
"""

import math
from itertools import product

import numpy as np

from ..core.graph import Var
from ..core.primitive import ROWS
from .expressions import ZERO, Axis, Expressions, NeedsBuffer, Node, along, shape_of, strides_of
from .loops import Root

WRITTEN_OUT = 36  # elements of a window up to which it is no loop
SEARCHED = 100  # and up to which its maximum can be searched
CHEAP = 4  # weight of what windows that overlap may compute several times
BOOL, INT32, INT64 = np.dtype(bool), np.dtype(np.int32), np.dtype(np.int64)


def works(step):
    """Whether a pooling row has machine code for this geometry."""
    if step.row.name in ("max_pool_select", "max_pool_scatter"):
        return math.prod(step.params["window"]) <= SEARCHED and (step.row.name == "max_pool_select" or reaches(step))
    if step.row.name == "window_spread":
        plain = not any(map(any, step.params["padding"])) and set(step.params["dilation"]) <= {1}
        return in_phases(step) or set(step.params["stride"]) <= {1} or (plain and not overlaps(step.params))
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
            inner = isinstance(x, Var) and (x.id not in self.stored or x.id in self.inside)
            if inner and (node.folds or (several and node.weight > CHEAP)):
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
        """For each element of the window at `index`: its number, its index in an array of this shape, and its bounds."""
        lead, corner = index[: len(index) - len(params["window"])], _last(index, params["window"])
        window, stride, padding, dilation = _geometry(params)
        for k in product(*map(range, window)):
            at = tuple(
                i.times(s) + (j * d - lo) for i, j, s, (lo, _), d in zip(corner, k, stride, padding, dilation, strict=True)
            )
            bounds = _bounds(at, _last(shape, at))
            if bounds is not None:
                yield k, (*lead, *at), bounds

    def folded(self, combine, step, index, otherwise):
        """All elements of a window as one number."""
        self.plain(step, index)
        (x,) = step.inputs
        params, shape, dtype = step.params, shape_of(x), step.outputs[0].aval.dtype
        several = overlaps(params)
        if math.prod(params["window"]) <= WRITTEN_OUT:
            nodes = [self.element(x, at, bounds, otherwise, several) for _, at, bounds in self.places(params, index, shape)]
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

    def either(self, a, b):
        """a or b; None stands for what never holds."""
        return (a or b) if a is None or b is None else self.map(ROWS["bitwise_or"], {}, [a, b], BOOL)

    def negated(self, a):
        return self.map(ROWS["invert"], {}, [a], BOOL)

    def records(self, x, step, index):
        """For each element of a window: number, index, bounds, and whether it is larger than all before (None: always)."""
        best = found = None
        several = overlaps(step.params)
        for k, at, bounds in self.places(step.params, index, shape_of(x)):
            node = self.element(x, at, bounds, _lowest(x.aval.dtype if isinstance(x, Var) else x.value.dtype), several)
            here = self.within(bounds) if bounds else None
            if best is None:
                larger, best, found = here, node, here
            else:
                larger = self.negated(self.map(ROWS["less_equal"], {}, [node, best], BOOL))
                if node.dtype.kind == "f":  # after a NaN nothing counts
                    larger = self.both(larger, self.negated(self.map(ROWS["isnan"], {}, [best], BOOL)))
                if found is not None:  # perhaps only padding came before
                    larger = self.either(larger, self.negated(found))
                larger = self.both(larger, here)
                best = self.map(ROWS["where"], {}, [larger, node, best], node.dtype)
                if found is not None:
                    found = None if here is None else self.either(found, here)
            yield k, at, bounds, larger

    def row_max_pool_select(self, step, index):
        self.plain(step, index)
        t, x = step.inputs
        dtype, out = step.outputs[0].aval.dtype, None
        for _, at, bounds, larger in self.records(x, step, index):
            node = self.element(t, at, bounds, 0, overlaps(step.params))
            out = node if out is None else self.map(ROWS["where"], {}, [larger, node, out], dtype)
        return self.number(dtype.type(0)) if out is None else out

    # --- transposes, as parts of one array ------------------------------------------------------------------------------------

    def root(self, step, node, axes, where, found=None):
        """A part: under the loops `axes`, elements stored at `where`, or added `found` places further on."""
        var, offset = step.outputs[0], ZERO
        for i, n in zip(where, strides_of(var.aval.shape), strict=True):
            offset = offset + i.times(n)
        axes = tuple(a for a in axes if a.size != 1)
        if found is None:
            return Root(var, axes, node, offset)
        return Root(var, axes, node, offset, (found,), (1,), "add", bool(found.axes))

    def parts(self, step):
        """The parts of the result of `window_spread` or `max_pool_scatter`."""
        shape = step.outputs[0].aval.shape
        lead = tuple(Axis(n) for n in shape[: len(shape) - len(step.params["window"])])
        if step.row.name == "window_spread":
            return self.spread(step, lead, _last(shape, step.params["window"]))
        p, sizes = step.params, _last(shape, step.params["window"])
        apart = not overlaps(p) and set(p["dilation"]) <= {1} and not any(lo for lo, _ in p["padding"]) and in_phases(step)
        return self.scatter_apart(step, lead, sizes) if apart else self.scatter(step, lead, sizes)

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
                    yield self.root(step, zero if out is None else out, axes, (*front, *where))
        elif several:  # by single steps
            axes, loops = tuple(Axis(n) for n in sizes), tuple(Axis(r) for r in window)
            at = tuple(
                along(i) + along(k).times(-d) + lo for i, k, (lo, _), d in zip(axes, loops, padding, dilation, strict=True)
            )
            bounds = _bounds(at, places)
            node = zero if bounds is None else self.fold("add", self.element(y, (*front, *at), bounds, 0, True), loops, dtype)
            yield self.root(step, node, (*lead, *axes), (*front, *(along(i) for i in axes)))
        else:  # each number fills its window
            yield self.cleared(step, lead, sizes)
            outer, inner = tuple(Axis(n) for n in places), tuple(Axis(r) for r in window)
            node = self.element(y, (*front, *(along(i) for i in outer)), (), 0, False)
            where = (along(i).times(s) + along(k) for i, k, s in zip(outer, inner, stride, strict=True))
            turns = (axis for pair in zip(outer, inner, strict=True) for axis in pair)
            yield self.root(step, node, (*lead, *turns), (*front, *where))

    def cleared(self, step, lead, sizes):
        """Zeros everywhere."""
        axes = (*lead, *(Axis(n) for n in sizes))
        return self.root(step, self.number(step.outputs[0].aval.dtype.type(0)), axes, tuple(along(a) for a in axes))

    def scatter_apart(self, step, lead, sizes):
        """Windows that do not overlap: each leaves all of its elements, of which one is not zero."""
        y, x = step.inputs
        dtype, (window, stride, _, _) = step.outputs[0].aval.dtype, _geometry(step.params)
        front, zero = tuple(along(a) for a in lead), self.number(dtype.type(0))
        for axes, turns, phases in self.phases(sizes, stride, lead):
            values = dict.fromkeys(phases, zero)
            if all(i.terms or i.const < m for i, m in zip(turns, _last(shape_of(y), window), strict=True)):
                node = self.element(y, (*front, *turns), (), 0, False)
                later = None
                for k, _, _, larger in reversed(list(self.records(x, step, (*front, *turns)))):
                    hit = self.both(larger, later and self.negated(later))
                    values[k] = node if hit is None else self.map(ROWS["where"], {}, [hit, node, zero], dtype)
                    later = self.either(later, larger)
            for phase in phases:
                where = (i.times(s) + a for i, s, a in zip(turns, stride, phase, strict=True))
                yield self.root(step, values[phase], axes, (*front, *where))

    def scatter(self, step, lead, sizes):
        """Windows that may overlap: their numbers are added to zeros, plane by plane."""
        y, x = step.inputs
        window, stride, padding, dilation = _geometry(step.params)
        yield self.cleared(step, lead, sizes)
        axes = (*lead, *(Axis(m) for m in _last(shape_of(y), window)))
        index = tuple(along(a) for a in axes)
        dtype = INT32 if shape_of(x) == () or (x.aval.dtype if isinstance(x, Var) else x.value.dtype).itemsize < 8 else INT64
        found = None
        for k, _, _, larger in self.records(x, step, index):
            place = sum(j * d * n for j, d, n in zip(k, dilation, strides_of(sizes), strict=True))
            place = self.number(dtype.type(place))
            found = place if found is None else self.map(ROWS["where"], {}, [larger, place, found], dtype)
        if found is not None:
            where = tuple(i.times(s) + -lo for i, s, (lo, _) in zip(_last(index, window), stride, padding, strict=True))
            yield self.root(step, self.at(y, index), axes, (*index[: len(lead)], *where), self.cast(found, INT64))
