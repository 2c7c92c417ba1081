"""NumPy's own functions called on a Tensor: which of ours answers, and how NumPy's arguments become ours."""

import functools
import inspect
import math

import numpy as np

from .errors import LostDerivativeError, UnsupportedError, explain
from .numpy_errors import reword
from .numpy_gaps import REASONS
from .numpy_signatures import signature
from .ops import elementwise, shaping

# What to call for a NumPy function or ufunc that meets a Tensor; the numpy namespace fills it in.
NUMPY_FUNCTIONS: dict = {}

# Options that change nothing here: arrays have one memory layout, results one class, and every sort is stable.
HARMLESS = frozenset({"casting", "device", "kind", "like", "optimize", "order", "overwrite_input", "stable", "subok"})
SORTS = {"sort": (), "argsort": (), "partition": (0,), "argpartition": (0,)}
# What may be put into `out`, where NumPy does not put anything into anything.
CASTING = {"dot": "no"} | dict.fromkeys(["around", "clip", "concatenate", "round", "stack"], "same_kind")
LENIENT = frozenset({"nanpercentile", "nanquantile", "percentile", "quantile"})  # repeat what they put into `out`
ONE_OF_TWO = frozenset({"concatenate", "stack"})  # of `out` and `dtype`
SYNONYMS = {"a_min": "min", "a_max": "max"}
_SEVERAL, _ANY = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def unsupported(name, reason=None):
    reason = reason or REASONS.get(name.rpartition(".")[2])
    return UnsupportedError(
        explain(
            f"{name} is not supported on a Tensor",
            *([f"it {reason}"] if reason else []),
            help="write it with functions of chainrule.numpy, or call it on x.detach() if it needs no derivative",
        )
    )


class Translation:
    """How a call in NumPy's words becomes one of ours.

    Arguments without default are matched by position, whatever their names, options by name. `straight` counts the
    positional arguments that can be handed on as they are, `same` holds the keywords that can.
    """

    def __init__(self, theirs, ours):
        self.name, self.ours = theirs.__name__, ours
        asked = list(signature(theirs).parameters.values())
        known = list(inspect.signature(ours).parameters.values())
        self.defaults = {p.name: p.default for p in asked}
        self.names = [p.name for p in asked if p.kind not in (_ANY, p.KEYWORD_ONLY)]
        self.any_options = any(p.kind is _ANY for p in known)
        self.words = self._words(asked, known)
        self.straight = self._straight(asked, known)
        self.same = frozenset(a for a, b in self.words.items() if a == b)

    @staticmethod
    def _words(asked, known):
        """NumPy's name of an argument -> ours; "*" where ours takes it as positional only."""
        ours, theirs = {p.name for p in known}, {p.name for p in asked}
        words = {name: name for name in theirs & ours if name != "out"}
        if any(p.kind is _ANY for p in asked):
            words.update({p.name: p.name for p in known if p.default is not p.empty and p.name != "out"})
        words.update({a: b for a, b in SYNONYMS.items() if a in theirs and b in ours})
        needed = [p.name for p in asked if p.default is p.empty and p.kind not in (_ANY, _SEVERAL) and p.name not in words]
        free = [p.name for p in known if p.default is p.empty and p.kind not in (_ANY, _SEVERAL) and p.name not in words]
        words.update(zip(needed, free, strict=False))
        words.update({p.name: "*" for p in known if p.kind is _SEVERAL and p.name in theirs})
        return words

    def _straight(self, asked, known):
        count = 0
        places = [p for p in known if p.kind not in (_ANY, inspect.Parameter.KEYWORD_ONLY)]
        for a, b in zip((p for p in asked if p.kind is not p.KEYWORD_ONLY), places, strict=False):
            if a.kind is _SEVERAL:
                return math.inf
            if b.kind is _SEVERAL:
                return count + 1
            if self.words.get(a.name) != b.name:
                break
            count += 1
        return count

    def __call__(self, args, kwargs):
        straight = len(args) if self.straight == math.inf else self.straight
        args, given = args[:straight], dict(zip(self.names[straight:], args[straight:], strict=False))
        given.update(kwargs)
        out, options = given.pop("out", None), {}
        for name, value in given.items():
            ours = self.words.get(name)
            if ours == "*":
                args = (*args, value)
            elif ours is not None:
                options[ours] = value
            elif self.any_options:
                options[name] = value
            elif self.name in SORTS and name in ("kind", "order"):
                getattr(np, self.name)(np.zeros(1), *SORTS[self.name], **{name: value})  # NumPy refuses what is none
            elif name not in HARMLESS and not _is(value, self.defaults.get(name)):
                raise unsupported(f"np.{self.name} with option {name}={value!r}")
        result = self.ours(*args, **options)
        if out is None:
            return result
        if self.name in ONE_OF_TWO and options.get("dtype") is not None:
            raise TypeError(f"np.{self.name} takes either `out` or `dtype`, but both were provided")
        casting = kwargs.get("casting", CASTING.get(self.name, "unsafe"))
        return store(f"np.{self.name}", result, out, casting=casting, exact=self.name not in LENIENT)


