"""Layers that call one function of `functional` with options that were chosen when the layer was made."""

from collections.abc import Callable
from typing import ClassVar

from .module import Module


class Calls(Module):
    """A layer without a computation of its own: it hands its attributes named in `options` to a function, by name.

    `shown` names those that `repr` shows, by default the options. Of these, flags in `quiet` are shown only if set.
    """

    function: ClassVar[Callable]
    options: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...] | None] = None
    quiet: ClassVar[tuple[str, ...]] = ("inplace",)

    def forward(self, *inputs, **named):
        values = self.__dict__
        return type(self).function(*inputs, **{name: values[name] for name in self.options}, **named)

    def extra_repr(self):
        names = self.options if self.shown is None else self.shown
        return ", ".join(f"{n}={getattr(self, n)!r}" for n in names if getattr(self, n) or n not in self.quiet)


class SpatialCalls(Calls):
    """A layer that calls a function for any number of spatial axes, which is told their number and the layer's name."""

    spatial: ClassVar[int]

    def forward(self, *inputs, **named):
        return super().forward(*inputs, ndim=self.spatial, what=type(self).__name__, **named)
