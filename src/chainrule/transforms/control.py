"""Loops and branches as functions: cond, while_loop, scan, fori_loop, with JAX's signatures.

Run eagerly they are the plain Python program, and derivatives of any order come from the tape as for any other. While a
program is being recorded, and under vmap where entries decide differently, the bodies are written down and one row runs them.
"""

import operator
from typing import Any

import numpy as np

from ..core.dispatch import state
from ..core.graph import Graph, Input, Var
from ..core.value import Value, dtype_of, shape_of
from ..errors import ArgumentError, NonDifferentiableError, ShapeError, TreeError, explain
from ..ops.joining import stack
from ..ops.shaping import cast
from ..tensor import Tensor
from ..trees import flatten, paths, unflatten
from .abstract import Traced, aval_like, operand_aval, output_avals, trace
from .batch import Batch
from .checkpoint import REPLAYED
from .programs import _cond
from .reverse import ROOT
from .scans import run_scan
from .split import fresh_id
from .whiles import _while_loop

_NUMBERS = (bool, int, float, complex)


def _name(f):
    return getattr(f, "__name__", type(f).__name__)


def _written_down():
    """Whether bodies must become graphs: a program is being recorded."""
    return state.recorder is not None or bool(state.abstract)


def _differs(x):
    """Whether `x` holds a value per entry of a vmap."""
    while isinstance(x, Value):
        if isinstance(x.owner, Batch):
            return True
        x = x.value
    return False


def _array(x, asked):
    """A leaf as an array or Tensor."""
    if isinstance(x, (Value, np.ndarray, np.generic)):
        return x
    if isinstance(x, _NUMBERS):
        return np.asarray(x)
    raise NonDifferentiableError(
        explain(
            f"{asked}: every leaf must be an array, a Tensor or a number",
            f"found: {type(x).__name__}",
            help="close over anything else",
        )
    )


def _arrays(tree, asked):
    leaves, structure = flatten(tree)
    return [_array(x, asked) for x in leaves], structure


def _fresh(leaves, given):
    """The leaves, with copies of those that are among what was `given`."""
    known = {id(x) for x in given if isinstance(x, (Value, np.ndarray)) and x.shape}
    return [x.copy() if id(x) in known else x for x in leaves]


# --- what is carried from step to step --------------------------------------------------------------------------------


class _Carry:
    """What goes from one step of a loop to the next: its tree, and the shapes and dtypes that every step must keep."""

    def __init__(self, init, asked, body, beside=()):
        self.asked, self.body = asked, body
        leaves, self.structure = flatten(init)
        self.leaves = [_array(x, f"{asked}: the initial value") for x in leaves]
        # Python numbers adapt: to the precision of the arrays around them, and to what the first step makes of them.
        self.weak = [isinstance(x, _NUMBERS) for x in leaves]
        around = [dtype_of(x) for x, w in zip(self.leaves, self.weak, strict=True) if not w] + [dtype_of(x) for x in beside]
        around = [d for d in around if d.kind in "fc"]
        for i, x in enumerate(leaves):
            if type(x) is complex and around:
                self.leaves[i] = np.asarray(x, np.result_type(x, *around))
            elif type(x) is float and around:  # complex arrays around it do not make it complex
                self.leaves[i] = np.asarray(x, np.result_type(*(np.zeros((), d).real.dtype for d in around)))
        # Numbers from the beginning, as they are after a step: what comes out does not depend on how many there were.
        self.leaves = [x[()] if isinstance(x, np.ndarray) and not x.ndim else x for x in self.leaves]
        self.first = self.leaves

    def tree(self, leaves):
        return unflatten(self.structure, leaves)

    def last(self):
        """What comes out: nothing that went in, so that assigning to it does not hang on the number of steps."""
        return self.tree(_fresh(self.leaves, self.first))

    def check_structure(self, structure):
        if structure != self.structure:
            raise TreeError(
                explain(
                    f"{self.asked}: {_name(self.body)} must return a carry of the structure that it was given",
                    f"given: {self.structure}    returned: {structure}",
                    help="return the same tree, with new arrays at its leaves",
                )
            )

    def fit(self, avals):
        """Whether the first step keeps shapes and dtypes; if only Python numbers do not, they change and it says False."""
        fits = True
        for i, (x, new, name) in enumerate(zip(self.leaves, avals, paths(self.structure, "carry"), strict=True)):
            if shape_of(x) != new.shape:
                self._differ(ShapeError, name, x, new, "broadcast the initial value to the shape that the body returns")
            if dtype_of(x) != new.dtype:
                number = np.zeros((), dtype_of(x)).item()
                if not self.weak[i] or np.result_type(number, new.dtype) != new.dtype:
                    hint = f"start with an array of dtype {new.dtype.name}, or return .astype({dtype_of(x).name!r})"
                    self._differ(ArgumentError, name, x, new, hint)
                self.leaves[i] = cast(x, new.dtype)
                fits = False
        return fits

    def _differ(self, error, name, x, new, hint):
        raise error(
            explain(
                f"{self.asked}: {_name(self.body)} changes the shape or dtype of {name}",
                f"given: {aval_like(x)}    returned: {new}",
                help=hint,
            )
        )