def _is(value, default):
    return value is default or (isinstance(value, (bool, int, float, str)) and value == default)


TRANSLATIONS: dict = {}


def translation(theirs):
    """The Translation of a NumPy function that one of ours answers, made at its first call."""
    if theirs in TRANSLATIONS:
        return TRANSLATIONS[theirs]
    ours = NUMPY_FUNCTIONS.get(theirs)
    if ours is None:
        module = theirs.__module__.replace("numpy", "np", 1)
        raise unsupported(f"{module}.{theirs.__name__}")
    TRANSLATIONS[theirs] = Translation(theirs, ours)
    return TRANSLATIONS[theirs]


# --- chainrule.numpy --------------------------------------------------------------------------------------------------

OF_UFUNCS = (
    "accumulate", "at", "identity", "nargs", "nin", "nout", "ntypes", "outer", "reduce", "reduceat", "resolve_dtypes",
    "signature", "types",
)  # fmt: skip


UFUNC_OPTIONS = frozenset(
    {"axes", "axis", "casting", "dtype", "keepdims", "order", "out", "sig", "signature", "subok", "where"}
)


def completed(theirs, ours):
    """`ours` with all arguments of NumPy's function of that name.

    A call that uses others than ours takes goes to NumPy, which asks the Tensors among the arguments what to do.
    """
    own = frozenset(p.name for p in inspect.signature(ours).parameters.values() if p.kind is not p.POSITIONAL_ONLY)
    if isinstance(theirs, np.ufunc):
        straight, numpys, anything = theirs.nin, UFUNC_OPTIONS, False
    else:
        words = Translation(theirs, ours)
        straight, numpys = words.straight, frozenset(words.defaults)
        anything = any(p.kind is _ANY for p in signature(theirs).parameters.values())

    @functools.wraps(ours)
    def complete(*args, **options):
        usual = len(args) <= straight and own.issuperset(options)
        if not usual and (anything or numpys.issuperset(options)):
            return theirs(*args, **options)
        try:
            return ours(*args, **options)
        except Exception as error:
            reword(error, theirs, args, options)
            raise

    if isinstance(theirs, np.ufunc):
        for name in OF_UFUNCS:
            setattr(complete, name, getattr(theirs, name))
    return complete


# --- out= -----------------------------------------------------------------------------------------------------------


def store(name, result, out, mask=True, casting="unsafe", exact=False):
    """`result` put into `out` where the mask holds, as NumPy's option `out` asks; gives `out`. Both may be tuples.

    With `exact`, they must have one shape; else the result is repeated as often as needed.
    """
    if isinstance(result, tuple):
        outs = out if isinstance(out, tuple) else (out,)
        return tuple(store(name, r, o, mask, casting, exact) for r, o in zip(result, outs, strict=True))
    target = out[0] if isinstance(out, tuple) else out
    if target is not None and not hasattr(target, "dtype"):
        raise TypeError(f"{name}: return arrays must be arrays or Tensors, found {type(target).__name__}")
    if target is None:
        return result if mask is True else elementwise.where(mask, result, np.zeros((), result.dtype)[()])
    if not np.can_cast(result.dtype, target.dtype, casting):
        raise TypeError(
            explain(
                f"{name}: cannot put {result.dtype} into `out` of {target.dtype} with casting rule {casting!r}",
                help="give an `out` of the result's dtype, or casting='unsafe'",
            )
        )
    if exact and target.shape != result.shape:
        found = f"result: {result.shape}    out: {target.shape}"
        raise ValueError(explain(f"{name}: `out` has the wrong shape", found, help="leave it away"))
    if not hasattr(target, "_rebind"):
        return _store_plain(name, result, target, mask)
    if mask is not True:
        result = elementwise.where(mask, result, target)
    return target._rebind(shaping.broadcast_to(shaping.cast(result, target.dtype), target.shape))


def _store_plain(name, result, target, mask):
    try:
        values = np.asarray(result)
    except LostDerivativeError:
        raise LostDerivativeError(
            explain(
                f"{name}: `out` is a plain array, which cannot hold a Tensor's derivative",
                help="make it a Tensor, for example with np.zeros_like(x), or leave `out` away",
            )
        ) from None
    np.copyto(target, values, casting="unsafe", where=np.asarray(mask))
    return target
