"""Every public function of NumPy has an answer for Tensors: a derivative in all modes, a constant, or a reason why not."""

import inspect
import warnings
import zlib

import numpy as np
import pytest
import row_tools
from row_tools import close, inner, random_like, same_kind
from test_functions import F32, TABLE, filled, leaves

import chainrule as cr
from chainrule.numpy_calls import NUMPY_FUNCTIONS
from chainrule.numpy_gaps import INDICES, MAKERS, REASONS

pytestmark = pytest.mark.filterwarnings("ignore")
PUBLIC = {n: getattr(np, n) for n in sorted(np.__all__) if callable(getattr(np, n)) and not inspect.isclass(getattr(np, n))}

# Nothing flows: what they give is whole numbers, booleans, dtypes, text, or the same for all small changes of the arguments.
CONSTANT = {
    "all", "allclose", "any", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_right_shift", "argmax",
    "argmin", "argpartition", "argsort", "argwhere", "array2string", "array_equal",
    "array_equiv", "array_repr", "array_str", "bitwise_and", "bitwise_count", "bitwise_or", "bitwise_xor", "broadcast_shapes",
    "can_cast", "ceil", "common_type", "count_nonzero", "diag_indices_from", "digitize", "einsum_path", "empty_like", "equal",
    "fix", "flatnonzero", "floor", "floor_divide", "gcd", "greater", "greater_equal", "heaviside", "invert", "iscomplex",
    "iscomplexobj", "isclose", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj", "ix_",
    "lcm",
    "left_shift", "less", "less_equal", "lexsort", "logical_and", "logical_not", "logical_or", "logical_xor",
    "may_share_memory", "min_scalar_type", "nanargmax", "nanargmin", "ndim", "nonzero", "not_equal", "ones_like",
    "ravel_multi_index", "result_type", "right_shift", "rint", "round", "searchsorted", "shape", "shares_memory", "sign",
    "signbit", "size", "spacing", "tril_indices_from", "triu_indices_from", "trunc", "unravel_index", "zeros_like",
}  # fmt: skip
CHANGE_THEIR_ARGUMENT = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}
# How many elements come out depends on the values: vmap and abstract values say so instead.
SIZE_BY_VALUE = {
    "bincount", "choose", "compress", "extract", "intersect1d", "setdiff1d", "setxor1d", "trim_zeros", "union1d", "unique",
    "unique_all", "unique_counts", "unique_inverse", "unique_values", "real_if_close", "roots", "poly", "polydiv",
}  # fmt: skip
# Tested by themselves: lists of lists as results, slices by value, sets without common elements.
ELSEWHERE = {"histogramdd", "intersect1d", "trim_zeros"}
DERIVATIVE = sorted(
    n
    for n, f in PUBLIC.items()
    if f in NUMPY_FUNCTIONS and n not in CONSTANT | CHANGE_THEIR_ARGUMENT | MAKERS | INDICES | ELSEWHERE | {"row_stack"}
)


def test_every_function_of_numpy_is_classified():
    answered = {n for n, f in PUBLIC.items() if f in NUMPY_FUNCTIONS}
    unknown = set(PUBLIC) - answered - set(REASONS) - MAKERS - INDICES
    assert not unknown, f"NumPy has functions without an answer: {sorted(unknown)}"
    assert not (answered & set(REASONS)), "answered, but with a reason why not"
    assert set(REASONS) <= set(PUBLIC)
    assert answered | MAKERS | INDICES >= CONSTANT | CHANGE_THEIR_ARGUMENT


@pytest.mark.parametrize("module", [np.linalg, np.fft, np.emath], ids=lambda m: m.__name__)
def test_every_function_of_the_modules_is_answered(module):
    """Their values and derivatives are tested function by function in files of their own."""
    public = {n: getattr(module, n) for n in module.__all__ if callable(getattr(module, n))}
    functions = {n for n, f in public.items() if not inspect.isclass(f)}
    answered = {n for n in functions if public[n] in NUMPY_FUNCTIONS}
    assert functions - answered <= {"fftfreq", "rfftfreq", "test"}, "without an answer"


@pytest.mark.parametrize("name", sorted(MAKERS | (INDICES & set(PUBLIC))))
def test_makers_have_our_own_of_the_same_name(name):
    assert callable(getattr(cr.numpy, name))


def test_an_error_says_why():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    for call in (lambda: np.isnat(x), lambda: np.savez("unused", x), lambda: np.packbits(x.astype(np.uint8))):
        with pytest.raises(cr.errors.UnsupportedError, match=r"\n  it .*\n  help"):
            call()


@pytest.mark.parametrize("name", sorted((CONSTANT | set(DERIVATIVE)) & set(PUBLIC)))
def test_options_bear_the_names_of_numpy(name):
    """Every option of NumPy is known, or has no meaning here."""
    from chainrule.numpy_calls import HARMLESS, translation

    if isinstance(PUBLIC[name], np.ufunc):
        return
    t = translation(PUBLIC[name])
    unknown = (
        set(t.defaults)
        - set(t.words)
        - HARMLESS
        - {"out", "args", "kwargs", "arys", "axes", "einsum_call", "signature", "varargs", "xi"}
    )
    if not t.any_options:
        assert unknown <= UNKNOWN_OPTIONS.get(name, set())


