"""A variant's way from a Python call into its program without Python in between."""

import numpy as np

from ..core.graph import Var
from ..core.value import Value
from ..tensor import Tensor
from ..transforms.backward import Leaf
from ..transforms.reverse import ROOT
from ..trees import unflatten
from .enter import (
    ARRAY,
    ARRAY_ARGUMENT,
    GRADIENT,
    NO_GRADIENT,
    RECORD,
    SAME_ARGUMENT,
    TENSOR,
    TENSOR_ARGUMENT,
    door,
    record_of,
)
from .variant import freed, is_array


def open_door(variant, args, leaves, structure):
    """A function (arguments) -> (status, result) that leaves all checks to native code; None if there is none."""
    if not variant.quick or variant.differentiable or structure.children[1].children:
        return None
    kept: list = []
    records, place, at = [], {}, 0
    for n, child in enumerate(structure.children[0].children):
        x = leaves[at] if child.kind is None else None
        if isinstance(x, Tensor) or (isinstance(x, np.ndarray) and is_array(x)):
            place[at] = n
        else:
            kept.append(args[n])
            records.append(_identity(SAME_ARGUMENT, n, args[n]))
            if any(is_array(x) for x in leaves[at : at + child.size]):
                return None
        at += child.size
    if not place.keys() <= {i for kind, i, *_ in variant.sources if kind == "argument"}:
        return None  # arguments that are one and the same, or of which the shape alone matters
    slots = {what: slot for slot, what in variant.run.input_slots}
    for k, (kind, *rest) in enumerate(variant.sources):
        x, taken = variant.owner(k, leaves), k in variant.taken
        array = x.value if isinstance(x, Value) else x
        if type(array) is not np.ndarray or not array.flags.c_contiguous or not array.dtype.isnative:
            return None
        if isinstance(x, Value) and "value" in vars(type(x)):
            return None  # a Tensor that makes its array when asked, such as a sparse gradient, has none to be read in place
        if kind == "argument" and rest[0] in place:
            if isinstance(x, Tensor):
                if type(x.note) is Leaf:
                    return None
                r = record_of(TENSOR_ARGUMENT, place[rest[0]], array, slots[k], kept, taken, x.note, type(x))
            else:
                r = record_of(ARRAY_ARGUMENT, place[rest[0]], array, slots[k], kept, False, None, np.ndarray)
        elif kind in ("argument", "tensor"):
            r = record_of(TENSOR, x, array, slots[k], kept, taken, x.note, type(x))
        elif kind == "array":
            r = record_of(ARRAY, x, array, slots[k], kept, False, None, np.ndarray)
        elif rest[0] == "leaf":
            r = record_of(GRADIENT, rest[1], array, slots[k], kept, taken, x.note, type(x))
        else:
            return None
        records.append(r)
    fresh = []
    for slot, v in variant.run.output_slots:
        where = variant.gradient_of.get(v.id)
        if where is None:
            fresh.append((slot, v))
            continue
        leaf = variant._leaf(where, leaves)
        records.append(record_of(GRADIENT, leaf, leaf.grad.value, slot, kept, True, None, Tensor))
    for (kind, leaf), none in variant.preconditions:
        if kind != "leaf":
            return None
        if none:
            kept.append(leaf)
            records.append(_identity(NO_GRADIENT, id(leaf), None))
    run = door(variant.run, records, len(args), [slot for slot, _ in fresh], kept)
    variant.kept = kept  # native code refers to these objects
    return None if run is None else _quick_call(run, fresh, variant.outputs, variant.structure, place)


def _identity(source, what, x):
    """The record of something that must be `x` itself."""
    return [source, what, id(x), *[0] * (RECORD - 3)]


def _quick_call(run, fresh, results, structure, place):
    """The function that calls a native door: new arrays in, results out."""
    empty = np.empty
    shapes = [(v.aval.shape, v.aval.dtype) for _, v in fresh]
    number = {v.id: n for n, (_, v) in enumerate(fresh)}
    plans, used = [], set()
    notes: dict = {}  # number of a result -> the note of its Tensor
    for kind, x in results:
        if kind == "tensor" and x[0] == "captured":
            plans.append(("constant", x[1]))
            continue
        if kind == "tensor" and x[0] == "argument" and x[1] in place:
            plans.append(("argument", place[x[1]]))
            continue
        if kind == "constant":
            plans.append((kind, x))
            continue
        if kind == "tensor":
            if x[0] != "new" or x[3] == "leaf":
                return None
            note, x = freed(x[3]), x[2]
        else:
            note = None
        if not isinstance(x, Var) or x.id not in number or x.id in used:
            return None
        notes[number[x.id]] = note
        used.add(x.id)
        plans.append((kind, number[x.id]))
    single = plans[0][0] if len(plans) == 1 and len(fresh) == 1 and structure.kind is None else None

    if single in ("tensor", "array", "number"):
        ((shape, dtype),), note = shapes, notes[0]

        def one(args):
            out = empty(shape, dtype)
            status = run(*args, out)
            if status:
                return status, None
            return 0, Tensor(out, ROOT, note) if single == "tensor" else out if single == "array" else out[()]

        return one

    def call(args):
        outs = [empty(*s) for s in shapes]
        status = run(*args, *outs)
        if status:
            return status, None
        made = []
        for kind, x in plans:
            if kind == "tensor":
                made.append(Tensor(outs[x], ROOT, notes[x]))
            elif kind == "constant":
                made.append(x)
            elif kind == "argument":
                made.append(args[x])
            else:
                made.append(outs[x] if kind == "array" else outs[x][()])
        return 0, unflatten(structure, made)

    return call
