"""What a public function can do, found out by running its sample call: one mark per column of docs/functions.md.

yes            it runs, and agrees with what it is compared with
yes, in z      for these arguments alone, and why not for the others
zero           there is a derivative, and it is zero: the function is piecewise constant
native         all of it runs as machine code; "NumPy: rows" names the rows that call back
real only      the function that it follows takes no complex numbers either
by value       how many elements come out depends on the values, so entries of a batch cannot be stacked
-              the question has no meaning: no argument or no result that has a derivative; no array to map over
no: why        it does not, with the first line of the reason
"""

import functools
import inspect
import types
import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse
from function_calls import NAMESPACES

import chainrule as cr
from chainrule.numeric import slope

COLUMNS = ("forward", "reverse", "second order", "vmap", "compiled", "complex")
NONE, YES, ZERO, REAL, BY_VALUE = "-", "yes", "zero", "real only", "by value"
LACKING = "lacking: "  # in front of what the library itself says
NO_FUNCTIONS = {"is_complex", "is_inexact", "as_shape", "Variable", "ndenumerate"}
NO_ARRAYS = {"array2string", "array_repr", "array_str", "common_type", "einsum_path", "finfo", "iinfo", "numel", "device"}
NO_ARRAYS |= {"Size", "get_default_dtype", "is_floating_point", "is_nonzero", "set_default_dtype", "set_printoptions"}
NO_ARRAYS |= {"is_tensor", "is_grad_enabled", "set_grad_enabled", "get_rng_state", "set_rng_state", "manual_seed"}
NO_ARRAYS |= {"is_inference_mode_enabled", "is_anomaly_enabled"}
NO_ARRAYS |= {*cr.pytorch.environment.__all__, "initial_seed"}
NO_ARRAYS |= {name for name in cr.pytorch.spectra.__all__ if name.endswith("_window")}
OF_FUNCTIONS = {"grad", "value_and_grad", "jvp", "vjp", "hvp", "linearize", "jacobian", "jacfwd", "jacrev", "hessian", "vmap"}
OF_FUNCTIONS |= {
    "graph",
    "compile",
    "checkpoint",
    "custom_jvp",
    "custom_root",
    "custom_vjp",
    "gradcheck",
    "tree_map",
    "tree_leaves",
}
# Why a function has a gap that its own error does not explain, by name and column.
EXPLAINED = {
    **{n: {"vmap": "may raise for one entry alone"} for n in ("asarray_chkfinite", "digitize", "ravel_multi_index")},
    "from_dlpack": dict.fromkeys(COLUMNS, "makes a Tensor of a plain array; what is traced has no memory to share"),
    "from_numpy": dict.fromkeys(
        [c for c in COLUMNS if c != "compiled"], "makes a Tensor of a plain array; what is traced has no memory to share"
    ),
    "stop_gradient": dict.fromkeys(("forward", "complex"), "it is there to say that a slope other than zero is not meant"),
    "mode": {
        **dict.fromkeys(("vmap", "compiled"), "which value is the most frequent is looked at before anything is computed"),
        "complex": "complex numbers have no order",
    },
    "unique_consecutive": dict.fromkeys(("vmap", "compiled"), "how many elements come out depends on the values"),
}
REAL_ONLY = (
    "not supported for the input types",
    "complex numbers have no order",
    "real numbers",
    "must be real",
    "may not be complex",
    "complex numbers are not supported",
    "Unsupported dtype 'complex128'",
    "Cannot cast array data from dtype('complex128')",
)
DEPENDS = ("differs from batch entry", "different number of elements", "rank decides the shape")


class Marks(NamedTuple):
    forward: str
    reverse: str
    second: str
    vmap: str
    compiled: str
    complex: str


def public_functions():
    """(namespace, name, function), each function under the first namespace and name that it has."""
    seen = set()
    left_out = NO_FUNCTIONS | NO_ARRAYS | OF_FUNCTIONS
    for namespace, (module, _) in NAMESPACES.items():
        names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        for name in sorted(names):
            f = getattr(module, name)
            f = getattr(f, "without_keywords", f)
            ours = (getattr(f, "__module__", None) or "").startswith("chainrule")
            if callable(f) and not isinstance(f, (type, types.ModuleType)) and ours and name not in left_out:
                again = f in seen
                seen.add(f)
                yield namespace, name, f, again


