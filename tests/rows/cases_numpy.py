"""Cases for NumPy's everyday functions: distinct elements, counts, missing values, parts of numbers, edited arrays."""

import numpy as np
import sampling
from sampling import C128, F32, F64, bools, ints, normal, spread

sampling.start(21)

A = spread((2, 3), 0.5, 2)
B = spread((2, 3), 0.6, 2.2)
V = spread((4,), -2, 2)
M = normal(3, 3)
T = spread((2, 3, 4), 0.3, 3)
Z = normal(2, 3, dtype=C128)
WHOLE = ints(1, 6, 2, 3)
HOLES = np.where(spread((3, 4), 0, 1) > 0.7, np.nan, spread((3, 4), -2, 2))
HOLES[:, 0] = [0.3, -0.6, 1.7]
HOLES[0] = [0.4, 1.1, -0.9, 0.7]
COUNTS = np.array([3, 0, 1, 3, 3])
EDGES = np.array([-2.0, -0.5, 0.25, 2.0])


def cases(add, call):
    add("astype", call(A, F64), call(A, C128))
    _digits(add, call)
    _missing(add, call)
    _counts_and_sets(add, call)
    _edited(add, call)
    _options(add, call)
    _questions(add, call)


def _digits(add, call):
    add("divmod", call(B * 3.3, B.mean() * 0.83), call(B * 3.3, 2), call(WHOLE, 2))
    add("modf", call(V), call(V.astype(F32)), call(np.array([np.inf, -np.inf, 0.0])), call(WHOLE))
    add("frexp", call(B * 3), call(np.array([0.0, 5e-324, -np.inf, 3.0])), call(V.astype(F32)))
    add("ldexp", call(A, WHOLE), call(V, 3), call(V.astype(F32), 2), call(WHOLE, 2))
    add("nextafter", call(A, 9.0), call(A.astype(F32), A.astype(F32) - 1))
    add("spacing", call(A), call(A.astype(F32)), derivative=False)
    add("gcd", call(WHOLE, 4), call(WHOLE, WHOLE[0]), derivative=False)
    add("lcm", call(WHOLE, 4), derivative=False)
    add("bitwise_count", call(WHOLE), call(-WHOLE), derivative=False)
    add("bitwise_left_shift", call(WHOLE, 2), derivative=False)
    add("bitwise_right_shift", call(WHOLE, 1), derivative=False)
    add("fix", call(V * 3), call(V.astype(F32)), call(WHOLE), ref=np.trunc, derivative=False)
    special = np.array([1.0, np.inf, -np.inf, np.nan])
    for name in ("isposinf", "isneginf"):
        add(name, call(special), call(A), derivative=False)
    for name in ("iscomplex", "isreal"):
        add(name, call(Z), call(A), call(Z * 0 + A), call(WHOLE), derivative=False)
    add("real_if_close", call(Z), call(A))
    add("real_if_close", call(Z * 0 + A), derivative=False)
    add("fabs", call(-A), call(WHOLE), call(V.astype(F32)))
    add("float_power", call(A, B), call(A.astype(F32), 2))


def _missing(add, call):
    for name in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian"):
        add(
            name, call(HOLES), call(HOLES, axis=0), call(HOLES, axis=1, keepdims=True), call(HOLES, axis=(0, 1)), call(A),
            call(HOLES.astype(F32), axis=1), call(WHOLE, axis=0),
        )  # fmt: skip
    for name in ("nanvar", "nanstd"):
        add(name, call(HOLES, axis=1, ddof=1), call(HOLES, axis=1, correction=1), call(Z, axis=1))
        add(name, call(HOLES, axis=1, mean=np.nanmean(HOLES, axis=1, keepdims=True), ddof=1))
    for name in ("nansum", "nanprod", "nanmax", "nanmin"):
        add(name, call(HOLES, axis=1, initial=0.5), call(HOLES, axis=0, initial=0.5, where=np.arange(4) > 1))
    add("nanmean", call(HOLES, axis=0, where=np.array([[True], [False], [True]])), call(Z))
    add("nansum", call(HOLES, dtype=F32), call(Z, axis=0))
    for name in ("nancumsum", "nancumprod"):
        add(name, call(HOLES), call(HOLES, axis=1), call(HOLES.astype(F32), axis=0), call(WHOLE))
    for name in ("nanargmax", "nanargmin"):
        add(name, call(HOLES), call(HOLES, axis=1), call(HOLES, axis=1, keepdims=True), derivative=False)
    methods = ["linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull", "median_unbiased", "normal_unbiased"]
    add("nanquantile", call(HOLES, 0.3), call(HOLES, [0.13, 0.84], axis=0), call(HOLES, 0.6, axis=1, keepdims=True))
    add("nanquantile", *(call(HOLES, [0.13, 0.84], axis=1, method=m) for m in methods))
    add("nanpercentile", call(HOLES, 30), call(HOLES, [10, 85], axis=1))
    x = normal(3, 5)
    add("cov", call(x), call(x, x[:, ::-1] ** 2), call(x, rowvar=False), call(x, bias=True), call(x[0]), call(x, ddof=2))
    add("cov", call(x, fweights=[1, 2, 1, 3, 1]), call(normal(2, 4, dtype=C128)), call(x[0], x[1]))
    add("cov", call(x, aweights=np.array([0.5, 1.0, 2.0, 1.5, 0.25])), call(x, fweights=[1, 2, 1, 3, 1], aweights=x[0] ** 2))
    add("corrcoef", call(x), call(x, x[:1] ** 2), call(x, rowvar=False), call(normal(2, 4, dtype=C128)), call(x[0]))
    add("average", call(A, weights=B, returned=True), call(T, axis=(0, 2), weights=normal(2, 4) ** 2), call(A, returned=True))