# --- writing bodies down ----------------------------------------------------------------------------------------------


def aligned(traced: list[Traced], counts):
    """Graphs that take the same operands from outside, and these; they become the first inputs.

    `counts` says how many further inputs each graph has.
    """
    captured = list({id(x): x for t in traced for x in t.captured}.values())
    graphs = []
    for t, n in zip(traced, counts, strict=True):
        inputs = t.graph.inputs
        own = {id(x): i for x, i in zip(t.captured, inputs[n:], strict=True)}
        fresh = fresh_id(t.graph)
        first = [own.get(id(x)) or Input(Var(fresh + k, aval_like(x)), f"captured{k}") for k, x in enumerate(captured)]
        graphs.append(Graph(t.graph.name, [*first, *inputs[:n]], t.graph.steps, outputs=t.graph.outputs))
    return graphs, captured


def watched(generator):
    """The state of a random generator, to see whether it has been advanced."""
    return generator.state.value, generator.state.owner, generator.state.note


def put_back(generator, before):
    """Undo draws of a body that was only looked at. A recorder may have made the state an input in the meantime."""
    x, recorder = generator.state, state.recorder
    x.value, x.owner, x.note = before
    if recorder is not None and not isinstance(x.value, Value):
        for t, var in recorder.lifted:
            if t is x:
                x.value = Tensor(x.value, recorder, var)


def _write_down(*requests):
    """Graphs of several bodies, and the random generators that they draw from.

    A request is (function, avals, name, i, o). The states of generators stand at position `i` of the inputs and, unless
    that is None, at position `o` of the outputs: they are carried along, so that every step draws other numbers.
    """
    before = [(g, watched(g)) for g in REPLAYED]
    traced = [trace(f, avals, name) for f, avals, name, _, _ in requests]
    drawn = [(g, b) for g, b in before if any(x is not y for x, y in zip(watched(g), b, strict=True))]
    if not drawn:
        return traced, []
    for g, b in drawn:
        put_back(g, b)
    generators = [g for g, _ in drawn]
    states = [aval_like(g.state) for g in generators]
    return [
        trace(_with_states(f, generators, i, o), [*avals[:i], *states, *avals[i:]], name) for f, avals, name, i, o in requests
    ], generators


def _with_states(f, generators, i, o):
    k = len(generators)

    def carrying(*xs):
        own = [g.state for g in generators]
        for g, s in zip(generators, xs[i : i + k], strict=True):
            g.state = s
        try:
            out = list(f(*xs[:i], *xs[i + k :]))
            return out if o is None else [*out[:o], *(g.state for g in generators), *out[o:]]
        finally:
            for g, s in zip(generators, own, strict=True):
                g.state = s

    return carrying


def _states(generators):
    return [g.state for g in generators]


def _advance(generators, states):
    """Leave generators with the states that a row gave."""
    for g, s in zip(generators, states, strict=True):
        while isinstance(s, Value) and s.owner.level > g.state.owner.level:  # numbers of steps have no derivative
            s = s.value.max(0) if isinstance(s.owner, Batch) else s.value  # beyond what any entry has drawn
        g.state.data = s