class Sample:
    """A sample call as a function of the floating-point arrays in it, or of some of these; or of arrays of any dtype."""

    def __init__(self, f, call, only=None, discrete=False):
        self.f, self.call, self.discrete = f, call, discrete
        self.leaves, self.structure = cr.trees.flatten(tuple(call.args))
        places = [i for i, x in enumerate(self.leaves) if _inexact(x) and not _is_python_number(x)]
        self.places = places or [i for i, x in enumerate(self.leaves) if type(x) in (float, complex)]
        if discrete:
            self.places = [i for i, x in enumerate(self.leaves) if isinstance(x, np.ndarray) and x.ndim]
        self.hermitian = {self.places[k] for k in call.hermitian}
        if only is not None:
            self.places = [self.places[only]]
        self.xs = [np.array(self.leaves[i]) for i in self.places]

    def __call__(self, *xs):
        """The floating-point results, as a flat list."""
        return [o for o in self.all(*xs) if _inexact(o)]

    def all(self, *xs):
        leaves = list(self.leaves)
        for i, x in zip(self.places, xs, strict=True):
            leaves[i] = 0.5 * (x + cr.conj(cr.matrix_transpose(x))) if i in self.hermitian else x
        args = list(cr.trees.unflatten(self.structure, leaves))
        if self.call.mutates:
            args[0] = cr.asarray(args[0]) * 1.0 if isinstance(args[0], cr.Tensor) else cr.tensor(args[0])
        if self.call.seeded:
            cr.manual_seed(3)
        out = self.f(*args, **self.call.kwargs)
        outs = [
            o for o in cr.trees.flatten(args[0] if self.call.mutates else out)[0] if hasattr(o, "dtype") or _is_python_number(o)
        ]
        return outs if self.call.after is None else list(self.call.after(outs))


def _names(sample):
    """What the parameters are called that take the arrays of a sample."""
    names = list(inspect.signature(sample.f).parameters)
    paths = [int(p[1:].partition("]")[0]) for p in cr.trees.paths(sample.structure)]
    return [names[min(paths[i], len(names) - 1)] for i in sample.places]


def _is_python_number(x):
    return type(x) in (bool, int, float, complex)


def _inexact(x):
    if scipy.sparse.issparse(x):
        return False  # a constant
    return getattr(getattr(x, "dtype", None), "kind", "f" if type(x) in (float, complex) else "O") in "fc"


def _random_like(rng, x):
    t = rng.normal(size=np.shape(x))
    return np.asarray(t + 1j * rng.normal(size=np.shape(x)) if x.dtype.kind == "c" else t, x.dtype)


def _arrays(xs):
    return [np.asarray(x.detach() if isinstance(x, cr.Tensor) else x) for x in xs]


def _close(found, expected, tolerance):
    for a, b in zip(_arrays(found), _arrays(expected), strict=True):
        if a.shape != b.shape:
            raise _OtherShape(f"shape {a.shape} instead of {b.shape}")
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=1.0) if b.dtype.kind in "fc" else 1
        if not np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            raise AssertionError(f"off by {np.nanmax(np.abs(a - b)):.1e}")


def _why_not(error, column):
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if column == "complex" and any(t in text for t in REAL_ONLY):
        return REAL
    if column == "vmap" and (any(t in text for t in DEPENDS) or isinstance(error, _OtherShape)):
        return BY_VALUE
    if isinstance(error, cr.errors.UnsupportedError):
        return LACKING + "; ".join(line.strip() for line in str(error).splitlines() if "help:" not in line)
    return f"no: {type(error).__name__}: {text}"[:200]


class _OtherShape(AssertionError):
    """Results that should be alike have different shapes."""


class Probe:
    """The questions to one function; each answers with a mark or raises."""

    def __init__(self, f, call):
        self.f, self.call = f, call
        self.whole = Sample(f, call)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            self.outs = self.whole.all(*self.whole.xs)

    def marks(self):
        """The marks, and by column why some arguments are left out."""
        reasons: dict = {}
        arrays = any(hasattr(o, "dtype") for o in self.outs)
        inexact = arrays and bool(self.whole.xs)
        if arrays and not inexact:  # whole numbers and truth values, which vmap and compile have to do with
            self.whole = Sample(self.f, self.call, discrete=True)
        meant = {vmap: arrays and bool(self.whole.xs), compiled: arrays, complexly: inexact}
        found = {}
        for column, ask in zip(COLUMNS, (forward, reverse, second, vmap, compiled, complexly), strict=True):
            if not meant.get(ask, inexact and any(map(_inexact, self.outs))):
                found[column] = NONE
            elif ask is second and found["forward"] == found["reverse"] == ZERO:
                found[column] = ZERO
            else:
                found[column], why = self.answer(ask, column)
                if why:
                    reasons[column] = why
        return Marks(*found.values()), reasons

    def answer(self, ask, column):
        """The mark for all arguments together, else for each alone."""
        whole = _asked(ask, self.whole, column)
        explained = EXPLAINED.get(self.f.__name__, {}).get(column)
        if not whole.startswith(("no", LACKING)) and whole != REAL:
            return whole, None
        good = {}
        if len(self.whole.xs) > 1 and ask is not compiled and not self.whole.discrete:
            for k in range(len(self.whole.xs)):
                one = Sample(self.f, self.call, only=k)
                mark = _asked(ask, one, column)
                if mark in (YES, ZERO):
                    good[_names(one)[0]] = mark
        why = explained or ("the other arguments are real" if whole == REAL else whole.removeprefix(LACKING))
        if any(m == YES for m in good.values()):
            return f"yes, in {', '.join(good)}", why
        return ("no", why) if explained or whole.startswith(LACKING) else (whole, None)


def _asked(ask, sample, column):
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return ask(sample)
    except Exception as error:
        return _why_not(error, column)


