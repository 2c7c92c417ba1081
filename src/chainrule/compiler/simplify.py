"""The same program with less to do: compositions written out, constants computed, equal steps merged, unused ones dropped."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

import numpy as np

from ..core.aval import Aval
from ..core.graph import Constant, Graph, Operand, Step, Update, Var
from ..core.lowering import Loop
from ..core.primitive import ROWS
from ..ops.comparison import equal, isfinite
from ..ops.contraction import matmul
from ..ops.elementwise import absolute, exp, log, sqrt, square, where
from ..ops.indexing import ARRAY
from ..ops.random import random_bits, uniform_from
from ..ops.reduction import _max
from ..ops.shaping import _sum, expand, transpose
from ..transforms.abstract import dead_code, operand_aval, trace

_FARTHEST = 512  # steps back that are looked through for where a part of an array comes from
LARGEST_CONSTANT = 1 << 16  # elements of an array that is computed here rather than by the program
EFFECTS = {"random_bits", "uniform_numbers"}


# --- rows that are compositions of others --------------------------------------------------------------------------------


def _shift(x, axes):
    """The largest element over axes, or 0 where that is infinite: what exponentials are taken relative to."""
    top = _max(x, axes=axes)
    return where(isfinite(top), top, 0)


def _logsumexp(x, *, axes):
    if 0 in (x.shape[a] for a in axes):
        return log(_sum(exp(x), axes=axes))
    top = _shift(x, axes)
    return log(_sum(exp(x - expand(top, axes)), axes=axes)) + top


def _log_softmax(x, *, axes):
    if 0 in x.shape:
        return x
    shifted = x - expand(_shift(x, axes), axes)
    return shifted - expand(log(_sum(exp(shifted), axes=axes)), axes)


def _norm(x, *, axes):
    if 0 in (x.shape[a] for a in axes):
        return sqrt(_sum(square(x), axes=axes))
    top = _max(absolute(x), axes=axes)
    scale = where((top > 0) & isfinite(top), top, 1)
    return sqrt(_sum(square(x / expand(scale, axes)), axes=axes)) * scale


def _uniform_numbers(state, *, shape, **params):
    return uniform_from(random_bits(state, shape=shape), **params)


COMPOSITIONS: dict[str, Callable] = {
    "logsumexp": _logsumexp,
    "log_softmax": _log_softmax,
    "norm": _norm,
    "uniform_numbers": _uniform_numbers,
}


def written_out(step):
    """The graph that a step stands for, or None."""
    if step.row.name in ("program", "custom"):
        return step.params["graph"]
    rule = COMPOSITIONS.get(step.row.name)
    kind = "u" if step.row.name in EFFECTS else "f"
    if rule is None or any(isinstance(x, Constant) or x.aval.dtype.kind != kind for x in step.inputs):
        return None
    return trace(lambda *xs: rule(*xs, **step.params), [x.aval for x in step.inputs], step.row.name).graph


# --- the pass ------------------------------------------------------------------------------------------------------------


class Simplifier:
    """Rewrites a graph step by step into a new one."""

    def __init__(self, graph: Graph, write_out: bool):
        self.graph, self.write_out = graph, write_out
        self.steps: list[Step] = []
        self.new: dict[int, Operand] = {}  # id of an old variable -> what it has become
        self.makers: dict[int, Step] = {}
        self.uses = uses(graph)  # how often a variable is read, at least
        self.bounded: set = set()  # ids of variables whose numbers are finite in any case
        self.seen: dict = {}
        ids = [v.id for s in graph.steps for v in s.outputs] + [i.var.id for i in graph.inputs]
        self.count = max(ids, default=0) + 1

    def run(self) -> Graph:
        graph = self.graph
        guards: list[list] = [[] for _ in range(len(graph.steps) + 1)]
        for g in graph.guards:
            guards[min(g.before, len(graph.steps))].append(g)
        kept_guards: list = []

        def take_guards(n):
            kept_guards.extend(replace(g, var=self.operand(g.var), before=len(self.steps)) for g in guards[n])

        for n, step in enumerate(graph.steps):
            take_guards(n)
            self.new.update(zip((v.id for v in step.outputs), self.add(step, self.new), strict=True))
        take_guards(len(graph.steps))
        updates = [Update(u.label, u.tensor, self.operand(u.value)) for u in graph.updates]
        outputs = [self.operand(o) for o in graph.outputs]
        return dead_code(replace(graph, steps=self.steps, guards=kept_guards, outputs=outputs, updates=updates, derived={}))

    def operand(self, x: Operand, names=None) -> Operand:
        if isinstance(x, Var):
            return (self.new if names is None else names).get(x.id, x)
        return x

    def fresh(self, aval):
        self.count += 1
        return Var(self.count - 1, aval)

    def add(self, step, names):
        """Take over a step of which `names` tells what its inputs have become; gives what its outputs have become."""
        inputs = tuple(plain(self.operand(x, names)) for x in step.inputs)
        step = replace(step, inputs=inputs)
        found = self.shorter(step)
        if found is not None:
            return self.instead(step, found)
        inner = written_out(step) if self.write_out else None
        if inner is not None:
            return self.written(inner, {i.var.id: x for i, x in zip(inner.inputs, inputs, strict=True)}, step)
        key = self.key(step)
        before = self.seen.get(key) if key is not None else None
        if before is not None:
            return self.instead(step, before.outputs)
        if key is not None:
            self.seen[key] = step
        self.steps.append(step)
        for v in step.outputs:
            self.makers[v.id] = step
        if self.stays_finite(step):
            self.bounded.add(step.outputs[0].id)
        return step.outputs

    def instead(self, step, found):
        """`found`, which is read from now on where outputs of the step were."""
        for v, x in zip(step.outputs, found, strict=True):
            if isinstance(x, Var):
                self.uses[x.id] += self.uses[v.id]
        return found

    def written(self, inner, names, step):
        """Take over the steps of a graph in place of `step`; gives its outputs. `names` tells what its inputs are."""
        read = uses(inner)
        for s in inner.steps:
            # Outputs get new names: the same graph may be written out again.
            made = replace(s, outputs=tuple(self.fresh(v.aval) for v in s.outputs), source=step.source, phase=step.phase)
            self.uses.update({new.id: read[old.id] for new, old in zip(made.outputs, s.outputs, strict=True)})
            names.update(zip((v.id for v in s.outputs), self.add(made, names), strict=True))
        return tuple(self.operand(o, names) for o in inner.outputs)

    def key(self, step):
        if step.row.name in EFFECTS:
            return None
        inputs = tuple(x.id if isinstance(x, Var) else constant_key(x.value) for x in step.inputs)
        if None in inputs or isinstance(step.row.lower, Loop):
            return None
        return step.row.name, inputs, repr(sorted(step.params.items(), key=lambda kv: kv[0]))

    # --- rules --------------------------------------------------------------------------------------------------------------

    def maker(self, x):
        return self.makers.get(x.id) if isinstance(x, Var) else None

    def shorter(self, step):
        """Operands that the outputs of a step are equal to without computing it; None if there are none."""
        if all(isinstance(x, Constant) for x in step.inputs) and step.inputs and step.row.name not in EFFECTS:
            return self.computed(step)
        rule = getattr(self, f"_{step.row.name}", None)
        found = rule(step) if rule is not None else None
        return None if found is None else (found,)

    @staticmethod
    def computed(step):
        if sum(math.prod(v.aval.shape) for v in step.outputs) > LARGEST_CONSTANT or not step.row.args:
            return None
        if isinstance(step.row.lower, Loop):
            return None
        with np.errstate(all="ignore"):
            out = step.row.evaluate(*(x.value for x in step.inputs), **step.params)
        return tuple(plain(Constant(o)) for o in (out if isinstance(out, tuple) else (out,)))

    def _constant(self, step):
        return step.inputs[0] if self.write_out else None  # in a program to be differentiated it says something

    def _transpose(self, step):
        (x,), perm = step.inputs, step.params["perm"]
        if perm == tuple(range(len(perm))):
            return x
        inner = self.maker(x)
        if inner is not None and inner.row.name == "transpose":
            joint = tuple(inner.params["perm"][p] for p in perm)
            if joint == tuple(range(len(joint))):
                return inner.inputs[0]
        product = self.only_maker(x)
        if product is not None and product.row.name == "matmul" and perm == _swapped(len(perm)):
            return self.turned(step, product)
        return None

    def turned(self, step, product):
        """The transposed product of matrices as the product of the transposed ones, whose rows are then together in memory."""
        avals = [operand_aval(x) for x in product.inputs]
        if any(len(a.shape) < 2 for a in avals):
            return None
        other = lambda a, b: matmul(*(transpose(x, _swapped(x.ndim)) for x in (b, a)))  # noqa: E731
        inner = trace(other, [Aval(*a[:2]) for a in avals], "turned", capture=False).graph
        return self.written(inner, {i.var.id: x for i, x in zip(inner.inputs, product.inputs, strict=True)}, step)[0]

    def _reshape(self, step):
        (x,), shape = step.inputs, step.params["shape"]
        inner = self.maker(x)
        if isinstance(x, Var) and x.aval.shape == shape:
            return x
        if inner is not None and inner.row.name == "reshape":
            first = inner.inputs[0]
            if isinstance(first, Var) and first.aval.shape == shape:
                return first
        return None

    def _broadcast_to(self, step):
        (x,) = step.inputs
        return x if isinstance(x, Var) and x.aval.shape == step.params["shape"] else None

    def _astype(self, step):
        (x,) = step.inputs
        return x if isinstance(x, Var) and x.aval.dtype == step.params["dtype"] else None

    def _multiply(self, step):
        x, y = step.inputs
        out = step.outputs[0].aval
        for a, b in ((x, y), (y, x)):
            if is_number(b, 1) and isinstance(a, Var) and (a.aval.shape, a.aval.dtype) == (out.shape, out.dtype):
                return a
        return None

    def _masked_multiply(self, step):
        g, p = step.inputs
        out = step.outputs[0].aval
        if isinstance(g, Constant):
            value = one_number(g.value)
            if value is not None and value != 0:
                if value == 1 and isinstance(p, Var) and (p.aval.shape, p.aval.dtype) == (out.shape, out.dtype):
                    return p
                return self.replaced(step, ROWS["multiply"])
        if self.finite(p):
            return self.replaced(step, ROWS["multiply"])
        return None

    def _matmul(self, step):
        """Operands of another dtype than the product's are cast before it: its kernel reads one dtype."""
        dtype = step.outputs[0].aval.dtype
        if all(operand_aval(x).dtype == dtype for x in step.inputs):
            return None

        inputs = []
        for x in step.inputs:
            shape, found, *_ = operand_aval(x)
            out = self.fresh(Aval(shape, dtype))
            self.uses[out.id] = 1
            cast = Step(ROWS["astype"], (x,), {"dtype": dtype}, (out,), step.source, step.phase)
            inputs.append(x if found == dtype else self.add(cast, {})[0])
        return self.add(replace(step, inputs=tuple(inputs)), {})[0]

    _contract = _matmul

    def _index(self, step):
        """An element of what was put together, or changed element by element: that of the part where it comes from."""
        (x,), out = step.inputs, step.outputs[0].aval
        key = numbers_of(step.params["key"], operand_aval(x).shape)
        added: list = []  # to the element, last one first
        while key is not None:
            made = self.maker(x)
            if made is None:
                break
            inner = made.inputs[0]
            changed = place_of(made)
            if changed is not None:
                if len(changed) != len(key):
                    break
                if changed == key:
                    new = made.inputs[1]
                    if operand_aval(new)[:2] != out[:2]:
                        break
                    if made.row.name == "index_set":
                        return self.total(step, new, added)
                    added.append(new)
                x = inner
            elif made.row.name == "concatenate" and made.params["axis"] < len(key):
                axis = made.params["axis"]
                starts = list(accumulate(made.params["sizes"], initial=0))
                k = bisect_right(starts, key[axis]) - 1
                if operand_aval(made.inputs[k]).dtype != out.dtype:
                    break
                x, key = made.inputs[k], (*key[:axis], key[axis] - starts[k], *key[axis + 1 :])
            elif made.row.name == "reshape" and out.shape == ():
                flat = int(np.ravel_multi_index(key, operand_aval(x).shape)) if key else 0
                shape = operand_aval(inner).shape
                x, key = inner, tuple(map(int, np.unravel_index(flat, shape))) if shape else ()
            else:
                break
        if x is step.inputs[0]:
            return self.box_of_index(step)
        element = self.add(self.like(step, "index", x, key=key), {})[0] if key else x
        return self.total(step, element, added)

    def box_of_index(self, step):
        """The same of rows, columns and blocks: what was written there as a whole, past writes to other places."""
        (x,), key = step.inputs, step.params["key"]
        box = box_of(key, operand_aval(x).shape)
        added: list = []
        for _ in range(_FARTHEST if box is not None else 0):
            made = self.maker(x)
            changed = None if made is None else box_of_change(made)
            if changed is None or not (changed == box or apart(changed, box)):
                break
            if changed == box:
                new = self.spread(step, made.inputs[1])
                if new is None:
                    break
                if made.row.name == "index_set":
                    return self.total(step, new, added)
                added.append(new)
            x = made.inputs[0]
        if x is step.inputs[0]:
            return None
        return self.total(step, self.add(self.like(step, "index", x, key=key), {})[0], added)

    def spread(self, step, x):
        """`x` in the shape of what `step` gives; None if it is of another dtype."""
        shape, dtype, *_ = operand_aval(x)
        out = step.outputs[0].aval
        if dtype != out.dtype:
            return None
        return x if shape == out.shape else self.add(self.like(step, "broadcast_to", x, shape=out.shape), {})[0]

    def total(self, step, start, added):
        """`start` and what was added to it, last one first, as `step` would give it."""
        out, *others = added[::-1] if added and is_number(start, 0) else [start, *added[::-1]]
        for x in others:
            (out,) = self.add(self.like(step, "add", out, x), {})
        return out

    def like(self, step, name, *inputs, **params):
        """A step that makes an array of the same shape and dtype as `step` does."""
        out = self.fresh(step.outputs[0].aval)
        self.uses[out.id] = self.uses[step.outputs[0].id]
        return Step(ROWS[name], inputs, params, (out,), step.source, step.phase)

    def _index_set(self, step):
        """What is replaced need not be changed before."""
        x, *rest = step.inputs
        place = box_of_change(step)
        while place is not None and (made := self.maker(x)) is not None and box_of_change(made) == place:
            x = made.inputs[0]
        return None if x is step.inputs[0] else self.add(replace(step, inputs=(x, *rest)), {})[0]

    def _index_add(self, step):
        """One number added to each row of zeros, at a column that is computed: a comparison of column numbers instead."""
        x, v, *arrays = step.inputs
        out = step.outputs[0].aval
        if not (
            is_number(x, 0)
            and isinstance(v, Var)
            and len(out.shape) == 2
            and v.aval.shape == out.shape[:1]
            and len(arrays) == 2
        ):
            return None
        rows, columns = arrays
        if step.params["key"] != (ARRAY, ARRAY) or v.aval.dtype != out.dtype or not isinstance(columns, Var):
            return None
        n, width = out.shape
        if (
            columns.aval.shape != (n,)
            or not (isinstance(rows, Constant) and np.array_equal(rows.value, np.arange(n)))
            or width > 256
        ):
            return None

        def one_hot(v, columns):
            columns = where(columns < 0, columns + width, columns)
            return where(equal(expand(columns, (1,)), np.arange(width)), expand(v, (1,)), 0)

        inner = trace(one_hot, [v.aval, columns.aval], "one_hot", capture=False).graph
        names = {i.var.id: o for i, o in zip(inner.inputs, (v, columns), strict=True)}
        return self.written(inner, names, step)[0]

    def _sum(self, step):
        """Rows or columns of a matrix product: where they are summed over, the operand's are, before it is multiplied.

        Backward passes are full of such sums, where a row was broadcast: one product takes the place of many.
        """
        (x,), axes = step.inputs, step.params["axes"]
        factor, product = self.scaled(x)
        if product is None or product.row.name != "matmul" or product.outputs[0].aval.dtype.kind not in "fc":
            return None
        shape = product.outputs[0].aval.shape
        rows, columns = (a in axes and shape[a] > 1 for a in (len(shape) - 2, len(shape) - 1))
        if not rows and not columns:
            return None

        def sums_first(a, b):
            if rows:
                a = expand(_sum(a, axes=(a.ndim - 2,)), (a.ndim - 2,))
            if columns:
                b = expand(_sum(b, axes=(b.ndim - 1,)), (b.ndim - 1,))
            total = _sum(matmul(a, b), axes=axes)
            return total if factor is None else total * factor

        inner = trace(sums_first, [Aval(*operand_aval(x)[:2]) for x in product.inputs], "sums_first", capture=False).graph
        names = {i.var.id: o for i, o in zip(inner.inputs, product.inputs, strict=True)}
        return self.written(inner, names, step)[0]

    def scaled(self, x):
        """(number, step): `x` is this number times the result of the step, which nobody else reads. The number may be None."""
        step = self.only_maker(x)
        if step is None or step.row.name not in ("multiply", "negative"):
            return None, step
        factors = [one_number(y.value) for y in step.inputs if isinstance(y, Constant)]
        arrays = [y for y in step.inputs if isinstance(y, Var) and y.aval == step.outputs[0].aval]
        if step.row.name == "negative":
            factors = [-1]
        if len(factors) != 1 or factors[0] is None or len(arrays) != 1:
            return None, None
        return factors[0], self.only_maker(arrays[0])

    def only_maker(self, x):
        """The step that makes `x`, if `x` is read once."""
        return self.maker(x) if isinstance(x, Var) and self.uses[x.id] == 1 else None

    def replaced(self, step, row):
        """The result of another row on the same operands."""
        return self.add(Step(row, step.inputs, {}, step.outputs, step.source, step.phase), {})[0]

    def finite(self, x):
        """Whether the numbers of `x` are finite in any case."""
        return bool(np.all(np.isfinite(x.value))) if isinstance(x, Constant) else x.id in self.bounded

    def stays_finite(self, step):
        """Whether what a step gives is finite in any case: truth values and what is made of few of them."""
        if step.row.name == "astype":
            (y,) = step.inputs
            return isinstance(y, Var) and y.aval.dtype.kind == "b"
        if step.row.name in ("add", "subtract", "multiply", "negative", "reshape", "broadcast_to", "transpose"):
            inputs = step.inputs
        elif step.row.name == "where":
            inputs = step.inputs[1:]
        else:
            return False
        return all(map(self.finite, sorted(inputs, key=lambda x: isinstance(x, Constant))))  # arrays take time to look at


