"""Convolution steps as kernels: what the emitter of convolve.py needs to know, read off a step."""

from ..core.graph import Constant, Var
from . import convolve
from .convolve import Convolution
from .expressions import shape_of
from .loops import Level, memory_type, tops
from .scalars import Number

ROWS = ("conv", "conv_input_grad", "conv_weight_grad")


def works(step):
    """Whether a step is a convolution along one or two axes that convolve.py can write."""
    (out,) = step.outputs
    if step.row.name not in ROWS or len(out.aval.shape) not in (3, 4) or step.params["groups"] < 1:
        return False
    if any((x.aval.dtype if isinstance(x, Var) else x.value.dtype) != out.aval.dtype for x in step.inputs):
        return False
    empty = 0 in out.aval.shape or any(0 in shape_of(x) for x in step.inputs)
    return not empty and out.aval.dtype.name in ("float32", "float64")


def two(values, other):
    """Numbers for two axes; one axis is the second of two."""
    return tuple(values) if len(values) == 2 else (other, *values)


def numbers(step) -> Convolution:
    """The convolution that a step is, or is a derivative of."""
    p, (out,) = step.params, step.outputs
    first, second = (shape_of(x) for x in step.inputs)
    if step.row.name == "conv":
        images, weights = first, second
    elif step.row.name == "conv_input_grad":
        images, weights = out.aval.shape, second
    else:
        images, weights = first, out.aval.shape
    height, width = two(images[2:], 1)
    rows, columns = two(weights[2:], 1)
    return Convolution(
        images[0], images[1], height, width, weights[0], rows, columns, two(p["stride"], 1), two(p["padding"], (0, 0)),
        two(p["dilation"], 1), p["groups"],
    )  # fmt: skip


SCRATCH = {
    "conv": convolve.forward_scratch,
    "conv_input_grad": convolve.input_grad_scratch,
    "conv_weight_grad": convolve.weight_grad_scratch,
}


def scratch(step, machine):
    """Bytes of memory that each thread needs for itself."""
    return SCRATCH[step.row.name](machine, memory_type(step.outputs[0].aval.dtype), numbers(step))


def emit(kernel, emitter, scratch, machine, share=None):
    """Write a convolution, and in registers what is done with its elements."""
    f, step, detail = emitter.f, kernel.step, kernel.detail
    dtype = detail.var.aval.dtype
    t, lanes = memory_type(dtype), machine.lanes(memory_type(dtype))
    c = numbers(step)
    first, second = (emitter.pointers[id(x) if isinstance(x, Constant) else x.id] for x in step.inputs)
    outer = Level()
    emitter.prepare(tops(kernel.roots), outer)
    batch, channel, *_ = detail.axes

    def store(places, group, index, x, valid):
        level = Level(outer)
        for axis, i in places:
            level.open([axis], i)
        level.open(group, index)
        level.vector = (group[-1], lanes, None if valid == lanes else valid)
        level.values[kernel.given.id] = Number(x, dtype)
        emitter.prepare(tops(kernel.roots), level)
        for root in kernel.roots:
            emitter.store(root, level)

    if step.row.name == "conv_weight_grad":

        def finish_weights(k, j, x, valid):
            store([(batch, k)], detail.group, j, x, valid)

        convolve.weight_grad(f, machine, t, c, first, second, finish_weights, scratch, share)
        return
    wide = step.outputs[0].aval.shape[-1]

    def finish(n, k, y, x, vector, valid):
        places = [(batch, n), (channel, k)]
        if detail.flat:
            store(places, detail.group, y * wide + x, vector, valid)
        else:
            store([*places, (detail.axes[2], y)], detail.group, x, vector, valid)

    write = convolve.forward if step.row.name == "conv" else convolve.input_grad
    write(f, machine, t, c, first, second, finish, scratch, share, rows=not detail.flat)
