"""Every public function against NumPy or SciPy: values, dtypes and first derivatives, from one table."""

import importlib
import inspect
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import row_tools
import sampling
import scipy.special
from row_tools import close, inner, random_like, richardson, same_kind
from sampling import F32, F64, ints, normal, spread

import chainrule as cr
import chainrule.numpy as cnp

sampling.start(21)

A = spread((2, 3), 0.5, 2)
B = spread((2, 3), 0.6, 2.2)
V = spread((4,), -2, 2)
M = normal(3, 3)
T = spread((2, 3, 4), 0.3, 3) * np.where(normal(2, 3, 4) > 0, 1, -1)
Z = normal(2, 3, dtype=np.complex128)
WHOLE = ints(1, 5, 2, 3)
S = np.sort(normal(5))


def named(name):
    """The function of chainrule.numpy; the one of `chainrule` where NumPy's changes its first argument."""
    return cr.put_along_axis if name == "put_along_axis" else getattr(cnp, name)


def cases():
    """name -> list of (arguments, keywords, reference, whether there is a derivative to check).

    The reference is NumPy's function of the same name, unless given.
    """
    t = {}

    def add(name, *many, ref=None, derivative=True):
        t.setdefault(name, []).extend((args, kw, ref, derivative) for args, kw in many)

    def call(*args, **kw):
        return args, kw

    unary = [
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "cbrt",
        "square",
        "reciprocal",
        "negative",
        "absolute",
        "abs",
        "fabs",
        "degrees",
        "radians",
        "deg2rad",
        "rad2deg",
        "arcsinh",
        "asinh",
        "arctan",
        "atan",
        "sinc",
        "sign",
        "trunc",
        "floor",
        "ceil",
        "rint",
        "round",
        "around",
        "conj",
        "conjugate",
        "positive",
        "nan_to_num",
        "i0",
    ]
    for name in unary:
        if hasattr(cnp, name):
            add(name, call(A), call(A.astype(F32)), call(A[0, 0]), call(A[:0]))
    for name in ["sin", "exp", "sqrt", "absolute", "conj", "real", "imag", "angle", "square", "sign"]:
        add(name, call(Z))
    for name in ["arcsin", "asin", "arccos", "acos", "arctanh", "atanh"]:
        add(name, call(A / 3), call((A / 3).astype(F32)))
    for name in ["arccosh", "acosh"]:
        add(name, call(A + 1))
    for name in ["isnan", "isinf", "isfinite", "signbit", "logical_not"]:
        add(name, call(A), call(np.array([np.nan, np.inf, -np.inf, 0.0])), derivative=False)
    add("real", call(A))
    add("imag", call(A))
    add("angle", call(Z, deg=True))
    for name in [
        "add",
        "subtract",
        "multiply",
        "divide",
        "true_divide",
        "power",
        "pow",
        "float_power",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "hypot",
        "arctan2",
        "atan2",
        "logaddexp",
        "logaddexp2",
        "remainder",
        "mod",
        "fmod",
        "floor_divide",
        "copysign",
        "heaviside",
    ]:
        clear = name in ["remainder", "mod", "fmod", "floor_divide"]  # quotients that are far from whole numbers
        x = B * (np.array([[-2.0, -1, 0], [1, 2, 3]]) + spread((2, 3), 0.2, 0.8)) if clear else A
        y, others = (B, [call(np.array([1.5, -1.5]), 2)]) if clear else (B, [call(A, B[0]), call(A, 1.7), call(2.3, B)])
        add(name, call(x, y), call(x[:, :1], y[:, :1]), call(x[:0], y[:1]), call(x.astype(F32), y), *others)
    add("float_power", call(WHOLE, 2), derivative=False)
    for name in [
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
    ]:
        add(name, call(A, B), call(WHOLE, 2), call(A, A), derivative=False)
    for name in ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"]:
        add(name, call(WHOLE, 2), call(WHOLE, WHOLE[0]), derivative=False)
    for name in ["invert", "bitwise_not", "bitwise_invert"]:
        add(name, call(WHOLE), call(WHOLE > 2), derivative=False)
    add(
        "isclose",
        call(A, A + 1e-9),
        call(A, B),
        call(np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), equal_nan=True),
        derivative=False,
    )
    add(
        "nan_to_num",
        call(np.array([np.nan, np.inf, -np.inf, 1.0])),
        call(np.array([np.nan, np.inf]), nan=2.0, posinf=3.0),
        derivative=False,
    )
    add("where", call(A > 1, A, B), call(A > 1, A, 0.0), call(np.array([True, False, True]), 1.0, B))
    add("clip", call(A, 0.83, 1.57), call(A, None, 1.57), call(A, 0.83, None), call(WHOLE, 2, 3), call(A, B[0] * 0.4, 1.9))
    R = np.array([[0.12, 1.07, -2.33], [3.41, 0.54, 7.28]])
    add("round", call(R, 1), call(WHOLE, 0), call(R / 10, decimals=2))
    conditions = [A < 0.9, A > 1.4]
    add("select", call(conditions, [A, B]), call(conditions, [A, 2.0], default=3.0))
    add("piecewise", call(A, conditions, [np.sin, np.exp]), call(A, conditions, [np.sin, 2.0, np.square]))
    add("piecewise", call(A, [A < 1.4, A < 0.9], [np.sin, np.exp]))
    # reductions
    for name in ["sum", "mean", "prod", "max", "min", "amax", "amin", "ptp", "var", "std"]:
        add(
            name,
            call(A),
            call(A, axis=0),
            call(A, axis=-1, keepdims=True),
            call(T, axis=(0, 2)),
            call(A.astype(F32), axis=1),
            call(A[0, 0]),
            call(T, (1, -1), keepdims=True),
        )
    for name in ["sum", "prod", "max", "min", "all", "any", "count_nonzero"]:
        add(name, call(WHOLE), call(WHOLE, axis=0), derivative=False)
    add("mean", call(WHOLE))
    add("sum", call(A[:0], axis=0), call(WHOLE, dtype=float), call(A > 1), call(Z, axis=0))
    add("prod", call(Z, axis=0))
    add("mean", call(Z, axis=0))
    add("var", call(Z, axis=1), call(A, axis=1, ddof=1))
    add("std", call(A, axis=0, ddof=1), call(Z))
    add("all", call(A > 1, axis=1), call(A), call(A > 1, keepdims=True), derivative=False)
    add("any", call(A > 1, axis=(0, 1)), call(A, axis=-1), derivative=False)
    add("count_nonzero", call(A > 1, axis=1), call(A, keepdims=True), derivative=False)
    add("argmax", call(A), call(A, axis=0), call(A, axis=-1, keepdims=True), derivative=False)
    add("argmin", call(A), call(A, 1), derivative=False)
    add("cumsum", call(A), call(A, axis=1), call(A, 0), call(WHOLE), call(A[0, 0]))
    add("cumprod", call(A), call(A, axis=1), call(A, 0), call(WHOLE))
    add("cumulative_sum", call(V), call(A, axis=1))
    add("cumulative_prod", call(V), call(A, axis=1))
    add(
        "average",
        call(A),
        call(A, axis=0),
        call(A, axis=1, weights=np.array([1.0, 2.0, 3.0])),
        call(A, weights=B),
        call(A, axis=0, weights=B),
    )
    add("nansum", call(A), call(A, axis=1), call(np.where(A > 1, np.nan, A), axis=0))
    add("nanmean", call(A), call(A, axis=1, keepdims=True), call(np.array([[1.0, np.nan], [2.0, 3.0]]), axis=1))
    add("median", call(A), call(A, axis=0), call(T, axis=(0, 2)), call(T, axis=1, keepdims=True), call(V))
    add(
        "quantile",
        call(A, 0.3),
        call(A, [0.1, 0.9], axis=1),
        call(T, 0.7, axis=(0, 1), keepdims=True),
        call(T, [0.0, 1.0], axis=2, keepdims=True),
    )
    add("percentile", call(A, 30), call(A, [10, 90], axis=0))
    add(
        "norm",
        call(V),
        call(A),
        call(A, axis=1),
        call(A, 1, axis=0),
        call(A, 3, axis=1),
        call(A, np.inf, axis=1),
        call(A, -np.inf, axis=0),
        call(A, 1),
        call(A, np.inf),
        call(A, -1),
        call(A, "fro"),
        call(V, 2),
        call(T, axis=(0, 2)),
        call(T, 1, axis=(0, 2)),
        call(A, axis=1, keepdims=True),
        call(A, 1, axis=(0, 1), keepdims=True),
        ref=np.linalg.norm,
    )
    add("norm", call(V, 0), call(Z, axis=0), ref=np.linalg.norm)
    add("logsumexp", call(A), call(A, axis=1), call(A, axis=(0, 1), keepdims=True), ref=scipy.special.logsumexp)
    add("softmax", call(A, axis=1), call(A, axis=0), call(V, axis=0), ref=scipy.special.softmax)
    add("log_softmax", call(A, axis=1), call(V, axis=0), ref=scipy.special.log_softmax)
    # shapes
    add(
        "reshape",
        call(A, (3, 2)),
        call(A, (-1,)),
        call(A, (3, -1)),
        call(A, (1, 6, 1)),
        call(A, 6),
        call(A, (3, 2), order="F"),
        call(A[:0], (0, 5)),
    )
    add("ravel", call(A), call(A, order="F"), call(A[0, 0]))
    add("transpose", call(A), call(T), call(T, (1, 2, 0)), call(T, (-1, 0, 1)), call(V))
    add("permute_dims", call(T, (1, 2, 0)))
    add("matrix_transpose", call(T))
    add("swapaxes", call(T, 0, -1), call(A, 1, 0))
    add("moveaxis", call(T, 0, -1), call(T, (0, 1), (2, 0)), call(T, [-1], [0]))
    add("rollaxis", call(T, 2), call(T, 0, 3), call(T, 1, 0), call(T, -1, 1))
    add("expand_dims", call(A, 0), call(A, -1), call(A, (0, 2)), call(A[0, 0], 0))
    add("squeeze", call(A[None]), call(A[:, None, :, None], axis=1), call(A[None, :, None], axis=(0, -2)))
    add("broadcast_to", call(V, (2, 4)), call(A[0, 0], (2, 2)), call(A[:, :1], (3, 2, 4)))
    add("atleast_1d", call(A[0, 0]), call(A))
    add("atleast_2d", call(A[0, 0]), call(V), call(T))
    add("atleast_3d", call(A[0, 0]), call(V), call(A), call(T))
    for name, more in (("flip", [call(T, (0, 2)), call(T, -1)]), ("flipud", []), ("fliplr", [])):
        add(name, call(A), *more)
    add("rot90", *(call(A, k) for k in (-1, 0, 1, 2, 3)), call(T, 1, (2, 0)))
    add("astype", call(A, F32), call(A, np.int64), call(WHOLE, F64))
    add("concatenate", call([A, B]), call([A, B[:, :1]], axis=1), call([A, B], axis=None), call([A, WHOLE]), call((V, V[:0])))
    add("concat", call([A, B], axis=-1))
    add("stack", call([A, B]), call([A, B], axis=-1), call([V, V, V], 1))
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        add(name, call([A, B]), call([V, V]))
    add("append", call(A, B), call(A, B, axis=0))
    add("array_split", call(V, 3), call(T, [1, 2], axis=2), call(V, 5))
    add("split", call(V, 2), call(T, [1], axis=1), call(T, 3, 1))
    add("hsplit", call(T, 3), call(V, 2))
    add("vsplit", call(T, 2))
    add("dsplit", call(T, 2), call(T, [1, 3]))
    add("unstack", call(A), call(T, axis=1))
    add("broadcast_arrays", call(A, V[:3]))
    add("meshgrid", call(V, S), call(V, S, indexing="ij"), call(V, S, V[:2]), call(V))
    add("tile", call(A, 2), call(A, (2, 1)), call(A, (2, 1, 3)), call(V, ()), call(A[0, 0], 3))
    add("repeat", call(A, 2), call(A, 2, axis=1), call(A, [1, 2], axis=0), call(V, [0, 1, 2, 1]), call(A, 0, axis=0))
    add(
        "roll",
        call(V, 1),
        call(V, -5),
        call(A, 2),
        call(A, 1, axis=1),
        call(A, (1, -1), axis=(0, 1)),
        call(A[:0], 1),
        call(A, 1, axis=(0, 1)),
    )
    for mode in ("edge", "reflect", "symmetric", "wrap", "constant"):
        add(
            "pad",
            call(V, 2, mode=mode),
            call(A, ((1, 0), (0, 2)), mode=mode),
            call(V, (1, 3), mode=mode),
            call(A, 1, mode=mode),
            call(V, 9, mode=mode),
        )
    add("pad", call(A, 1, constant_values=2.5), call(A, (1, 2)), call(A, 0))
    add("diag", call(V), call(V, 1), call(V, -2), call(M), call(M, 1), call(A, -1))
    add("diagonal", call(M), call(T, 1, 1, 2), call(T, -1, 0, 2), call(T), call(A, 5))
    add("trace", call(M), call(T, 1, 2, 1), call(M, -1))
    add("tril", call(M), call(T, 1), call(A, -1))
    add("triu", call(M), call(T, 1), call(A, -1))
    add("diff", call(V), call(A, axis=0), call(A, 2), call(A, 0), call(T, 1, 1))
    add("interp", call(V, S, S**2), call(A[0, 0], S, S + 1), call(A, S, S**2, left=-3.0, right=7.0))
    add(
        "trapezoid",
        call(V),
        call(A, axis=0),
        call(A, dx=0.5),
        call(A, np.array([0.0, 1.0, 3.0])),
        call(A, B * 3, axis=1),
        call(A, np.array([0.5, 2.0]), axis=0),
    )
    add("take", call(V, [0, 2, 2]), call(A, 1, axis=0), call(A, [[0, 1], [1, 1]], axis=1), call(A, [5, -1]))
    add(
        "take_along_axis",
        call(A, np.argsort(A, 1), axis=1),
        call(A, np.array([[0, 1, 1]]), axis=0),
        call(A, np.array([5, 0]), axis=None),
    )
    add("compress", call([True, False, True], A, axis=1), call([False, True], A, axis=0))
    add("nonzero", call(WHOLE > 2), call(A), derivative=False)
    add("sort", call(V), call(A, axis=0), call(A, axis=None), call(WHOLE, axis=1))
    add("partition", call(np.sort(V), 2), call(np.sort(A, 0), 1, axis=0))
    add("argpartition", call(np.sort(V), 2), derivative=False)
    add("gradient", call(V), call(V, 0.5), call(A), call(A, axis=1), call(A, 2.0, 0.5), call(T, axis=(0, 2)))
    add("argsort", call(V), call(A, axis=0), call(A, axis=None), derivative=False)
    add("searchsorted", call(S, V), call(S, 0.2, side="right"), derivative=False)
    # products
    add(
        "matmul",
        call(M, M),
        call(A, M),
        call(T, normal(4, 2)),
        call(V, normal(4, 2)),
        call(A, normal(3)),
        call(V, V),
        call(normal(2, 2, 3), T),
        call(V, normal(2, 4, 3)),
    )
    add("dot", call(M, M), call(V, V), call(A, 2.0), call(T, normal(4)), call(T, normal(5, 4, 2)), call(A, normal(3)))
    add("inner", call(V, V), call(A, B), call(T, normal(2, 4)), call(A, 2.0))
    add("outer", call(V, S), call(A, V))
    add("vdot", call(A, B), call(Z, Z))
    add("vecdot", call(A, B), call(Z, Z), call(A, B, axis=0), call(T, normal(3, 4)))
    add(
        "tensordot",
        call(T, normal(3, 4, 2)),
        call(T, normal(4, 3), ([1, 2], [1, 0])),
        call(A, B, 0),
        call(A, M, 1),
        call(T, T, ((0,), (0,))),
        call(A, M, ([-1], [0])),
    )
    add("kron", call(A, B), call(V, S), call(A, V), call(T, A))
    add("cross", call(A, B), call(M, A[0]), call(normal(3, 2), normal(3, 2), axis=0))
    for sub, *ops in (
        ("ij,jk->ik", A, M),
        ("ij,jk", A, M),
        ("ij->ji", A),
        ("ij->", A),
        ("ii->i", M),
        ("ii", M),
        ("ij,ij->i", A, B),
        ("ijk,jil->kl", T, normal(3, 2, 2)),
        ("i,j->ij", V, S),
        ("...ij,...j->...i", normal(2, 2, 3), normal(3)),
        ("bij,bjk->bik", normal(2, 2, 3), T),
        ("ij,jk,kl->il", A, M, normal(3, 2)),
        ("i,i,i->", V, V, V),
        ("...->...", T),
        ("i...->...", T),
        ("iij->ij", normal(2, 2, 3)),
        ("iji->j", normal(2, 3, 2)),
        ("ij,kl->", A, M),
        (",ij->ij", A[0, 0], B),
        ("ij,j->ij", A, normal(3)),
        ("ab,bc,cd,de->ae", A, M, M, normal(3, 2)),
        ("i,ij->j", normal(1), A),
        ("...a,...a->...", T, normal(1, 4)),
        (" i j , j k -> i k ", A, M),
        ("ij,ik->kj", A[:0], B[:0]),
        ("iii->i", normal(2, 2, 2)),
        ("ij,ij,jk->ik", A, B, M),
    ):
        add("einsum", call(sub, *ops))
    add("einsum", call("ij,jk->ik", Z, M))
    # polynomials and signals; more in tests/numpy/test_polynomials.py
    P, Q = V, S[:2] + 3
    for name in ("polyadd", "polysub", "polymul", "polydiv", "polyval", "convolve", "correlate"):
        add(name, call(P, Q), call(Q, P), call(P.astype(F32), Q.astype(F32)), call(Z[0], Z[1]), call(WHOLE[0], WHOLE[1]))
    for name in ("convolve", "correlate"):
        add(name, *(call(P, Q, mode) for mode in ("full", "same", "valid")))
    add("polyval", call(P, A), call(P, 1.5))
    add("polyder", call(P), call(P, 2), call(Z[0]))
    add("polyint", call(P), call(P, 2), call(Z[0], k=1.5))
    add("vander", call(V), call(V, 2), call(S, 3, increasing=True), call(WHOLE[0]))
    add("roots", call(np.array([1.0, -6.0, 11.0, -6.0])), call(np.array([2.0, 1.0, 3.0, 0.5])))
    add("poly", call(V), call(Z[0]))
    add("unwrap", call(3 * V), call(A * 4, axis=0), call(A * 4, period=2.0), call(A, 0.1))
    add("polyfit", call(A[0], B[0], 1), call(np.arange(5.0), np.stack([S, S**2], 1), 2))
    add("kaiser", call(5, np.float64(2.5)), call(2, np.float64(1.0)))
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        add(name, call(5), call(1), derivative=False)
    # complex numbers
    for name in [
        "tan",
        "cos",
        "sinh",
        "cosh",
        "tanh",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "reciprocal",
        "negative",
        "arcsin",
        "arccos",
        "arctan",
        "arcsinh",
        "arccosh",
        "arctanh",
        "sinc",
        "rint",
        "round",
        "positive",
        "nan_to_num",
        "sum",
        "cumsum",
        "cumprod",
        "diff",
        "sort",
        "median",
        "max",
        "min",
        "trapezoid",
        "gradient",
        "ravel",
        "copy",
        "abs",
        "isnan",
        "isinf",
        "isfinite",
        "logical_not",
        "argsort",
        "argmax",
        "count_nonzero",
        "all",
        "any",
        "diagonal",
        "trace",
    ]:
        discrete = name in ("argsort", "argmax", "count_nonzero", "all", "any", "logical_not", "isnan", "isinf", "isfinite")
        add(name, call(Z), call(Z.astype(np.complex64)), derivative=not discrete)
    for name in ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "fmax", "fmin"]:
        add(name, call(Z, Z[0]), call(Z, A), call(A, Z), call(Z, 2), call(1.5, Z))
    for name in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "isclose"]:
        add(name, call(Z, Z[0]), call(Z, A), derivative=False)
    add("clip", call(Z, -0.3, 0.6), call(Z, None, 0.5 + 1j), call(Z, -0.2, None))
    add("where", call(A > 1, Z, A), call(A > 1, 0.0, Z))
    add("interp", call(V[:2], S, np.exp(1j * S)))
    # special functions
    for name in ("erf", "erfc", "gammaln", "digamma", "logit", "xlogy", "polygamma", "erfinv"):
        ref = getattr(scipy.special, name)
        low = A / 3
        args = {"xlogy": (A, B), "polygamma": (1, A), "logit": (low,), "erfinv": (low,)}.get(name, (A,))
        add(name, call(*args), ref=ref)
    add("sigmoid", call(A), call(V * 10), ref=scipy.special.expit)
    add("softplus", call(A), call(V * 10), ref=lambda x: np.logaddexp(x, 0))
    add("relu", call(V), ref=lambda x: np.maximum(x, 0))
    add("silu", call(V), ref=lambda x: x * scipy.special.expit(x))
    add("gelu", call(V), ref=lambda x: x * scipy.special.ndtr(x))
    # PyTorch's names
    add(
        "flatten",
        call(T),
        call(T, 1),
        call(T, 0, 1),
        ref=lambda x, a=0, b=-1: x.reshape(*x.shape[:a], -1, *(x.shape[b + 1 :] if b != -1 else ())),
    )
    add("gather", call(A, 1, np.array([[0], [2]])), ref=lambda x, axis, i: np.take_along_axis(x, i, axis))
    add(
        "topk",
        call(V, 2),
        call(A, 2, axis=1),
        ref=lambda x, k, axis=-1: (-np.sort(-x, axis)[..., :k], np.argsort(-x, axis)[..., :k]),
    )

    def put(x, axis, i, v, f=np.put_along_axis):
        x = x.copy()
        f(x, i, v, axis)
        return x

    def scatter_add(x, axis, i, v):
        x = x.copy()
        for where in np.ndindex(i.shape):
            to = list(where)
            to[axis] = i[where]
            x[tuple(to)] += v[where]
        return x

    def index_set(x, key, v, fold=None):
        x = x.copy()
        if fold:
            fold.at(x, key, v)
        else:
            x[key] = v
        return x

    index = np.array([[0], [2]])
    add("scatter", call(A, 1, index, normal(2, 1)), ref=put)
    add(
        "scatter_add",
        call(A, 1, np.array([[0, 0], [2, 1]]), normal(2, 2)),
        call(V, 0, np.array([1, 1, 3]), normal(3)),
        ref=scatter_add,
    )
    add("index_set", call(A, (slice(None), 1), normal(2)), ref=index_set)
    add("index_add", call(A, ([0, 0], [1, 1]), normal(2)), ref=lambda x, key, v: index_set(x, key, v, np.add))
    # questions
    for name in ("shape", "ndim", "size", "iscomplexobj", "isrealobj"):
        add(name, call(T), derivative=False)
    add("size", call(T, 1), derivative=False)
    add("result_type", call(A, A.astype(F32)), call(A.astype(F32), 1), derivative=False)
    add("allclose", call(A, A), call(A, B), derivative=False)
    add("array_equal", call(A, A), call(A, V), derivative=False)
    add("broadcast_shapes", call((2, 1), (3,)), derivative=False)
    add("copy", call(A))
    # making arrays
    for name in ["zeros", "ones", "empty"]:
        add(name, call((2, 3)), call(4), call((2,), dtype=F32), ref=np.zeros if name == "empty" else None, derivative=False)
    for name in ["zeros_like", "ones_like", "empty_like"]:
        add(name, call(A.astype(F32)), call(WHOLE), ref=np.zeros_like if name == "empty_like" else None, derivative=False)
    add("full", call((2, 2), 1.5), call(3, 2), derivative=False)
    add("full_like", call(A, 2), derivative=False)
    add("arange", call(4), call(1, 3, 0.5), call(3, 0, -1), call(3, dtype=F32), derivative=False)
    add("linspace", call(0.0, 1.0, 5), call(0, 1, num=4, endpoint=False), derivative=False)
    add("logspace", call(0, 2, 3), derivative=False)
    add("eye", call(3), call(2, 3, 1), derivative=False)
    add("identity", call(3), derivative=False)
    add("tri", call(3), call(2, 4, 1), derivative=False)
    for name in ["array", "asarray", "tensor", "as_tensor"]:
        add(name, call([1.0, 2.0]), call([[1, 2]]), call(A, dtype=F32), ref=np.array, derivative=False)
    add("from_numpy", call(A), ref=np.asarray, derivative=False)
    for file in sorted(Path(__file__).parent.glob("cases_*.py")):
        importlib.import_module(file.stem).cases(add, call)
    return t