class _Flat:
    """A function of trees as one of flat lists; remembers the structure of what it returned."""

    def __init__(self, f, structures, asked):
        self.f, self.structures, self.asked = f, structures, asked
        self.structure: Any = None

    def __call__(self, *leaves):
        rest = iter(leaves)
        out = self.f(*(unflatten(s, [next(rest) for _ in range(s.size)]) for s in self.structures))
        leaves, self.structure = _arrays(out, f"{self.asked}: the result of {_name(self.f)}")
        return leaves


# --- cond -------------------------------------------------------------------------------------------------------------


def cond(pred, true_fun, false_fun, *operands):
    """`true_fun(*operands)` if `pred` holds, else `false_fun(*operands)`.

    Unlike `if`, it can be compiled without fixing the branch, and under vmap each entry takes its own.

    Parameters
    ----------
    pred : boolean scalar
    true_fun, false_fun : functions that return trees of the same structure, shapes and dtypes. They may use arrays and
        Tensors from outside, and derivatives flow to these too.
    operands : trees of arrays

    Returns
    -------
    the tree that the branch returns

    Raises
    ------
    ShapeError
        `pred` is not a scalar, or the branches differ in shape.
    TreeError
        The branches return different structures.

    Examples
    --------
    >>> import chainrule as cr
    >>> f = lambda x: cr.cond(x > 0, lambda x: x**2, lambda x: -x, x)
    >>> cr.grad(f)(3.0), cr.grad(f)(-3.0)
    (np.float64(6.0), np.float64(-1.0))
    >>> cr.vmap(f)(np.array([3.0, -3.0]))
    array([9., 3.])
    """
    if shape_of(pred) != ():
        raise ShapeError(
            explain(
                "cond: the condition must be a scalar",
                f"found: {dtype_of(pred)} {shape_of(pred)}",
                help="use cr.where(condition, x, y) to choose element by element, or .any() or .all()",
            )
        )
    if not (_written_down() and isinstance(pred, Value)) and not _differs(pred):
        return _branch(true_fun if pred else false_fun, operands)
    leaves, structure = _arrays(operands, "cond: operands")
    flats = [_Flat(f, structure.children, "cond") for f in (true_fun, false_fun)]
    avals = list(map(aval_like, leaves))
    requests = [(f, avals, _name(f.f), len(leaves), 0) for f in flats]
    traced, generators = _write_down(*requests)
    drawn = len(generators)
    first, second = flats
    if first.structure != second.structure:
        raise TreeError(
            explain(
                "cond: both branches must return the same structure",
                f"{_name(true_fun)}: {first.structure}    {_name(false_fun)}: {second.structure}",
                help="return the same tree from both",
            )
        )
    common, differ = [], False
    for a, b, name in zip(*(output_avals(t.graph)[drawn:] for t in traced), paths(first.structure, "result"), strict=True):
        if a.shape != b.shape:
            raise ShapeError(
                explain(
                    f"cond: the branches differ in the shape of {name}",
                    f"{_name(true_fun)}: {a}    {_name(false_fun)}: {b}",
                    help="broadcast both to one shape",
                )
            )
        common.append(np.result_type(a.dtype, b.dtype))
        differ |= a.dtype != b.dtype
    if differ and not state.abstract and not _differs(pred):
        return _branch(true_fun if pred else false_fun, operands)  # a decision, whose result has the dtype of its branch
    if any([o.dtype for o in output_avals(t.graph)[drawn:]] != common for t in traced):
        traced, _ = _write_down(*((_in_dtypes(f, common), *rest) for f, *rest in requests))
    branches, captured = aligned(traced, [len(leaves) + drawn] * 2)
    out = _cond(_alone(pred), *captured, *leaves, *_states(generators), branches=tuple(branches))
    _advance(generators, out[:drawn])
    return unflatten(first.structure, out[drawn:])


def _branch(f, operands):
    """What a branch gives: no operand of its own, as in a program, which runs both ways."""
    leaves, structure = flatten(f(*operands))
    return unflatten(structure, _fresh(leaves, flatten(operands)[0]))


