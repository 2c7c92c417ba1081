"""Forward mode: carry a tangent beside each value. A tangent of None is zero."""

import numpy as np

from ..core.aval import Aval
from ..core.dispatch import Trace, next_level, plain, writer_below
from ..core.value import Value, dtype_of, shape_of
from ..errors import KEEP_DERIVATIVE, LostDerivativeError, explain
from ..ops.elementwise import add
from ..ops.shaping import cast
from ..tensor import Tensor
from .scope import Scope


class Forward(Trace):
    """A trace whose Tensors carry their tangent in `note`."""

    def __init__(self):
        self.level = next_level()

    def process(self, row, args, params):
        if (writer := writer_below(self, args)) is not None:
            return writer.process(row, args, params)
        values, tangents = [], []
        for a in args:
            if isinstance(a, Value) and a.owner is self:
                values.append(a.value)
                tangents.append(a.note)
            else:
                values.append(plain(a))
                tangents.append(None)
        if row.joint is not None and any(t is not None for t in tangents):
            out, parts = row.joint.push(values, tangents, params)
            return tuple(self._wrap(o, t) for o, t in zip(out, parts, strict=True))
        out = row.call(*values, **params)
        if isinstance(out, tuple):
            parts = self._push(row, values, tangents, out, params) or [None] * len(out)
            return tuple(self._wrap(o, t) for o, t in zip(out, parts, strict=True))
        return self._wrap(out, self._push(row, values, tangents, out, params))

    def _push(self, row, values, tangents, out, params):
        if all(t is None for t in tangents):
            return None
        if row.joint_jvp is not None:
            return row.joint_jvp(tangents, values, out, **params)
        env = (*values, out)
        total = None
        for i, t in enumerate(tangents):
            kind = row.kind(i) if t is not None else None
            if kind is None:
                continue
            part = kind.push(t, env, params, Aval(shape_of(values[i]), dtype_of(values[i])))
            if isinstance(out, tuple):
                total = part if total is None else [_sum(p, q) for p, q in zip(total, part, strict=True)]
            else:
                total = _sum(total, part)
        return total

    def _wrap(self, out, tangent):
        if tangent is None or out.dtype.kind not in "fc":
            return Tensor(out, self)
        return Tensor(out, self, tangent if tangent.dtype == out.dtype else cast(tangent, out.dtype))

    # --- what a Tensor asks of its owner ------------------------------------------------------------------------------

    def has_none(self, x):
        return x.note is None

    def carries_derivative(self, x):
        return x.note is not None or (isinstance(x.value, Value) and x.value.owner.carries_derivative(x.value))

    def is_leaf(self, x):
        return False

    def grad_fn(self, x):
        return None

    def constant(self, array):
        return Tensor(array, self)

    def rebind(self, x, new):
        if isinstance(new, Tensor):
            x.value, x.owner, x.note = new.value, new.owner, new.note
        else:
            x.value, x.note = new, None

    def replace(self, x, value):
        x.value = value

    def detach(self, x):
        value = x.value
        return Tensor(value.owner.detach(value) if isinstance(value, Value) else value, self)

    def to_array(self, x, asked):
        if x.note is not None:
            raise LostDerivativeError(
                explain(
                    f"{asked} of a Tensor with a tangent would lose its derivative",
                    f"Tensor: {x.dtype} {x.shape}, in forward mode",
                    help=KEEP_DERIVATIVE,
                )
            )
        return x.value.owner.to_array(x.value, asked) if isinstance(x.value, Value) else x.value

    to_scalar = to_array

    def truth(self, x):
        return bool(x.value)

    def describe(self, x):
        tangent = "" if x.note is None else f", tangent={np.asarray(x.note) if not isinstance(x.note, Value) else x.note!r}"
        return f"Tensor({x.value!r}{tangent}, level={self.level})"

    def backward(self, x, *options):
        no_backward("forward mode", x)

    retain_grad = register_hook = backward


def no_backward(where, x):
    raise LostDerivativeError(
        explain(
            f"backward (or a hook) on a Tensor that is being traced by {where}",
            f"Tensor: {x.dtype} {x.shape}",
            help="create the leaves inside the transformed function, or use cr.grad there",
        )
    )


def _sum(x, y):
    return y if x is None else x if y is None else add(x, y)


def push_forward(f, primals, tangents):
    """Results of f(*primals) and their tangents (None for zero); all are flat lists, f gives a list of leaves."""
    trace = Forward()
    with Scope(trace) as scope:
        out = f(*(Tensor(x, trace, t) for x, t in zip(primals, tangents, strict=True)))
        out = [scope.strip(o) for o in out]
        values = [o.value if isinstance(o, Value) and o.owner is trace else o for o in out]
        moved = [o.note if isinstance(o, Value) and o.owner is trace else None for o in out]
    return values, moved