def _counts_and_sets(add, call):
    add("bincount", call(COUNTS), call(COUNTS, minlength=6), call(COUNTS[:0]), derivative=False)
    add("bincount", call(COUNTS, normal(5)), call(COUNTS, weights=COUNTS))
    add("digitize", call(V, EDGES), call(V, EDGES[::-1]), call(EDGES, EDGES, right=True), call(V, EDGES[::-1], True),
        derivative=False)  # fmt: skip
    add("histogram_bin_edges", call(V), call(V, 3), call(V, EDGES), call(V, 4, (-1.0, 1.0)), call(T, 5))
    add("histogram_bin_edges", call(V, "fd"), call(V * 0 + 0.3, 2), derivative=False)
    add("histogram", call(V), call(T, 7), call(V, EDGES), call(V, 4, (-1.0, 1.0)), call(WHOLE, 3))
    add("histogram", call(V.astype(F32), 3), call(HOLES[0], 4), call(V[:0], 3))
    add("histogram", call(V, EDGES, density=True), call(V, EDGES, weights=normal(4)), call(V, 3, density=True))
    add("histogram2d", call(V, V**2), call(V, V**2, 3), call(V, V**2, [EDGES, 2]), call(V, V**2, EDGES, density=True))
    add("histogramdd", call(normal(6, 2), 3), call(normal(6, 3), [2, 2, 2]), call(normal(6, 1), [EDGES]),
        call(normal(6, 2), [EDGES, EDGES], weights=normal(6)), call(normal(6, 2), 2, [(-2, 2), (-1, 1)]),
        call(normal(6, 2) * 0.1, [EDGES, EDGES], density=True), derivative=False)  # fmt: skip
    add("unravel_index", call(COUNTS, (2, 3)), call(5, (2, 3)), call(COUNTS, (2, 3), order="F"), derivative=False)
    add("ravel_multi_index", call((COUNTS, COUNTS), (4, 5)), call(([1, 0], [2, 1]), (2, 3), order="F"), derivative=False)
    add("ravel_multi_index", call((COUNTS, -COUNTS), (2, 5), mode="wrap"), call((COUNTS, COUNTS), (3, 2), mode="clip"),
        derivative=False)  # fmt: skip
    ties = np.array([[2.0, -1.0, 2.0], [0.5, -1.0, 3.0]])
    add("unique", call(V), call(T, return_index=True, return_inverse=True), call(M, axis=0), call(A[:0]))
    add("unique", call(ties), call(ties, return_index=True, return_inverse=True, return_counts=True), call(COUNTS), call(Z),
        call(ties[[0, 1, 0]], axis=0, return_inverse=True), call(np.array([np.nan, 1.0, np.nan])), call(ties[:0]),
        call(np.array([np.nan, 1.0, np.nan]), equal_nan=False), derivative=False)  # fmt: skip
    for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values"):
        add(name, call(V), call(A))
        add(name, call(ties), call(np.array([np.nan, 1.0, np.nan])), derivative=False)
    add("isin", call(COUNTS, [1, 3]), call(A, A[0]), call(COUNTS, [], invert=True), call(COUNTS, COUNTS[:1], invert=True),
        derivative=False)  # fmt: skip
    for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d"):
        add(name, call(A, V), call(V, V[:0]))
        add(name, call(COUNTS, [1, 2, 3]), call(A.ravel(), np.append(A[0], 5.0)), derivative=False)
    add("intersect1d", call(COUNTS, [7, 1, 3], return_indices=True), derivative=False)


