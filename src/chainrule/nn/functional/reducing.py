"""What losses share: reductions, pairs of one shape, rows of classes and labels."""

import functools

import numpy as np

from ...core.value import dtype_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops import mean, moveaxis, reshape, sum
from ...ops.shaping import as_value, cast
from ..entry import check_axes, check_integers, check_same_shape, like_input

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(reduction, what, allowed=REDUCTIONS):
    """Raise unless it is one of those allowed."""
    if reduction not in allowed:
        raise ArgumentError(
            explain(f"{what}: unknown reduction {reduction!r}", help=f"use one of {', '.join(map(repr, allowed))}")
        )


def older(f):
    """`f` with PyTorch's first names for a reduction too: `size_average` (else the sum), and `reduce` (else none)."""

    @functools.wraps(f)
    def call(*args, size_average=None, reduce=None, **options):
        if size_average is not None or reduce is not None:
            whole, averaged = reduce is None or reduce, size_average is None or size_average
            options["reduction"] = ("mean" if averaged else "sum") if whole else "none"
        return f(*args, **options)

    return call


def reduced(loss, reduction):
    """The loss of each element, their mean or their sum."""
    return loss if reduction == "none" else mean(loss) if reduction == "mean" else sum(loss)


def weighed(loss, weight, reduction, what, mean_of="weights"):
    """The same of losses times weights, whose mean is that over the weights, or over the elements."""
    if weight is None:
        return reduced(loss, reduction)
    weight = like_input(weight, loss)
    if shape_of(weight) != shape_of(loss):
        raise ShapeError(
            explain(
                f"{what}: `weight` needs one number for each element",
                f"expected: {shape_of(loss)}    found: {shape_of(weight)}",
                help="broadcast it first",
            )
        )
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" and mean_of == "weights" else reduced(loss, reduction)


def pair(input, target, reduction, what):
    """Both as arrays, of which is known that they have one shape."""
    check_reduction(reduction, what)
    input = as_value(input)
    check_same_shape(input, target, what)
    return input, like_input(target, input)


def rows_of(input, what):
    """Scores as rows of classes, (n, classes), and the shape that the losses have."""
    input = as_value(input)
    check_axes(input, 1, what)
    shape = shape_of(input)
    if len(shape) == 1:
        return reshape(input, (1, shape[0])), ()
    if len(shape) > 2:
        input = moveaxis(input, 1, -1)
    return (input if len(shape) == 2 else reshape(input, (-1, shape[1]))), (shape[0], *shape[2:])


def class_labels(target, input, out_shape, what):
    """`target`, of which is known that it holds one integer for each row of scores."""
    if shape_of(target) != out_shape:
        shape = shape_of(input)
        hint = "one integer per row of scores, (n,) for (n, classes)"
        if shape_of(target) == shape:
            hint = "for class probabilities use a floating point dtype; for one-hot integers target.argmax(1)"
        elif int(np.prod(shape_of(target))) == int(np.prod(out_shape)):
            hint = f"reshape the target: target.reshape({', '.join(map(str, out_shape))})"
        raise ShapeError(
            explain(
                f"{what}: the target does not fit the input, whose axis {1 if len(shape) > 1 else 0} is the classes",
                f"input: {dtype_of(input)} {shape}",
                f"target: expected {out_shape}, found {dtype_of(target)} {shape_of(target)}",
                help=hint,
            )
        )
    return check_integers(target, what, "target")


def class_weight(weight, classes, dtype, what):
    """`weight` in this dtype, of which is known that it has one number for each class; None for none."""
    if weight is None:
        return None
    weight = as_value(weight)
    if shape_of(weight) != (classes,):
        raise ShapeError(
            explain(
                f"{what}: `weight` needs one number for each class",
                f"expected: ({classes},)    found: {shape_of(weight)}",
                help="it scales the loss of each class",
            )
        )
    return cast(weight, dtype)