def _tangents(sample, seed=7):
    rng = np.random.default_rng(seed)
    return [_random_like(rng, x) for x in sample.xs]


def _inner(xs, ys):
    return np.asarray(sum(np.sum((np.conj(x) * y).real) for x, y in zip(_arrays(xs), _arrays(ys), strict=True)))


def _loose(sample, outs, tolerance):
    return 1e-4 if any(np.asarray(x).dtype in (np.float32, np.complex64) for x in (*sample.xs, *_arrays(outs))) else tolerance


def _plain(sample):
    return lambda xs: _arrays(sample(*xs))


def forward(sample):
    ts = _tangents(sample)
    moved = cr.jvp(sample, tuple(sample.xs), tuple(ts))[1]
    _close(moved, slope(_plain(sample), sample.xs, ts).value, _loose(sample, moved, 1e-6))
    return YES if any(np.any(np.asarray(m)) for m in moved) else ZERO


def _pulled(sample):
    """The gradient of a weighted sum of the results."""

    def pulled(*xs):
        value, pull = cr.vjp(sample, *xs)
        rng = np.random.default_rng(8)
        return pull([_random_like(rng, v) for v in value])

    return pulled


def reverse(sample):
    ts = _tangents(sample)
    moved = cr.jvp(sample, tuple(sample.xs), tuple(ts))[1]
    rng = np.random.default_rng(8)
    gs = [_random_like(rng, m) for m in _arrays(moved)]
    back = _pulled(sample)(*sample.xs)
    _close([_inner(gs, moved)], [_inner(back, ts)], _loose(sample, moved, 1e-8))
    return YES if any(map(np.any, _arrays(back))) else ZERO


def second(sample):
    pulled, ts, us = _pulled(sample), _tangents(sample), _tangents(sample, 6)
    over = cr.jvp(pulled, tuple(sample.xs), tuple(us))[1]
    twice = cr.vjp(pulled, *sample.xs)[1](tuple(ts))
    tolerance = _loose(sample, over, 1e-7)
    _close([_inner(over, ts)], [_inner(twice, us)], tolerance)
    _close(over, slope(lambda xs: _arrays(pulled(*xs)), sample.xs, us).value, 100 * tolerance)
    return YES  # also where it is zero, because the function is linear


def vmap(sample):
    stacks = [np.stack([x, x + 0.01 if _inexact(x) else np.roll(x, 1)]) for x in sample.xs]
    randomness = "same" if sample.call.seeded else "different"  # each entry starts from the same seed
    found = cr.vmap(lambda *xs: sample.all(*xs), randomness=randomness)(*stacks)
    each = [_arrays(sample.all(*(s[k] for s in stacks))) for k in range(2)]
    if any(a.shape != b.shape for a, b in zip(*each, strict=True)):
        return BY_VALUE
    _close(found, [np.stack(column) for column in zip(*each, strict=True)], 1e-6)
    return YES


def compiled(sample):
    program = cr.compile(lambda *xs: sample.all(*xs))
    _close(program(*sample.xs), sample.all(*sample.xs), 1e-6)
    kernels = [k for top in program.explain(*sample.xs).kernels for k in top.everything()]
    back = sorted({name for k in kernels if k.callback is not None for name in k.rows})
    return f"NumPy: {', '.join(back)}" if back else "native"


def complexly(sample):
    rng = np.random.default_rng(5)
    xs = [x if x.dtype.kind == "c" else x + 0.1j * _random_like(rng, x) for x in sample.xs]
    outs = _arrays(sample.all(*xs))
    if not any(map(_inexact, outs)):
        return YES
    us = [_random_like(rng, x) for x in xs]
    moved = cr.jvp(sample, tuple(xs), tuple(us))[1]
    _close(moved, slope(_plain(sample), xs, us).value, 1e-6)
    value, pull = cr.vjp(sample, *xs)
    gs = [_random_like(rng, v) for v in _arrays(value)]
    _close([_inner(gs, moved)], [_inner(pull(gs), us)], 1e-7)
    return YES


@functools.cache
def table():
    """(namespace, name) -> (marks, reasons by column) of all public functions that have a sample call, each function once."""
    found = {}
    for namespace, name, f, again in public_functions():
        call = NAMESPACES[namespace][1].get(name)
        if call is not None and not again:
            found[namespace, name] = Probe(f, call).marks()
    return found


def again():
    """namespace -> names of functions that an earlier namespace has too."""
    found: dict = {}
    first: dict = {}
    for namespace, name, f, twice in public_functions():
        if twice and first[f][0] != namespace:
            found.setdefault(namespace, []).append(name)
        elif twice:
            first[f][1].append(name)
        else:
            first[f] = (namespace, [name])
    return found


def other_names():
    """(namespace, name) -> further names of the same function there."""
    first: dict = {}
    for namespace, name, f, _ in public_functions():
        space, names = first.setdefault(f, (namespace, []))
        if space == namespace:
            names.append(name)
    return {(space, names[0]): names[1:] for space, names in first.values()}