def _edited(add, call):
    add(
        "insert",
        call(V, 1, 9.0),
        call(V, [0, 2, 4], normal(3)),
        call(V, slice(1, 3), [5.0, 6.0]),
        call(A, 1, normal(2), axis=1),
    )
    add(
        "insert",
        call(A, [0, 2], normal(2, 2), axis=1),
        call(A, 1, normal(3), axis=0),
        call(A, 3, 1.5),
        call(V, [1, 1], [7.0, 8.0]),
    )
    add("insert", call(A, -1, normal(2, 3), axis=0), call(V, [2], normal(3)), call(WHOLE, 0, 3))
    add(
        "delete",
        call(V, 1),
        call(V, [0, -1]),
        call(A, 1, axis=0),
        call(A, slice(None, None, 2), axis=1),
        call(A, [True, False], 0),
    )
    add("resize", call(V, (2, 3)), call(A, (4, 5)), call(A, 2), call(V[:0], (2, 2)), call(A, (3, 2)))
    zeros = np.array([0.0, 0.0, 1.5, 0.0, -2.0, 0.0])
    add(
        "trim_zeros",
        call(zeros),
        call(zeros, "f"),
        call(zeros, "B"),
        call(zeros[:2]),
        call(np.outer(zeros, zeros)),
        derivative=False,
    )
    add("trim_zeros", call(np.outer(zeros, zeros), axis=0), call(np.outer(zeros, zeros), "b", 1), derivative=False)
    add("ediff1d", call(V), call(A, to_end=9.0), call(V, to_begin=[1.0, 2.0], to_end=normal(2)), call(WHOLE))
    add("block", call([V, V]), call([A, M[:2]]), call(V), call([normal(2), V[0]]))
    add("block", call([[M, A.T], [A, np.eye(2)]]), call([[[V]], [[normal(4)]]]), derivative=False)
    add("diagflat", call(V), call(A, 1), call(V, -2))
    add("extract", call(A > 1, A), call([True, False, True, True], V))
    add("choose", call(WHOLE % 3, [A, B, 2.5]), call(WHOLE, [A, B], mode="clip"), call(WHOLE - 4, [A, B, M[:2]], mode="wrap"))
    add("choose", call([1, 0, 1], [A, B]))
    add("argwhere", call(WHOLE > 2), call(A), call(A[0, 0]), derivative=False)
    add("flatnonzero", call(WHOLE > 2), call(A), derivative=False)
    add("ix_", call(COUNTS, [1, 2]), call([True, False, True], [0]), derivative=False)
    add("sort_complex", call(V), call(Z), call(COUNTS), call(V.astype(F32)))
    add("lexsort", call([COUNTS, COUNTS[::-1]]), call((V, V**2)), call([WHOLE, WHOLE[::-1]], axis=0), call(V), derivative=False)
    add("apply_along_axis", call(np.cumsum, 0, T), call(np.sum, 1, T), call(lambda v: v[:, None] * v, 0, A),
        call(lambda v, k: v * k, 1, A, 3.0))  # fmt: skip
    add("apply_over_axes", call(np.sum, T, (0, 2)), call(np.max, T, 1), call(np.mean, T, [0, -1]))
    add("matvec", call(T, normal(4)), call(A, normal(3)), call(Z, normal(3)))
    add("vecmat", call(normal(3), T), call(Z, M), call(normal(2, 3), T))
    add("row_stack", call([V, V]), call([A, M]), ref=np.vstack)


