"""Which operation first gave an infinite or undefined number in a step of training: the step is run again and looked at."""

import numpy as np

from ..core.graph import Constant
from ..transforms.record import graph
from ..transforms.scope import no_grad
from .metrics import array


def finite(x):
    """Whether all of an array is; whole numbers are."""
    x = np.asarray(x)
    return x.dtype.kind not in "fc" or bool(np.isfinite(x).all())


def in_words(x):
    """'nan' or 'inf', and where it stands first."""
    x = np.asarray(x)
    bad = ~np.isfinite(x)
    kind = "nan" if np.isnan(x).any() else "inf" if (x[bad].real > 0).any() else "-inf"
    if not x.ndim:
        return kind
    place = ", ".join(str(int(i)) for i in np.argwhere(np.isnan(x) if kind == "nan" else bad)[0])
    return f"{kind} at [{place}]"


def findings(model, forward, batch, keeping):
    """What is wrong, one line each, from the outside in: data, parameters, layer, operation.

    Parameters
    ----------
    forward : function (*batch) -> (loss, output)
    batch : tuple of Tensors (input, ..., target) and perhaps weights
    keeping : function that gives an object with `restore()`, which puts back what running the model changes
    """
    lines = _data(batch)
    lines += [
        f"first parameter with a non-finite value: {n} ({in_words(array(p))})"
        for n, p in model.named_parameters()
        if not finite(array(p))
    ][:1]
    clean = not lines
    before = keeping()
    try:
        lines += _layer(model, forward, batch)
        before.restore()
        lines += _operation(model, forward, batch, before)
    except Exception as error:  # what is asked for is an explanation of another error, which must not get lost
        lines.append(f"the step could not be looked at: {type(error).__name__}: {str(error).splitlines()[0]}")
    finally:
        before.restore()
    if clean:
        lines.append("data and parameters are finite: an operation left its domain, or overflowed")
    return lines


def _data(batch):
    for n, x in enumerate(batch):
        if hasattr(x, "dtype") and not finite(array(x)):
            name = "the inputs hold" if n == 0 else f"part {n} of the batch holds"
            return [f"the data: {name} {in_words(array(x))}"]
    return []


def _layer(model, forward, batch):
    """The first module that gives non-finite numbers."""
    found: list = []

    def look(path):
        def hook(module, args, out):
            outs = out if isinstance(out, tuple) else (out,)
            if not found and any(hasattr(o, "dtype") and not finite(array(o)) for o in outs):
                found.append(f"first layer with a non-finite output: {path or 'the model'} ({type(module).__name__})")

        return hook

    handles = [module.register_forward_hook(look(path)) for path, module in model.named_modules()]
    try:
        with no_grad(), np.errstate(all="ignore"):
            forward(*batch)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _operation(model, forward, batch, before):
    """The operation from which a non-finite loss or gradient comes."""
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    names: list = []

    def again(*batch):
        value, _ = forward(*batch)
        value.backward()
        with_grad = [(name, p) for name, p in parameters if p.grad is not None]
        names[:] = [name for name, _ in with_grad]
        results = [value.detach(), *(p.grad.detach() for _, p in with_grad)]
        for _, p in parameters:
            p.grad = None
        return results

    with np.errstate(all="ignore"):
        program = graph(again)(*batch)
        before.restore()
        values = _values(program, batch)
    wrong = [n for n, o in enumerate(program.outputs) if not finite(_read(values, o))]
    if not wrong:
        return []
    lines = [] if wrong[0] == 0 and len(wrong) == 1 else [_gradient(names, wrong)]
    step = _origin(program, values, program.outputs[wrong[0]])
    if step is not None:
        source = "" if step.source == "?" else f" at {step.source}"
        result = next(in_words(values[v.id]) for v in step.outputs if not finite(values[v.id]))
        way = " (on the way back)" if step.phase == "backward" else ""
        lines.append(f"first operation with a non-finite result: {step.row.name}{source}{way}: {result}")
    return lines


def _gradient(names, wrong):
    return f"first parameter with a non-finite gradient: {names[next(n for n in wrong if n) - 1]}"


def _values(program, batch):
    """Every value of the program, by number."""
    given = iter(program.arguments(batch, {}))
    values = {i.var.id: next(given) if i.tensor is None else i.array for i in program.inputs}
    for step in program.steps:
        out = step.row.evaluate(*(_read(values, x) for x in step.inputs), **step.params)
        for var, value in zip(step.outputs, out if isinstance(out, tuple) else (out,), strict=True):
            values[var.id] = value
    return values


def _read(values, operand):
    return operand.value if isinstance(operand, Constant) else values[operand.id]


def _origin(program, values, operand):
    """The step from which a bad value comes: go up from bad result to bad operand, NaN before infinity, to the end.

    An infinity that does no harm (a mask, the logarithm of a zero that `where` throws away) is not on this way.
    """
    maker = {v.id: step for step in program.steps for v in step.outputs}
    found = None
    while not isinstance(operand, Constant) and operand.id in maker:
        found = maker[operand.id]
        bad = [x for x in found.inputs if not finite(_read(values, x))]
        if not bad:
            break
        operand = max(bad, key=lambda x: bool(np.isnan(_read(values, x)).any()))
    return found