TABLE = cases()
CHANGE_THEIR_ARGUMENT = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"}  # tested by themselves
NO_ARRAYS = {"array2string", "array_repr", "array_str", "einsum_path", "finfo", "iinfo"}  # their results are no arrays
NOT_FUNCTIONS = NO_ARRAYS | {"ndarray", "Tensor", "Variable", "Value", "Generator", "ndenumerate"} | CHANGE_THEIR_ARGUMENT
CASES = [pytest.param(name, *c, id=f"{name}-{k}") for name, many in TABLE.items() for k, c in enumerate(many)]


def public_functions():
    return {
        name
        for name, f in vars(cnp).items()
        if not name.startswith("_")
        and callable(f)
        and not isinstance(f, (type, types.ModuleType, np.dtype))
        and (f.__module__ or "").startswith("chainrule")
    }


def test_every_public_function_is_in_the_table():
    elsewhere = {
        name
        for name in public_functions()
        if inspect.getmodule(getattr(cnp, name)).__name__.startswith(("chainrule.core", "chainrule.dtypes"))
    }
    helpers = {"as_shape"}
    missing = public_functions() - set(TABLE) - elsewhere - helpers - NOT_FUNCTIONS - {"is_complex", "is_inexact"}
    assert not missing, f"add a case in this file for {sorted(missing)}"


