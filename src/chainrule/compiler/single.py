"""One operation as a program of its own, for calls outside of any program."""

import numpy as np

from ..core.aval import Aval, aval_of
from ..core.graph import Graph, Input, Step, Var
from .enter import ARRAY_ARGUMENT, door, record_of
from .native import prepare
from .program import DONE
from .simplify import simplify


def program(row, args, params):
    """The operation as a graph of one step, for arrays like `args`."""
    inputs = tuple(Var(n, Aval(*aval_of(x)[:2])) for n, x in enumerate(args))
    result = Var(len(args), Aval(*row.aval(*(v.aval for v in inputs), **params)[:2]))
    step = Step(row, inputs, dict(params), (result,), "", "forward")
    return Graph(row.name, [Input(v, name) for v, name in zip(inputs, row.args, strict=True)], [step], outputs=[result])


def single(row, args, params):
    """A function of arrays that runs the operation `row` by machine code, or gives None for arrays that it is not for.

    None where the operation cannot be done without NumPy.
    """
    if row.several or row.variadic:
        return None
    run = prepare(simplify(program(row, args, params)))
    if len(run.input_slots) != len(args) or len(run.output_slots) != 1 or any(k == "call" for k, _ in run.program.slots):
        return None
    (out_slot, result) = run.output_slots[0]
    shape, dtype = result.aval.shape, result.aval.dtype
    kept: list = []
    samples = [np.empty(x.shape, x.dtype) for x in args]
    slots = {k: slot for slot, k in run.input_slots}
    records = [record_of(ARRAY_ARGUMENT, n, x, slots[n], kept, kind=np.ndarray) for n, x in enumerate(samples)]
    enter = door(run, records, len(args), [out_slot], kept)
    empty = np.empty

    def slowly(args):
        """For arrays that are not in C order, and where programs cannot be entered from Python directly."""
        if not all(type(x) is np.ndarray for x in args):
            return None
        args = [x if x.flags.c_contiguous and x.flags.aligned else np.array(x, order="C") for x in args]
        out = empty(shape, dtype)
        with run.reserved() as own:
            return out if own.run(args, {result.id: out}) == DONE else None

    def call(*args):
        out = empty(shape, dtype)
        if enter is None or enter(*args, out) != DONE:
            out = slowly(args)
        return out if out is None or shape else out[()]

    call.kept = kept  # type: ignore[attr-defined]  # native code refers to these objects
    return call
