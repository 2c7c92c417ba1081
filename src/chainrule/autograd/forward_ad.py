"""PyTorch's forward mode of Tensors: numbers that carry the change of their value along."""

import contextlib
from typing import Any, NamedTuple

from ..core.dispatch import plain, state
from ..core.value import Value, shape_of
from ..errors import ArgumentError, explain
from ..ops.shaping import as_value, cast
from ..tensor import Tensor
from ..transforms.forward import Forward
from ..transforms.reverse import ROOT
from ..transforms.scope import end


class UnpackedDualTensor(NamedTuple):
    """The value of a dual Tensor, and its change; None if it has none."""

    primal: Any
    tangent: Any


def _level():
    if state.dual is None:
        raise ArgumentError(
            explain("a dual Tensor outside of a dual level", help="write `with forward_ad.dual_level():` around its use")
        )
    return state.dual


@contextlib.contextmanager
def dual_level():
    """The time in which Tensors can carry the change of their value along; there is one at a time.

    >>> import chainrule as cr
    >>> from chainrule.autograd import forward_ad
    >>> with forward_ad.dual_level():
    ...     x = forward_ad.make_dual(cr.tensor(3.0), cr.tensor(1.0))
    ...     forward_ad.unpack_dual(x**2)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """
    if state.dual is not None:
        raise ArgumentError(
            explain("a dual level inside of another", help="use cr.jvp for derivatives of derivatives in forward mode")
        )
    state.dual = Forward()
    try:
        yield
    finally:
        end(state.dual)
        state.dual = None


def make_dual(tensor, tangent):
    """A Tensor with the value of `tensor` that changes by `tangent`, an array of its shape."""
    trace = _level()
    value, change = plain(as_value(tensor)), plain(as_value(tangent))
    if shape_of(value) != shape_of(change):
        raise ArgumentError(
            explain(
                "make_dual: the tangent must have the shape of the Tensor",
                f"Tensor: {shape_of(value)}    tangent: {shape_of(change)}",
                help="it says how much each element changes",
            )
        )
    return Tensor(value, trace, cast(change, value.dtype))


def unpack_dual(tensor):
    """The pair (primal, tangent) of a Tensor: its value, and how much that changes."""
    if not (isinstance(tensor, Tensor) and tensor.owner is _level()):
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(_as_tensor(tensor.value), None if tensor.note is None else _as_tensor(tensor.note))


def _as_tensor(x):
    return x if isinstance(x, Value) and x.owner.level >= ROOT.level else ROOT.constant(x)