UNKNOWN_OPTIONS = {
    "nanpercentile": {"weights"},
    "nanquantile": {"weights"},
    "unique": {"sorted"},
}


def calls(name):
    """The table's calls of one function: (arguments, keywords, places of the arrays, arrays in double precision)."""
    for args, kwargs, _, derivative in TABLE[name]:
        pairs = [(p, x) for p, x in leaves(args) if name not in ("where", "select") or p[0] != 0]
        if not derivative or not pairs or F32 in (kwargs.get("dtype"), *(a for a in args if isinstance(a, (type, np.dtype)))):
            continue
        paths, xs = zip(*pairs, strict=True)
        yield args, kwargs, paths, tuple(x.astype(np.result_type(x.dtype, np.float64)) for x in xs)


def as_vector(function, args, kwargs, paths):
    """The call as a function of its arrays that gives one vector: all inexact results behind each other, bent."""

    def f(*xs):
        out = function(*filled(args, paths, xs), **kwargs)
        parts = list(out) if isinstance(out, (list, tuple)) else [out]
        parts = [np.ravel(p) for p in parts if p.dtype.kind in "fc"]
        return np.sin(0.7 * np.concatenate(parts)) if parts else np.zeros(0)

    return f


def prepared(name):
    for args, kwargs, paths, xs in calls(name):
        f = as_vector(PUBLIC[name], args, kwargs, paths)
        with np.errstate(all="ignore"):
            value = f(*xs)
        if value.size and np.isfinite(value).all():
            yield f, xs, value


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(request):
    row_tools.rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", DERIVATIVE)
def test_first_and_second_order(name):
    """np.f on a Tensor: tangent and cotangent agree with each other and with differences, and so do those of the gradient."""
    tried = 0
    for f, xs, value in prepared(name):
        tried += 1
        ts, us, g = [tuple(map(random_like, xs)) for _ in range(2)] + [random_like(value)]
        moved, pulled = cr.jvp(f, xs, ts)[1], cr.vjp(f, *xs)[1](g)
        h = 1e-6
        there, back = ([x + s * t for x, t in zip(xs, ts, strict=True)] for s in (h, -h))
        slope = (f(*there) - f(*back)) / (2 * h)
        if slope.dtype == value.dtype:
            close(moved, slope, 3e-6, 3e-6 * (1 + np.abs(slope).max()))
        close(inner([g], [moved]), inner(pulled, ts), 1e-9)

        def gradient(*a, f=f, g=g):
            return cr.vjp(f, *a)[1](g)

        forward, reverse = cr.jvp(gradient, xs, ts)[1], cr.vjp(gradient, *xs)[1](us)
        for x, a, b in zip(xs, forward, reverse, strict=True):
            same_kind(a, x)
            same_kind(b, x)
        first, second = inner(us, forward), inner(reverse, ts)
        close(first, second, 1e-8 * (1 + abs(first)))
        up, down = cr.vjp(f, *there)[1](g), cr.vjp(f, *back)[1](g)
        slope = inner(us, [(a - b) / (2 * h) for a, b in zip(up, down, strict=True)])
        close(first, slope, 1e-4 * (1 + abs(slope)))
    assert tried, f"no case of {name} in the table has a derivative"


@pytest.mark.parametrize("name", [n for n in DERIVATIVE if n not in SIZE_BY_VALUE])
def test_vmap_is_a_loop(name):
    for f, xs, value in prepared(name):
        stacks = [np.stack([x, x + 1e-4 * random_like(x)]) for x in xs]
        g = random_like(value)
        expected = [cr.vjp(f, *(s[k] for s in stacks)) for k in range(2)]
        found, pulled = cr.vmap(f)(*stacks), cr.vmap(lambda *a, f=f, g=g: cr.vjp(f, *a)[1](g))(*stacks)
        close(found, np.stack([v for v, _ in expected]), 1e-11)
        for p, *rows in zip(pulled, *(pull(g) for _, pull in expected), strict=True):
            close(p, np.stack(rows), 1e-9 * (1 + np.abs(np.stack(rows)).max(initial=0)))


@pytest.mark.parametrize("name", DERIVATIVE)
def test_compiled_is_eager(name):
    for f, xs, value in list(prepared(name))[:2]:
        g = random_like(value)

        def both(*a, f=f, g=g):
            v, pull = cr.vjp(f, *a)
            return (v, *pull(g))

        for a, b in zip(cr.compile(both)(*xs), both(*xs), strict=True):
            close(np.asarray(a), np.asarray(b), 1e-9 * (1 + np.abs(np.asarray(b)).max(initial=0)))