def _alone(pred):
    """What decides, so that it does not make Tensors of the plain arrays of a program that is being recorded."""
    return pred.value if isinstance(pred, Value) and pred.owner is ROOT and isinstance(pred.value, Value) else pred


def _in_dtypes(f, dtypes):
    return lambda *xs: [cast(x, d) for x, d in zip(f(*xs), dtypes, strict=True)]


def switch(index, branches, *operands):
    """`branches[index](*operands)`; an index beyond either end is that of the nearest branch.

    Like `cond`, it can be compiled without fixing the branch, and under vmap each entry takes its own.

    Parameters
    ----------
    index : integer scalar
    branches : sequence of functions, as those of `cond`
    operands : trees of arrays

    Returns
    -------
    the tree that the branch returns

    Raises
    ------
    ArgumentError
        There are no branches, or `index` is no integer.
    ShapeError
        `index` is not a scalar, or the branches differ in shape.
    TreeError
        The branches return different structures.

    Examples
    --------
    >>> import chainrule as cr
    >>> f = lambda i, x: cr.switch(i, [cr.sin, cr.cos, lambda x: x**2], x)
    >>> cr.grad(f, 1)(2, 3.0)
    np.float64(6.0)
    >>> cr.vmap(f, (0, None))(np.array([0, 1, 2]), 0.0)
    array([0., 1., 0.])
    """
    branches = list(branches)
    if not branches or dtype_of(index).kind not in "biu":
        found = f"index: {dtype_of(index)}, branches: {len(branches)}"
        raise ArgumentError(explain("switch needs an integer and at least one function", found, help="pass an int and a list"))
    if shape_of(index) != ():
        raise ShapeError(
            explain(
                "switch: the index must be a scalar", f"found: {dtype_of(index)} {shape_of(index)}", help="use vmap for several"
            )
        )

    def chosen(first, last):
        """The function that takes its way among some of the branches."""
        if last - first == 1:
            return branches[first]
        middle = (first + last) // 2

        def choose(*xs):
            return cond(index < middle, chosen(first, middle), chosen(middle, last), *xs)

        choose.__name__ = f"branches {first} to {last - 1}"
        return choose

    return chosen(0, len(branches))(*operands)


# --- while_loop -------------------------------------------------------------------------------------------------------


def while_loop(cond_fun, body_fun, init_val):
    """Repeat `val = body_fun(val)` while `cond_fun(val)` holds.

    Both derivative modes work, to any order; reverse mode runs a recorded loop again to find its way back. Under vmap each
    entry stops by itself.

    Parameters
    ----------
    cond_fun : function of the carried tree that returns a boolean scalar
    body_fun : function of the carried tree that returns one of the same structure, shapes and dtypes. Both may use arrays
        and Tensors from outside, and derivatives flow to these too.
    init_val : tree of arrays

    Returns
    -------
    the last carried tree

    Raises
    ------
    TreeError, ShapeError, ArgumentError
        `body_fun` changes structure, shapes or dtypes.

    Examples
    --------
    >>> import chainrule as cr
    >>> root = lambda a: cr.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)
    >>> cr.grad(root)(4.0).round(6)
    np.float64(0.25)
    """
    carry = _Carry(init_val, "while_loop", body_fun)
    started = False
    while not _written_down():
        go_on = cond_fun(carry.tree(carry.leaves))
        _check_condition(go_on, cond_fun)
        if _differs(go_on):
            break
        if not go_on:
            return carry.last()
        new, structure = _arrays(body_fun(carry.tree(carry.leaves)), f"while_loop: the result of {_name(body_fun)}")
        carry.check_structure(structure)
        if not started and not carry.fit(list(map(aval_like, new))):
            continue  # a Python number took another dtype; the first step runs again
        carry.leaves, started = new, True
    return _while_row(cond_fun, body_fun, carry)


def _check_condition(go_on, cond_fun):
    if shape_of(go_on) != ():
        raise ShapeError(
            explain(
                f"while_loop: {_name(cond_fun)} must return a scalar",
                f"found: {dtype_of(go_on)} {shape_of(go_on)}",
                help="use .any() or .all()",
            )
        )


