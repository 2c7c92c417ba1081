"""PyTorch's module of this name: what operations on the tape keep for their derivatives, and the operations themselves."""

from typing import Any

import numpy as np

from ..core.dispatch import attention, state
from ..errors import ArgumentError, UnsupportedError, explain
from ..tensor import Tensor
from ..transforms.node_hooks import Inspected as Node  # noqa: F401 - PyTorch's name of what `grad_fn` gives


class _Parcel:
    """What a pack hook made of an array."""

    __slots__ = ("content",)

    def __init__(self, content):
        self.content = content


class _Packed(tuple):
    """What an operation keeps, of which the arrays are packed; each is unpacked when a rule reads it."""

    unpack: Any

    def __getitem__(self, i):
        return tuple(self)[i] if isinstance(i, slice) else self.opened(super().__getitem__(i))

    def __add__(self, other):
        return tuple(self) + tuple(other)

    def __iter__(self):
        return map(self.opened, super().__iter__())

    def opened(self, x):
        if type(x) is not _Parcel:
            return tuple(x) if type(x) is _Packed else x
        out = self.unpack(x.content)
        if not isinstance(out, (Tensor, np.ndarray)):
            raise ArgumentError(
                explain(
                    "saved_tensors_hooks: unpack_hook must give a Tensor",
                    f"found: {type(out).__name__}",
                    help="give what pack_hook was given, or an equal Tensor",
                )
            )
        return np.asarray(out.detach() if isinstance(out, Tensor) else out)


class saved_tensors_hooks:
    """Inside of this context, arrays that operations keep for their derivatives are kept as `pack_hook` makes them.

    For example on disk, in fewer bits, or as a message that they are kept. Programs that are being compiled plan their memory
    themselves, and call no hooks.

    Parameters
    ----------
    pack_hook : function, Tensor -> anything; called when an operation runs
    unpack_hook : function, what `pack_hook` gave -> Tensor with the same values; called when a derivative needs it

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
    >>> kept = []
    >>> with cr.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or len(kept) - 1, lambda i: kept[i]):
    ...     y = cr.exp(x).sum()
    >>> y.backward()
    >>> len(kept), x.grad
    (1, tensor([2.71828183, 7.3890561 ]))
    """

    forbidden: list = []  # noqa: RUF012 - messages of `disable_saved_tensors_hooks`

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self):
        if self.forbidden:
            raise UnsupportedError(explain(self.forbidden[-1], help="leave disable_saved_tensors_hooks first"))
        self.before, state.packing = state.packing, self._packed
        attention.append(self)

    def __exit__(self, *exc):
        attention.remove(self)
        state.packing = self.before

    def _packed(self, kept):
        out = _Packed(map(self._parcel, kept))
        out.unpack = self.unpack_hook
        return out

    def _parcel(self, x):
        if type(x) is np.ndarray:
            return _Parcel(self.pack_hook(state.root.constant(x)))
        return self._packed(x) if type(x) is tuple else x


class save_on_cpu(saved_tensors_hooks):
    """In PyTorch, keeps what derivatives need in the memory of the CPU. It is there already, so nothing happens."""

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda x: x, lambda x: x)


class disable_saved_tensors_hooks:
    """Inside of this context, `saved_tensors_hooks` raises with this message.

    >>> import chainrule as cr
    >>> with cr.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     x = cr.ones(2)
    """

    def __init__(self, error_message):
        self.message = error_message

    def __enter__(self):
        saved_tensors_hooks.forbidden.append(self.message)

    def __exit__(self, *exc):
        saved_tensors_hooks.forbidden.remove(self.message)
