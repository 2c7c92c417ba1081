"""Assignment: how a Tensor is bound to new values, and how views of it and the Tensors that it is a view of come to know.

Nothing that was recorded changes: an in-place operation computes a new value and binds the Tensor to it. A view remembers
what it is a part of, so that what is written into it is written there too; a Tensor remembers the views of it that live, so
that they are read anew when it has changed.
"""

import operator
from typing import Any

import numpy as np

from .core.dispatch import state
from .core.value import Value
from .errors import ArgumentError, explain
from .methods import Methods
from .numpy_errors import reword
from .ops import elementwise, indexing, shaping, sorting
from .views import Part, Views, layout, owner_of, reshaped_part, reshaped_whole, scattered


def _bare(new, x):
    """`new` without the traces above that of `x` in which it has no derivative, so that it can outlive them."""
    while isinstance(new, Value) and new.owner.level > max(x.owner.level, 0) and new.owner.has_none(new):
        new = new.value
    return new


class Assignable(Methods):
    """What `Tensor` adds to this: how it is differentiated and turned into other things."""

    __slots__ = ("part", "views", "place")
    part: Part  # only views have it
    views: Views  # only Tensors that were viewed have it
    place: bool  # without axes, but made as an array: `+=` changes it, while results of operations are numbers as in NumPy
    stale: type  # the class of views that have to be read anew

    @property
    def base(self):
        """The Tensor that this one is a view of, None if it is none."""
        whole = owner_of(self)
        return None if whole is self else whole

    # --- views --------------------------------------------------------------------------------------------------------

    def _view(self, out, read, write: Any = scattered):
        """`out`, remembered as a view of this Tensor: how to read it again, and how to write it into this one."""
        if out is not self:
            out.part = Part(self, read, scattered(read) if write is scattered else write)
            try:
                self.views.add(out)
            except AttributeError:
                self.views = Views()
                self.views.add(out)
        return out

    def _tell_views(self):
        """Have all views read anew when they are used."""
        todo = list(getattr(self, "views", ()))
        for view in todo:  # which grows: loops may make views of views without end
            if type(view) is not self.stale:
                view.__class__ = self.stale
                todo += getattr(view, "views", ())

    def __getitem__(self, key):
        try:
            out = indexing.getitem(self, key)
        except Exception as error:
            reword(error, operator.getitem, (self, key))
            raise
        kind = type(key)
        if kind is int or kind is slice or kind is tuple or kind in _BASIC:
            basic = kind is not tuple or all(map(_is_basic, key))
        else:
            basic = _is_basic(key)
        # Single elements are copies, as NumPy's scalars are; with an Ellipsis NumPy gives an array without axes.
        if not basic or not (out.shape or key is Ellipsis or (kind is tuple and Ellipsis in _plain(key))):
            return out
        key = _kept(key)
        return self._view(out, lambda x: indexing.getitem(x, key), lambda x, part: indexing.index_set(x, key, part))

    # --- binding to new values ----------------------------------------------------------------------------------------

    def _rebind(self, new):
        """Bind this Tensor, and what it is a part of, to a new value of its shape and dtype."""
        return self._bind(self._fitting(new))

    def _bind(self, new):
        x = self
        while True:
            part = getattr(x, "part", None)
            if part is not None:  # first, since not all views can be written
                whole = part.whole if part.write is None else part.write(part.whole, new)
            for watcher in state.watchers:
                watcher.assigned_to(x, with_history=True)
            x.owner.rebind(x, _bare(new, x))
            x._tell_views()
            if part is None:
                return self
            if part.write is None:
                whole._replace(new)
                return self
            x, new = part.whole, part.whole._fitting(whole)

    def _replace(self, values):
        """Give this Tensor other values and leave its history."""
        for watcher in state.watchers:
            watcher.assigned_to(self, with_history=False)
        self.owner.replace(self, _bare(values, self))
        self._tell_views()

    def _reshape(self, shape):
        """Give this Tensor another shape where it stands; views of it, and what it is a view of, keep theirs."""
        before = self.shape
        array = layout(self)
        if not np.shares_memory(np.reshape(array, shape), array) and array.size:
            raise AttributeError(
                explain(
                    f"shape = {shape}: the elements do not lie so that this could be done in place",
                    f"Tensor: {self.dtype} {before}",
                    help="use x.reshape(shape), which copies",
                )
            )
        new = shaping.reshape(self, shape)
        part = getattr(self, "part", None)
        if part is not None:
            self.part = reshaped_part(part, before, new.shape)
        for view in getattr(self, "views", ()):
            view.part = reshaped_whole(view.part, before, new.shape)
        self.place = True  # an array, even without axes
        self.owner.rebind(self, new)

    def _fitting(self, new):
        if new.shape == self.shape and new.dtype == self.dtype:
            return new
        if new.shape == self.shape and np.can_cast(new.dtype, self.dtype, "same_kind"):
            return shaping.cast(new, self.dtype)
        raise ArgumentError(
            explain(
                "an in-place operation cannot change the shape or the kind of dtype",
                f"Tensor: {self.dtype} {self.shape}    result: {new.dtype} {new.shape}",
                help="write x = x + y instead of x += y",
            )
        )

    def _augmented(self, new):
        """`x += y`, of which `new` is the sum: arrays change, and everything that is a view of them; numbers do not."""
        if not self.shape and not hasattr(self, "place") and not hasattr(self, "part"):
            return new
        return self._rebind(new)

    def __setitem__(self, key, value):
        try:
            self._rebind(indexing.index_set(self, key, value))
        except Exception as error:
            reword(error, operator.setitem, (self, key, value))
            raise

    def copy_(self, other):
        """Replace all values by those of `other`, which may broadcast."""
        self[...] = shaping.cast(shaping.as_value(other), self.dtype)
        return self

    def fill(self, value):
        """NumPy's name for `fill_`."""
        self[...] = value

    def fill_(self, value):
        """Replace all values by one number."""
        self[...] = value
        return self

    def zero_(self):
        """Replace all values by 0."""
        return self.fill_(0)

    def sort(self, axis=-1, kind=None, order=None, **options):
        """Sort in place and give None, as NumPy does; with PyTorch's `dim`, give (values, indices) and change nothing."""
        if "dim" in options:
            return sorting.sort(self, **options)
        if kind is not None or order is not None:
            np.sort(np.zeros(1), kind=kind, order=order)  # NumPy refuses what is none
        self._rebind(sorting.sort(self, axis, **options))
        return None

    def add_(self, other, *, alpha=1):
        return self._rebind(self + (other if alpha == 1 else other * alpha))

    def sub_(self, other, *, alpha=1):
        return self._rebind(self - (other if alpha == 1 else other * alpha))

    def mul_(self, other):
        return self._rebind(self * other)

    def div_(self, other):
        return self._rebind(self / other)

    def clamp_(self, min=None, max=None):
        return self._rebind(elementwise.clip(self, min, max))

    def __iadd__(self, other):
        return self._augmented(self + other)

    def __isub__(self, other):
        return self._augmented(self - other)

    def __imul__(self, other):
        return self._augmented(self * other)

    def __itruediv__(self, other):
        return self._augmented(self / other)

    def __ifloordiv__(self, other):
        return self._augmented(self // other)

    def __imod__(self, other):
        return self._augmented(self % other)

    def __ipow__(self, other):
        return self._augmented(self**other)

    def __imatmul__(self, other):
        return self._augmented(self @ other)

    def __iand__(self, other):
        return self._augmented(self & other)

    def __ior__(self, other):
        return self._augmented(self | other)

    def __ixor__(self, other):
        return self._augmented(self ^ other)

    def __ilshift__(self, other):
        return self._augmented(self << other)

    def __irshift__(self, other):
        return self._augmented(self >> other)


# --- keys -------------------------------------------------------------------------------------------------------------

_BASIC = frozenset({int, slice, type(None), type(Ellipsis)})


def _is_basic(k):
    """Whether NumPy gives a view for such a key: whole numbers do, also computed ones, but arrays without axes do not."""
    if type(k) in _BASIC:
        return True
    if isinstance(k, Value):
        return not k.shape and k.dtype.kind in "iu" and not hasattr(k, "place")
    return isinstance(k, np.integer)


def _plain(key):
    return [k for k in key if type(k) in _BASIC]


def _kept(key):
    """A key whose Tensors later assignments do not change."""
    if isinstance(key, tuple):
        return tuple(map(_kept, key))
    return key.owner.detach(key) if isinstance(key, Value) else key