def flat(out):
    if isinstance(out, (list, tuple)) and any(hasattr(o, "dtype") for o in out):
        return [np.asarray(o.detach() if isinstance(o, cr.Tensor) else o) for o in out]
    return [np.asarray(out.detach() if isinstance(out, cr.Tensor) else out)]


@pytest.mark.parametrize("name, args, kwargs, ref, derivative", CASES)
def test_value_is_that_of_the_reference(name, args, kwargs, ref, derivative):
    with np.errstate(all="ignore"):
        ref = ref or getattr(np, name, None) or getattr(np.linalg, name)
        expected, found = ref(*args, **kwargs), named(name)(*args, **kwargs)
    expected, found = flat(expected), flat(found)
    assert len(found) == len(expected)
    for e, f in zip(expected, found, strict=True):
        same_kind(f, e)
        if e.dtype != object and e.dtype.kind != "V":
            close(f.astype(e.dtype), e, 1e-5 if e.dtype in (np.float32, np.complex64) else 1e-12)


def listed(x):
    if isinstance(x, np.ndarray):
        return x.tolist()
    return [listed(a) for a in x] if isinstance(x, (list, tuple)) and any(isinstance(a, np.ndarray) for a in x) else x


@pytest.mark.parametrize(
    "name, args, kwargs, ref, derivative", [c for c in CASES if c.id.endswith("-0") or c.id.endswith("-2")]
)
def test_lists_and_numbers_are_arrays(name, args, kwargs, ref, derivative):
    if name in ("from_numpy", "from_dlpack", "result_type", "astype", "histogramdd") or any(
        isinstance(a, np.ndarray) and a.dtype == F32 for a in args
    ):
        return
    for f in (listed, lambda x: x if not isinstance(x, np.ndarray) or x.size == 0 else x.reshape(-1)[0].item()):
        as_lists = [a if callable(a) else f(a) for a in args]
        if name in ("piecewise",):
            return
        with np.errstate(all="ignore"):
            try:
                expected = named(name)(
                    *(np.asarray(a) if isinstance(b, np.ndarray) else a for a, b in zip(as_lists, args, strict=True)), **kwargs
                )
            except (ValueError, IndexError, TypeError, RuntimeWarning):
                continue
            found = named(name)(*as_lists, **kwargs)
        for g, e in zip(flat(found), flat(expected), strict=True):
            same_kind(g, e)
            if e.dtype != object:
                close(g, e)