def _options(add, call):
    mask = bools(2, 3) | np.array([True, False, False])
    for name in ("sum", "prod", "max", "min", "amax", "amin"):
        add(name, call(A, initial=1.3), call(A, axis=1, initial=1.3, where=mask), call(A[:0], axis=0, initial=1.3))
        add(name, call(WHOLE, axis=0, initial=2, where=WHOLE > 2))
    add("sum", call(A, where=mask), call(A, 1, F32), call(A[0, 0], where=True))
    add("prod", call(A, axis=0, where=mask[:1]))
    for name in ("mean", "var", "std"):
        add(name, call(A, axis=1, where=mask), call(A, where=mask, keepdims=True), call(A, axis=0, dtype=F32))
    for name in ("var", "std"):
        add(
            name,
            call(A, axis=1, mean=np.mean(A, axis=1, keepdims=True)),
            call(A, axis=1, correction=1),
            call(A, 1, None, ddof=1),
        )
    for name in ("all", "any"):
        add(name, call(A > 1, axis=1, where=mask), derivative=False)
    for name in ("concatenate", "concat", "stack", "hstack", "vstack"):
        add(name, call([A, B], dtype=F32))
    for name in ("atleast_1d", "atleast_2d", "atleast_3d"):
        add(name, call(A[0, 0], V, T))
    add("take", call(V, [5, -7], mode="wrap"), call(A, [7, -1], axis=1, mode="clip"))
    add("cumulative_sum", call(V, include_initial=True), call(A, axis=0, include_initial=True, dtype=F32))
    add("cumulative_prod", call(V, include_initial=True), call(A, axis=-1))
    add("meshgrid", call(V, V[:2], sparse=True), call(V, V[:2], copy=False))
    add("diff", call(V, prepend=0.5), call(A, append=B, axis=0), call(A, 2, prepend=0.0, append=B), call(bools(5)))
    add("trace", call(T, dtype=F32), call(WHOLE, dtype=float))
    S = np.sort(normal(5))
    add("interp", call(V, S, S**2, period=1.7), call(V, S[::-1], S**2, period=-9.0), call(V, S, S * 1j))
    add(
        "gradient",
        call(T, np.array([0.0, 0.3]), np.array([0.0, 1.0, 3.0]), 2.0),
        call(V, edge_order=2),
        call(M, 0.5, edge_order=2),
    )
    add("gradient", call(V, np.array([0.0, 0.3, 1.0, 1.2]), edge_order=2), call(WHOLE, axis=1), call(V, np.arange(4.0)))
    add("full_like", call(A, B[0]), call(WHOLE, 2.5))
    for mode in ("linear_ramp", "maximum", "minimum", "mean", "median"):
        add("pad", call(V, 2, mode), call(A, ((1, 0), (0, 2)), mode), call(WHOLE, 1, mode))
    add(
        "pad", call(A, 2, "linear_ramp", end_values=((1.0, 2.0), (3.0, 4.0))), call(V, 3, "linear_ramp", end_values=(5.0, -4.0))
    )
    add("pad", call(T, 1, "mean", stat_length=2), call(T, 1, "maximum", stat_length=((1, 2), (2, 1), (3, 3))))
    add("pad", call(V, 3, "reflect", reflect_type="odd"), call(A, 2, "symmetric", reflect_type="odd"), call(V, {0: (1, 2)}))
    add(
        "pad",
        call(A, 1, constant_values=((1.0, 2.0), (3.0, 4.0))),
        call(A, (1, 2), constant_values=(5.0, 6.0)),
        call(A, {-1: 2}),
    )

    def filler(vector, pad_width, iaxis, kwargs):
        vector[: pad_width[0]] = kwargs.get("left", 3.0)
        vector[vector.shape[0] - pad_width[1] :] = 2.0 * vector[pad_width[0]]

    add("pad", call(A, 1, filler), call(V, (1, 2), filler, left=7.0))
    add("geomspace", call(1.0, 100.0, 3), call(np.array([1.0, 2.0]), np.array([8.0, 9.0]), 4, endpoint=False),
        call(-1.0, -8.0, 4),
        call(1.0 + 1j, 8.0, 3), call(np.array([1.0, -2.0]), np.array([8.0, -9.0]), 4, axis=1))  # fmt: skip
    add("linspace", call(np.array([0.1, 1.2]), np.array([2.0, 0.5]), 4, axis=1), call(A, B, 3), call(0.5, 2.0, 1),
        call(A[0], 2.0, 0),
        call(0.5, 7.3, 5, dtype=int), call(A[0, 0], B[0, 0], 4, False))  # fmt: skip
    add("linspace", call(A[0, 0], B[0, 0], 4, retstep=True))
    add("logspace", call(A[0], B[0], 3), call(A[0, 0], 2.0, 4, base=3.0), call(A[0, 0], 2.0, 3, base=B[0, :2]))
    add("nan_to_num", call(Z), call(WHOLE), call(V.astype(F32)))


def _questions(add, call):
    add("size", call(T, (0, 2)), derivative=False)
    add("array_equal", call(HOLES, HOLES), call(HOLES, HOLES, equal_nan=True), derivative=False)
    add("array_equiv", call(A, A[None]), call(A, B), call(A, V), derivative=False)
    add("can_cast", call(F32, float), call(np.float64, F32, casting="same_kind"), derivative=False)
    add("common_type", call(A, A.astype(F32)), call(WHOLE), derivative=False)
    add("min_scalar_type", call(A), call(A[0, 0]), derivative=False)
    for name in ("diag_indices_from", "tril_indices_from", "triu_indices_from"):
        add(name, call(M), derivative=False)
    for name in ("may_share_memory", "shares_memory"):
        add(name, call(A, B), derivative=False)
    for name in ("asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite"):
        add(name, call(A), call([1.0, 2.0]), derivative=False)
    add("require", call(A), derivative=False)
    add("from_dlpack", call(A), derivative=False)
    add("array", call([1.0, 2.0], ndmin=2), call(A, copy=False), derivative=False)