def _while_row(cond_fun, body_fun, carry):
    test = _Flat(cond_fun, [carry.structure], "while_loop")
    body = _Flat(body_fun, [carry.structure], "while_loop")
    n = len(carry.leaves)
    while True:
        avals = list(map(aval_like, carry.leaves))
        (step, condition), generators = _write_down(
            (body, avals, _name(body_fun), n, n), (test, avals, _name(cond_fun), n, None)
        )
        carry.check_structure(body.structure)
        if carry.fit(output_avals(step.graph)[:n]):
            break
    if len(condition.graph.outputs) != 1 or operand_aval(condition.graph.outputs[0]).shape != ():
        found = ", ".join(map(str, output_avals(condition.graph))) or "nothing"
        raise ShapeError(
            explain(f"while_loop: {_name(cond_fun)} must return a scalar", f"found: {found}", help="use .any() or .all()")
        )
    (condition, step), captured = aligned([condition, step], [n + len(generators)] * 2)
    first = [*carry.leaves, *_states(generators)]
    out = _while_loop(*captured, *first, condition=condition, body=step, consts=len(captured))
    _advance(generators, out[n:-1])
    return carry.tree(out[:n])


# --- scan -------------------------------------------------------------------------------------------------------------


def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Carry a value through a loop over the first axis of arrays, and stack what each step gives.

    Parameters
    ----------
    f : function (carry, x) -> (carry, y) of trees; the carry keeps its structure, shapes and dtypes. It may use arrays
        and Tensors from outside, and derivatives flow to these too.
    init : first carry, a tree of arrays
    xs : tree of arrays with a common first axis, or None
    length : number of steps; needed where `xs` holds no array
    reverse : begin at the end; `ys` are in the order of `xs` all the same
    unroll : accepted for JAX's sake

    Returns
    -------
    carry : the last one
    ys : tree of arrays with a new first axis of that length

    Raises
    ------
    ShapeError
        Arrays in `xs` differ in length, or `f` changes the shape of the carry.
    TreeError, ArgumentError
        `f` returns no pair, or changes structure or dtype of the carry.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    leaves, structure = _arrays(xs, "scan: xs")
    carry = _Carry(init, "scan", f, beside=leaves)
    length = _length(leaves, paths(structure, "xs"), length)
    if _written_down() or length == 0:
        return _scan_row(f, carry, leaves, structure, length, bool(reverse))
    ys, t = [], 0
    y_structure: Any = None
    while t < length:
        i = length - 1 - t if reverse else t
        out = f(carry.tree(carry.leaves), unflatten(structure, [x[i] for x in leaves]))
        new, y, y_structure = _pair(out, carry)
        if t == 0 and not carry.fit(list(map(aval_like, new))):
            continue  # a Python number took another dtype; the first step runs again
        carry.leaves = new
        ys.append(y)
        t += 1
    if reverse:
        ys.reverse()
    return carry.last(), unflatten(y_structure, [stack(y) for y in zip(*ys, strict=True)])


def _pair(out, carry):
    """Leaves of the carry and of y, and the structure of y, of what one step returned."""
    if not isinstance(out, tuple) or len(out) != 2:
        raise TreeError(
            explain(
                f"scan: {_name(carry.body)} must return a pair (carry, y)",
                f"found: {type(out).__name__}{f' of length {len(out)}' if isinstance(out, tuple) else ''}",
                help="return (carry, None) if there is nothing to stack",
            )
        )
    new, structure = _arrays(out[0], f"scan: the carry that {_name(carry.body)} returns")
    carry.check_structure(structure)
    y, y_structure = _arrays(out[1], f"scan: the y that {_name(carry.body)} returns")
    return new, y, y_structure


