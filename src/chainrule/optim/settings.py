"""Settings of groups of parameters: as the user gave them, as a step needs them, and which of them make sense."""

import numpy as np

from ..core.changes import changes
from ..core.dispatch import state
from ..errors import ArgumentError, UnsupportedError, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.reverse import ROOT


def constant(array):
    """A Tensor of level 0 that no derivative flows into."""
    return ROOT.constant(np.asarray(array))


MOVING = ("momentum", "betas", "weight_decay")  # settings other than the rate that schedules change at each step


class Group(dict):
    """Settings of one group of parameters.

    The learning rate also stands in the Tensor `rate`, which steps read: a step that was recorded once can then be run
    with other learning rates. Assigning to `group['lr']` changes both. Numbers among the settings in `MOVING` become such
    Tensors, in `moved`, when they change for the first time.
    """

    rate: Tensor
    moved: dict

    def __init__(self, settings):
        super().__init__()
        self.update(settings)

    def __getitem__(self, key):
        if state.recorder is not None and (key == "lr" or key in self.__dict__.get("moved", ())):
            return self.rate if key == "lr" else self.moved[key]  # a program must not keep the number
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        before = self.get(key)
        super().__setitem__(key, value)
        if key == "lr":
            self._set_rate(before, value)
        elif key not in MOVING or not self._follow(key, before, value):
            changes.note()

    def _set_rate(self, before, value):
        if not isinstance(value, Tensor) and not isinstance(before, Tensor) and "rate" in self.__dict__:
            self.rate.data = np.float64(value)
            return
        self.rate = value if isinstance(value, Tensor) else constant(np.float64(value))
        changes.note()

    def _follow(self, key, before, value):
        """Let a Tensor in `moved` have a new value; whether that is all that programs need."""
        moved = self.__dict__.setdefault("moved", {})
        known = moved.get(key, before)
        now = _moved(known, before, value)
        if _is_same(known, now):
            now = known  # the same tuple, by which programs recognise it
        if _holds_tensors(now):
            moved[key] = now
        else:
            moved.pop(key, None)
        return now is known

    def place(self, key):
        """The dict in which a setting stands as steps read it."""
        moved = self.__dict__.get("moved", {})
        return moved if key in moved else self

    def update(self, *settings, **more):
        for key, value in dict(*settings, **more).items():
            self[key] = value

    def __ior__(self, settings):  # type: ignore[override, misc]
        self.update(settings)
        return self

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]


def _is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _moved(known, before, value):
    """A setting as steps read it. Zero stays a number, since it means that something is not done at all."""
    if isinstance(value, tuple) and isinstance(before, tuple) and len(value) == len(before) == len(known):
        return tuple(_moved(*xs) for xs in zip(known, before, value, strict=True))
    if not _is_number(value) or value == 0:
        return value
    if isinstance(known, Tensor) and _is_number(before):
        known.data = np.float64(value)
        return known
    return constant(np.float64(value)) if _is_number(before) and before not in (0, value) else value


def _holds_tensors(x):
    return any(map(_holds_tensors, x)) if isinstance(x, tuple) else isinstance(x, Tensor)


def _is_same(a, b):
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_is_same, a, b))
    return a is b or (_is_number(a) and _is_number(b) and a == b)


def is_given(setting):
    """Whether a number is not zero; a Tensor, which a program reads anew each time, counts as such."""
    return isinstance(setting, Tensor) or bool(setting)


def _in_dtype(value, dtype):
    """A setting whose Tensors have this dtype."""
    if isinstance(value, Tensor):
        return cast(value.detach(), dtype)
    return tuple(_in_dtype(v, dtype) for v in value) if type(value) is tuple else value


class Hyper(dict):
    """The settings of a group as a step needs them: as the user gave them, but Tensors and 'lr' in the parameters' dtype.

    `rate` is the learning rate in float64, `first_rate` what it is before any program runs, which first states may use.
    """

    def __init__(self, group, dtype):
        super().__init__((key, _in_dtype(group.place(key)[key], dtype)) for key in group if key != "params")
        self.dtype = dtype
        self.rate = group.rate.detach()
        self.first_rate = group.get("lr")
        self["lr"] = cast(self.rate, dtype)
        self._shared: dict = {}

    def once(self, f, *counts):
        """`f(*counts, hyper)`, computed once for all parameters that share these Tensors, in float64.

        `f` gives the new counts, and the numbers that hang on counts and settings alone, which are cast to the dtype.
        """
        key = tuple(id(count) for count in counts)
        if key not in self._shared:
            out = f(*counts, self)
            n = len(counts)
            self._shared[key] = counts, (*out[:n], *(cast(x, self.dtype) for x in out[n:]))
        return self._shared[key][1]


def one_more(step, hyper):
    """For `Hyper.once`: the next count of steps, for methods in which nothing hangs on it."""
    return (step + 1.0,)


def only_real(param, name):
    """Raise if the parameter is complex, for methods that have no meaning then."""
    if param.dtype.kind == "c":
        raise UnsupportedError(
            explain(
                f"{name} cannot update complex parameters", help="use Adam, or keep real and imaginary part as two parameters"
            )
        )


def check(holds, what, found, help):
    """Raise ArgumentError unless a setting is sensible."""
    if not holds:
        raise ArgumentError(explain(what, f"found: {found}", help=help))


NOT_NEGATIVE = (
    "lr", "weight_decay", "eps", "momentum", "alpha", "rho", "lr_decay", "momentum_decay", "initial_accumulator_value",
)  # fmt: skip


def check_settings(name, settings):
    """Raise unless the settings that optimisers have in common are sensible."""
    lr = settings.get("lr")
    if isinstance(lr, Tensor):
        check(
            lr.size == 1, f"{name}: a Tensor as lr must have one element", f"shape {lr.shape}", "use groups for several rates"
        )
    for key in NOT_NEGATIVE:
        value = settings.get(key)
        check(not isinstance(value, (str, bytes)), f"{name}: {key} must be a number", repr(value), f"{key}=float({value!r})")
        if isinstance(value, (int, float, np.number)):
            help = "minimise with a positive rate, maximise with maximize=True" if key == "lr" else "use 0 or more"
            check(value >= 0, f"{name}: {key} must not be negative", value, help)
    betas = settings.get("betas", ())
    check(len(betas) != 1, f"{name}: betas are several numbers", betas, "the usual betas are (0.9, 0.999)")
    for i, beta in enumerate(betas):
        check(0 <= beta < 1, f"{name}: betas[{i}] must be at least 0 and below 1", beta, "the usual betas are (0.9, 0.999)")
    check(
        not (settings.get("fused") and settings.get("foreach")),
        f"{name}: fused and foreach cannot both be chosen",
        "fused=True, foreach=True",
        "leave both out: all parameters are updated by one program in any case",
    )
    if settings.get("differentiable"):
        raise UnsupportedError(
            explain(
                f"{name}: differentiable=True",
                help="write the update with cr.grad and cr.tree_map to differentiate through it",
            )
        )
