"""A primitive: a NumPy function and everything else that any part of the system may ask of it, in one row."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .accelerate import accelerated
from .derivative import Joint, Zero, flows_back
from .dispatch import caller
from .lowering import Lowering

ROWS: dict[str, "Primitive"] = {}


@dataclass(eq=False)
class Primitive:
    """One mathematical operation.

    evaluate    on plain arrays
    args        names of the array arguments; the last one stands for any number of them if `variadic`
    params      names of the static parameters
    derivative  a kind per argument name
    aval        shape-and-dtype rule: aval(*avals, **params) gives the Aval of the result, or a tuple of them
    batch       batch(args, batched, params): runs the op where flagged arguments carry a leading batch axis
    lower       how it becomes machine code
    cost        cost(*args, **params): roughly how many nanoseconds `evaluate` takes, for ops that machine code does much sooner
    fast        gives the same as evaluate, sooner, for arrays and NumPy's and Python's numbers alone
    numpy       the NumPy function that users know it by, if any
    several     evaluate gives a tuple of results
    summed      summed(*args, **params): all arguments have a leading axis, and the results are added up along it; for ops
                that do so sooner than one result after the other
    series      how it runs on series in a small number, which need not be ordinary functions of it: "product" or "quotient" of
                its arguments, or series(trace, args, params); None for what follows from derivatives
    joint_jvp   for ops of many arguments: all tangents (None for zero) at once, instead of one argument at a time
    """

    name: str
    evaluate: Callable
    args: tuple[str, ...]
    params: tuple[str, ...]
    derivative: tuple
    aval: Callable
    batch: Callable
    lower: Lowering
    variadic: bool = False
    several: bool = False
    cost: Callable | None = None
    fast: Callable | None = None
    numpy: Callable | None = None
    summed: Callable | None = None
    joint_jvp: Callable | None = None
    series: Callable | str | None = None
    doc: str = ""
    call: Callable = field(init=False, repr=False)
    simple: bool = field(init=False, repr=False)  # few arguments, one result, all or none differentiable: has fast paths
    kinds: tuple = field(init=False, repr=False)
    plans: tuple = field(init=False, repr=False)
    joint: Joint | None = field(init=False, repr=False)  # the derivative in all arguments at once, where there is one

    def __post_init__(self):
        if self.name in ROWS:
            raise TypeError(f"primitive {self.name!r} is defined twice")
        if len(self.derivative) != len(self.args):
            raise TypeError(f"{self.name}: {len(self.args)} arguments but {len(self.derivative)} derivatives")
        if self.cost is not None:
            self.evaluate = accelerated(self)
        zeros = [isinstance(d, Zero) for d in self.derivative]
        self.joint = next((d for d in self.derivative if isinstance(d, Joint)), None)
        few = len(self.args) == 1 or (len(self.args) == 2 and not self.params)
        self.simple = few and not self.variadic and not self.several and (all(zeros) or not any(zeros))
        self.fast = self.fast or self.evaluate
        self.call = caller(self)
        self.kinds = tuple(kind.bind(self, i) for i, kind in enumerate(self.derivative))
        self.plans = tuple(self._plan(mask) for mask in range(4)) if self.simple else ()
        ROWS[self.name] = self

    def _plan(self, mask):
        """Which of (first argument, second, result) the tape keeps when the arguments in `mask` are active."""
        if not all(map(flows_back, self.kinds)):
            return None
        keeps = frozenset().union(*(kind.keeps for i, kind in enumerate(self.kinds) if mask >> i & 1))
        return (0 in keeps, 1 in keeps, -1 in keeps) if len(self.args) == 2 else (0 in keeps, -1 in keeps)

    def kind(self, i):
        """The bound derivative in argument number `i`, None if zero."""
        if i < len(self.kinds) - self.variadic:
            return self.kinds[i]
        return self._tail_kind(i)

    @functools.cache  # noqa: B019  rows live as long as the program
    def _tail_kind(self, i):
        return self.derivative[-1].bind(self, i)

    def __repr__(self):
        return f"<primitive {self.name}>"


def primitive(
    *,
    derivative,
    aval,
    batch,
    lower,
    numpy=None,
    name=None,
    summed=None,
    joint_jvp=None,
    several=False,
    cost=None,
    series=None,
):
    """Define a row from its NumPy body: positional arguments are arrays, keyword-only ones are static parameters.

    The decorated name becomes the function to call; its row stands in its attribute `row`.
    """

    def define(fn):
        ps = inspect.signature(fn).parameters.values()
        row = Primitive(
            name=name or fn.__name__,
            evaluate=fn,
            args=tuple(p.name for p in ps if p.kind != p.KEYWORD_ONLY),
            params=tuple(p.name for p in ps if p.kind == p.KEYWORD_ONLY),
            derivative=tuple(derivative),
            aval=aval,
            batch=batch,
            lower=lower,
            variadic=any(p.kind == p.VAR_POSITIONAL for p in ps),
            numpy=numpy,
            summed=summed,
            joint_jvp=joint_jvp,
            several=several,
            cost=cost,
            series=series,
            doc=(fn.__doc__ or "").strip(),
        )
        return publish(row, fn)

    return define


def publish(row, fn):
    """The row's calling function, dressed with the name, signature and documentation of `fn`."""
    call: Any = functools.update_wrapper(row.call, fn, updated=())
    call.row = row
    return call