def leaves(args):
    """(path, array) of every floating array among arguments and in lists of them."""
    for i, a in enumerate(args):
        if isinstance(a, (list, tuple)):
            yield from (((i, j), b) for j, b in enumerate(a) if isinstance(b, np.ndarray) and b.dtype.kind in "fc")
        elif isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind in "fc":
            yield (i,), np.asarray(a)


def filled(args, paths, xs):
    args = [list(a) if isinstance(a, (list, tuple)) and any(isinstance(b, np.ndarray) for b in a) else a for a in args]
    for path, x in zip(paths, xs, strict=True):
        if len(path) == 1:
            args[path[0]] = x
        else:
            args[path[0]][path[1]] = x
    return args


@pytest.mark.parametrize("name, args, kwargs, ref, derivative", [c for c in CASES if c.values[4]])
def test_derivative_is_the_slope(name, args, kwargs, ref, derivative, request):
    pairs = [(p, x) for p, x in leaves(args) if name != "where" or p != (0,)]
    if not pairs:
        return
    paths, xs = zip(*pairs, strict=True)
    xs = row_tools.widened(xs)
    if name == "interp" or name == "searchsorted":
        paths, xs = paths[:1], xs[:1]
    function = named(name)

    def f(*xs):
        out = function(*filled(args, paths, xs), **kwargs)
        parts = list(out) if isinstance(out, (list, tuple)) else [out]
        parts = [p for p in parts if p.dtype.kind in "fc"]
        return cr.concatenate([cr.reshape(p, (-1,)) for p in parts]) if parts else cr.zeros(0).numpy()

    row_tools.rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))
    with np.errstate(all="ignore"):
        if not np.isfinite(np.asarray(f(*xs))).all():
            return
        ts = [random_like(x) for x in xs]
        value, moved = cr.jvp(f, tuple(xs), tuple(ts))
        tolerance = 1e-3 if any(a is F32 for a in args) or value.dtype == F32 else 2e-7
        close(moved, richardson(f, xs, ts, 2e-3), tolerance)
        _, pull = cr.vjp(f, *xs)
    g = random_like(value)
    pulled = pull(g)
    for p, x in zip(pulled, xs, strict=True):
        same_kind(p, x)
    close(inner([g], [moved]), inner(pulled, ts), tolerance if tolerance > 1e-6 else 1e-9)