def _swapped(n):
    """The order of `n` axes in which the last two have changed places."""
    return (*range(n - 2), n - 1, n - 2)


def uses(graph):
    """How often each variable is read, by its id."""
    read = [x for step in graph.steps for x in step.inputs]
    read += [*graph.outputs, *(u.value for u in graph.updates), *(g.var for g in graph.guards)]
    return Counter(x.id for x in read if isinstance(x, Var))


def numbers_of(key, shape):
    """A key that consists of whole numbers but for whole axes last, as a tuple of them counted from the front; else None."""
    parts = key if isinstance(key, tuple) else (key,)
    while parts and (parts[-1] is Ellipsis or parts[-1] == slice(None)):
        parts = parts[:-1]
    if len(parts) > len(shape) or not all(type(k) is int for k in parts):
        return None
    return tuple(k % n for k, n in zip(parts, shape, strict=False))


def box_of(key, shape):
    """A key of whole numbers and slices, as one of a number and a range for each axis; None for other keys, and empty ones."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if not all(type(k) in (int, slice) or k is Ellipsis for k in parts) or parts.count(Ellipsis) > 1:
        return None
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + (at < len(parts)))
    box = tuple(k % n if type(k) is int else range(*k.indices(n)) for k, n in zip(parts, shape, strict=True))
    return box if all(type(k) is int or len(k) for k in box) else None


def box_of_change(step):
    """Where a step sets, or adds to, a block, if that is known before; None for other steps."""
    if step.row.name not in ("index_set", "index_add") or len(step.inputs) != 2:
        return None
    return box_of(step.params["key"], step.outputs[0].aval.shape)


def apart(a, b):
    """Whether two boxes have no element in common: along some axis, where they lie is enough to say so."""
    for i, j in zip(a, b, strict=True):
        i, j = (range(k, k + 1) if type(k) is int else k for k in (i, j))
        (first, last), (start, stop) = sorted((i[0], i[-1])), sorted((j[0], j[-1]))
        if last < start or stop < first:
            return True
        step = math.gcd(i.step if len(i) > 1 else 0, j.step if len(j) > 1 else 0)
        if step > 1 and (i[0] - j[0]) % step:
            return True
    return False


def place_of(step):
    """Where a step sets, or adds to, one element or row, if that is known before; None for other steps."""
    if step.row.name not in ("index_set", "index_add") or len(step.inputs) != 2:
        return None
    return numbers_of(step.params["key"], step.outputs[0].aval.shape)


def is_number(x, value):
    return isinstance(x, Constant) and one_number(x.value) == value


def one_number(value):
    """The number that a constant is or repeats; None if it is neither."""
    if isinstance(value, np.ndarray):
        if value.size == 0 or any(value.strides[a] for a in range(value.ndim) if value.shape[a] != 1):
            return None
        return value[(0,) * value.ndim]
    return value


def plain(x: Operand) -> Operand:
    """A constant in its smallest form: an array of equal numbers as one number repeated."""
    if isinstance(x, Constant) and isinstance(x.value, np.ndarray) and x.value.size > 1 and any(x.value.strides):
        value = x.value
        first = value[(0,) * value.ndim]
        if value.dtype.kind in "biuf" and (value.tobytes() == first.tobytes() * value.size):
            return Constant(np.broadcast_to(first, value.shape))
    return x


def constant_key(value):
    """What equal constants have in common; None for those not worth comparing."""
    if isinstance(value, np.ndarray):
        if value.size > 4096:
            return ("object", id(value))
        return value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes()
    return type(value).__name__, repr(value)


def simplify(graph: Graph, write_out=True) -> Graph:
    """A graph that computes the same with less work.

    Parameters
    ----------
    graph : Graph; it is left as it is
    write_out : replace rows that are compositions by their parts, so that these can be fused
    """
    return Simplifier(graph, write_out).run()