def _length(leaves, names, length):
    lengths: dict = {}
    for x, name in zip(leaves, names, strict=True):
        if not shape_of(x):
            raise ShapeError(
                explain(
                    f"scan: {name} has no axis to run over", f"{name}: {aval_like(x)}", help="close over what is not scanned"
                )
            )
        lengths.setdefault(shape_of(x)[0], name)
    if length is not None:
        lengths.setdefault(operator.index(length), "length")
    if len(lengths) > 1:
        found = ", ".join(f"{name}: {n}" for n, name in lengths.items())
        raise ShapeError(explain("scan: lengths differ", found, help="all arrays in xs need the same first axis"))
    if not lengths:
        raise ArgumentError(
            explain("scan: the number of steps is not known", "xs holds no array", help="pass length=, or arrays to run over")
        )
    (n,) = lengths
    if n < 0:
        raise ArgumentError(explain(f"scan: length={n}", help="the number of steps cannot be negative"))
    return n


def _scan_row(f, carry, leaves, structure, length, reverse):
    x_avals = [type(a)(a.shape[1:], a.dtype) for a in map(aval_like, leaves)]
    kept: dict[str, Any] = {}
    n = len(carry.leaves)

    def flat(*operands):
        out = f(carry.tree(operands[:n]), unflatten(structure, operands[n:]))
        new, y, kept["structure"] = _pair(out, carry)
        return [*new, *y]

    while True:
        avals = [*map(aval_like, carry.leaves), *x_avals]
        (step,), generators = _write_down((flat, avals, _name(f), n, n))
        if carry.fit(output_avals(step.graph)[:n]):
            break
    drawn = len(generators)
    (body,), captured = aligned([step], [len(avals) + drawn])
    first = [*carry.leaves, *_states(generators)]
    out = run_scan(captured, first, leaves, body=body, length=length, reverse=reverse)
    _advance(generators, out[n : n + drawn])
    return carry.tree(out[:n]), unflatten(kept["structure"], out[n + drawn :])


def _with_index(body_fun):
    """`body_fun`, whose results have the dtypes that they have where the index is a plain int, which promotes nothing."""

    def body(i, val):
        if not isinstance(i, Value):
            return body_fun(int(i), val)
        out = body_fun(i, val)
        before, structure = _arrays(val, "fori_loop: the initial value")
        after, made = flatten(out)
        if made != structure or all(dtype_of(x) == dtype_of(y) for x, y in zip(before, after, strict=True)):
            return out
        flat = _Flat(lambda val: body_fun(0, val), [structure], "fori_loop")
        (plain,), _ = _write_down((flat, list(map(aval_like, before)), _name(body_fun), len(before), None))
        dtypes = [aval.dtype for aval in output_avals(plain.graph)]
        return unflatten(made, [cast(x, d) for x, d in zip(after, dtypes, strict=True)])

    body.__name__ = _name(body_fun)
    return body


def fori_loop(lower, upper, body_fun, init_val):
    """`val = body_fun(i, val)` for i from `lower` to `upper` - 1.

    Parameters
    ----------
    lower, upper : integers; if both are plain numbers, reverse mode through a recorded loop keeps what it needs instead of
        running the loop again
    body_fun : function (i, val) -> val that keeps structure, shapes and dtypes
    init_val : tree of arrays

    Returns
    -------
    the last value

    Raises
    ------
    TreeError, ShapeError, ArgumentError
        `body_fun` changes structure, shapes or dtypes.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.grad(lambda x: cr.fori_loop(0, 3, lambda i, y: y * x, 1.0))(2.0)
    np.float64(12.0)
    """
    plain = (bool, int, np.integer)
    body = _with_index(body_fun)
    if not (isinstance(lower, plain) and isinstance(upper, plain)):
        return while_loop(lambda c: c[0] < upper, lambda c: (c[0] + 1, body(c[0], c[1])), (lower, init_val))[1]
    lower, upper = int(lower), int(upper)
    if not _written_down():
        carry, i = _Carry(init_val, "fori_loop", body_fun), lower
        while i < upper:
            new, structure = _arrays(body_fun(i, carry.tree(carry.leaves)), f"fori_loop: the result of {_name(body_fun)}")
            carry.check_structure(structure)
            if i == lower and not carry.fit(list(map(aval_like, new))):
                continue
            carry.leaves = new
            i += 1
        return carry.last()

    def step(val, i):
        return body(i, val), None

    step.__name__ = _name(body_fun)
    return scan(step, init_val, np.arange(lower, max(lower, upper)))[0]
