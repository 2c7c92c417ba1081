"""Calls at the edges of what NumPy's functions take: the same values, dtypes and exception types on Tensors."""

import numpy as np
import pytest

import chainrule as cr

inf, nan = np.inf, np.nan
I8 = np.full(3, 100, np.int8)
HALF = np.array([600, -400, 600], np.float16)
CUBE = np.arange(24.0).reshape(2, 3, 4)

CALLS = {
    # positions given as Tensors
    "insert_at_tensor": lambda T: np.insert([0, 1, 2], T([1, 2]), [3, 4]),
    "insert_at_mask": lambda T: np.insert(np.array([1, 2, 3]), T([True] * 2), 9),
    "insert_nowhere": lambda T: np.insert(T([1, 2, 3]), [], 5),
    "delete_at_tensor": lambda T: np.delete(T([0, 1, 2]), T([1])),
    "delete_by_mask": lambda T: np.delete([0, 1, 2], T([True, False, True])),
    "delete_nothing": lambda T: np.delete(T([1, 2, 3]), ()),
    # falling bins
    "digitize_falling": lambda T: np.digitize(T(np.arange(11)), T(np.arange(10.0, -1, -1))),
    "digitize_falling_right": lambda T: np.digitize(T(np.arange(11)), T(np.arange(10.0, -1, -1)), True),
    # infinities among the points
    "interp_from_infinity": lambda T: np.interp(T([0.5, -3.0]), [-inf, 1], T([0.0, 10])),
    "interp_between_infinities": lambda T: np.interp(T([0.5]), [-inf, inf], T([10.0, 10])),
    "interp_sentinels": lambda T: np.interp(T([-5.0, 0.25, 9.0]), [-inf, 0, 1, inf], [2.0, 2, 3, 3]),
    "interp_of_infinities": lambda T: np.interp(T([0.0, 0.5, 1.0, nan]), T([0.0, 1]), T([inf, 10])),
    "interp_constant_infinity": lambda T: np.interp(0.5, T([0.0, 1]), T([inf, inf])),
    "interp_down": lambda T: np.interp(T([0.0, 0.5, 1.0]), T([0.0, 1]), T([0.0, -inf])),
    "interp_missing": lambda T: np.interp(T([1, 2, 2.5, 3, 4]), [1, 2, 3, 4], [1, 2, nan, 4]),
    # conditions
    "piecewise_one_list": lambda T: np.piecewise(T([1, 2]), [True, False], [2]),
    "piecewise_two": lambda T: np.piecewise(T([1, 2]), [True, False], [2, 3]),
    "piecewise_number": lambda T: np.piecewise(T(4), [T(4) <= 3, T(4) > 3], [1, 2]),
    # nothing to work on
    "vectorize_nothing": lambda T: np.vectorize(lambda x: x > 1, otypes=[bool])(T(np.zeros((0, 2)))),
    "partition_nothing": lambda T: np.partition(T(np.ones((2, 0))), 0),
    "atleast_of_lists": lambda T: np.atleast_1d(T([1]), [[2, 3], [4, 5]])[1],
    "sort_kind": lambda T: T([3, 1, 2]).sort(kind="stable"),
    # folds of a number along the axis it does not have
    **{
        f"{name}_along_{axis}_of_a_number": lambda T, name=name, axis=axis: getattr(np, name)(T(3.0), axis=axis)
        for name in ["sum", "prod", "max", "min", "ptp", "any", "all", "nansum", "argmax", "argmin", "cumsum", "cumprod"]
        for axis in (0, -1, 1)
    },
    "sum_of_a_number_keepdims": lambda T: np.sum(T(3.0), axis=0, keepdims=True),
    "add_reduce_a_number": lambda T: np.add.reduce(T(3.0), axis=0),
    "maximum_accumulate_a_number": lambda T: np.maximum.accumulate(T(3.0), axis=0),
    # dtypes of sums
    "sum_int8": lambda T: np.sum(T(I8), dtype=np.int8),
    "sum_bool": lambda T: np.sum(T(I8), dtype=bool),
    "prod_int8": lambda T: np.prod(T(I8), dtype=np.int8),
    "cumsum_int8": lambda T: np.cumsum(T(I8), dtype=np.int8),
    "add_reduce_int8": lambda T: np.add.reduce(T(I8), dtype="b"),
    "add_accumulate_int8": lambda T: np.add.accumulate(T(I8), dtype="b"),
    "add_accumulate_bool": lambda T: np.add.accumulate(T(I8), dtype="?"),
    "equal_reduce_bool": lambda T: np.equal.reduce(T([1, 1, 2]), dtype=bool),
    "less_accumulate_bool": lambda T: np.less.accumulate(T([1, 1, 2]), dtype=bool),
    "einsum_int8": lambda T: np.einsum("i->", T(I8)),
    "einsum_bool": lambda T: np.einsum("i->", T([True, True])),
    "einsum_dtype": lambda T: np.einsum("i,i", T(I8), T(I8), dtype="f8", casting="unsafe"),
    "einsum_labels": lambda T: np.einsum(T(np.ones((2, 3))), [27, 1], T(np.ones((3, 4))), [1, 0]),
    "einsum_case": lambda T: np.einsum("bB,BA", T(np.ones((2, 3))), T(np.ones((3, 4)))),
    "vecdot_int8": lambda T: np.vecdot(T(I8), T(I8)),
    "vecdot_keepdims": lambda T: np.vecdot(T(CUBE), T(CUBE), axes=[1, 1], keepdims=True),
    "vecdot_keepdims_at": lambda T: np.vecdot(T(CUBE), T(CUBE), axes=[0, 0, 1], keepdims=True),
    "mean_half": lambda T: np.mean(T(np.full(3, 60000, np.float16))),
    "quantile_half": lambda T: np.quantile(T(np.arange(65521).astype(np.float16)), 0.5, method="inverted_cdf"),
    "quantile_strong_q": lambda T: np.quantile(T(np.arange(5, dtype=np.float32)), np.float64(0.5)),
    "quantile_weak_q": lambda T: np.quantile(T(np.arange(5, dtype=np.float32)), 0.5),
    # limits
    "clip_beyond_the_dtype": lambda T: np.clip(T(np.array([1, 2, 3], np.uint8)), -1, 300),
    "clip_below_the_dtype": lambda T: np.clip(T(np.array([1, 2, 3], np.int32)), -(2**40), 2),
    "clip_of_an_array": lambda T: np.array([1.0, 5.0]).clip(T([2.0, 2.0]), 4.0),
    "clip_of_an_array_out": lambda T: np.array([1.0, 5.0]).clip(2.0, 4.0, out=T([0.0, 0.0])),
    "isclose_weak": lambda T: np.isclose(T(np.float32([1.0])), 2, atol=0, rtol=0.9999999999999998 / 2),
    "nan_to_infinity": lambda T: np.nan_to_num(T([-inf, nan, inf]), nan=inf, posinf=999),
    "infinity_to_nan": lambda T: np.nan_to_num(T([-inf, nan, inf]), posinf=nan, neginf=inf),
    "logspace_bases": lambda T: np.logspace(T([1.0, 2]), T([3.0, 4]), num=6, base=T([2.0, 3]), axis=-1),
    "trim_zeros_of_a_number": lambda T: np.trim_zeros(T(5.0), axis=None),
    "poly_of_a_matrix": lambda T: np.poly(T([[1.0, 2], [3, 5]])),
    "svd_of_a_singular_matrix": lambda T: np.linalg.svd(T([[1.0, 0], [0, 0]]), hermitian=True)[2],
    "cov_of_columns": lambda T: np.cov(T([[2.0], [4], [9]]).T.copy().T, rowvar=False),
    "reshape_copy": lambda T: T(np.arange(6)).reshape((2, 3), copy=False),
    "empty_mask": lambda T: T(np.zeros((1, 0, 2)))[..., np.zeros(0, bool)],
    # what does not fit
    "insert_at_floats": lambda T: np.insert([0, 1, 2], T([1.0, 2.0]), [3, 4]),
    "mask_too_short": lambda T: T(np.zeros((2, 3)))[np.zeros((2, 2), bool)],
    "mask_too_long": lambda T: T(np.zeros((2, 3)))[T(np.zeros(3, bool))],
    "mask_of_an_axis": lambda T: T(np.zeros((2, 3)))[:, np.ones(2, bool)],
    "mask_after_dots": lambda T: T(np.zeros((2, 3)))[..., np.ones(2, bool)],
    "mask_after_an_array": lambda T: T(np.zeros((2, 3)))[[0, 1], [True, False]],
    "mask_with_more_axes": lambda T: T(np.zeros((2, 3)))[np.zeros((2, 3, 1), bool)],
    "mask_as_a_list": lambda T: T(np.zeros((2, 3)))[[True]],
    "assign_by_a_mask": lambda T: T(np.zeros((2, 3))).__setitem__(np.ones((2, 2), bool), np.ones(4)),
    "no_places_as_floats": lambda T: T(np.arange(10))[np.array([])],
    "slice_of_floats": lambda T: T(np.zeros((2, 2)))[0:, 0.0:2],
    "ediff1d_nan": lambda T: np.ediff1d(T([1, 2, 3]), to_begin=nan),
    "concatenate_out_shape": lambda T: np.concatenate([T([1.0]), T([3.0])], out=np.empty((1, 2))),
    "concatenate_out_dtype": lambda T: np.concatenate([T([1.0]), T([3.0])], out=np.empty(2, int)),
    "concatenate_out_and_dtype": lambda T: np.concatenate([T([1.0]), T([3.0])], out=np.empty(2), dtype=float),
    "stack_out_and_dtype": lambda T: np.stack([T([1.0]), T([3.0])], out=np.empty((2, 1)), dtype=float),
    "concatenate_dtype": lambda T: np.concatenate([T([1.5]), T([3.0])], dtype=int),
    "stack_dtype": lambda T: np.stack([T([1.5]), T([3.0])], dtype=int),
    "hstack_casting": lambda T: np.hstack([T([1.5]), T([3.0])], dtype="f4", casting="safe"),
    "sum_out_shape": lambda T: np.sum(T([[1.5, 2]]), axis=0, out=np.zeros((3, 2))),
    "reduce_out_shape": lambda T: np.add.reduce(T([[1.5, 2]]), axis=0, out=np.zeros((3, 2))),
    "clip_out_dtype": lambda T: np.clip(T([1.5, 2]), 0, 1, out=np.zeros(2, int)),
    "out_is_a_list": lambda T: np.add(T([1, 2]), 2, []),
    "weights_nan": lambda T: np.quantile(T([1.0, 2, 3]), 0.5, weights=[nan, 1, 1], method="inverted_cdf"),
    "weights_zero": lambda T: np.quantile(T([1.0, 2, 3]), 0.5, weights=[0, 0, 0], method="inverted_cdf"),
    "average_without_axis": lambda T: np.average(T(np.ones((2, 3))), weights=T([1, 2, 3])),
    "select_by_numbers": lambda T: np.select([T([0, 1])], [T([1, 2])]),
    "rollaxis_start": lambda T: np.rollaxis(T(CUBE), 0, -5),
    "tensordot_twice": lambda T: np.tensordot(T(np.ones((3, 3))), T(np.ones((3, 3))), axes=((0, 0), (0, 1))),
    "vecdot_lengths": lambda T: np.vecdot(T(np.ones((2, 3))), T(np.ones((2, 1)))),
    "both_corrections": lambda T: np.var(T([1.0, 2]), ddof=1, correction=1),
    "both_nancorrections": lambda T: np.nanstd(T([1.0, 2]), ddof=1, correction=1),
    "nanmean_int": lambda T: np.nanmean(T([1.0, 2]), dtype=int),
    "nanstd_int": lambda T: np.nanstd(T([1.0, 2]), dtype=int),
    "positive_bool": lambda T: np.positive(T([True])),
    "isposinf_complex": lambda T: np.isposinf(T([1j])),
    "fweights_shape": lambda T: np.cov(T([[1.0, 2, 3], [4, 5, 9]]), fweights=T([1, 2])),
    "fweights_negative": lambda T: np.cov(T([[1.0, 2, 3], [4, 5, 9]]), fweights=T([-1, 2, 2])),
    "pad_negative": lambda T: np.pad(T(np.arange(10.0)), 3, "mean", stat_length=-2),
    "put_along_axis": lambda T: np.put_along_axis(T(np.zeros((2, 2))), T([0, 1]), 5, axis=0),
    "diag_of_a_cube": lambda T: np.diag(T(CUBE)),
    "vectorize_nothing_unknown": lambda T: np.vectorize(lambda x: x > 1)(T([])),
    "moveaxis_twice": lambda T: np.moveaxis(T(CUBE), [0, 1], [2, 2]),
    "sort_kind_unknown": lambda T: T([3, 1, 2]).sort(kind="bogus"),
    "digitize_complex": lambda T: np.digitize(T([0, 1]), T([2j, 1])),
    "interp_lengths": lambda T: np.interp(0, T([0]), T([1, 2]), period=360),
    "hstack_nothing": lambda T: np.hstack(()) if T is np.array else cr.hstack(()),
    "einsum_no_label": lambda T: np.einsum(T(np.ones(2)), [52]),
}


def outcome(call, make):
    with np.errstate(all="ignore"):
        try:
            return call(make)
        except Exception as error:
            return error


@pytest.mark.parametrize("name", CALLS)
def test_tensors_answer_as_arrays(name):
    expected, found = (outcome(CALLS[name], make) for make in (np.array, lambda x: cr.asarray(np.array(x))))
    if isinstance(expected, Exception):
        numpys = next(t for t in type(expected).__mro__ if not t.__module__.startswith("numpy._core"))
        assert isinstance(found, numpys), (found, expected)
        return
    if isinstance(found, Exception):
        raise found
    if expected is None:
        assert found is None
        return
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


X = np.array([0.3, 1.2, -0.4, 2.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.interp(x, [-inf, 0.0, 1.0, inf], [2.0, 2.0, 3.0, 3.0]).sum(),
        lambda x: np.poly(x.reshape(2, 2) @ x.reshape(2, 2).T)[1:].sum(),
        lambda x: np.logspace(x[:2], x[2:], 3, base=np.array([2.0, 3.0]), axis=-1).sum(),
        lambda x: (np.einsum("i,i", x, x, dtype="f8") * x).sum(),
        lambda x: np.vecdot(x.reshape(2, 2), x.reshape(2, 2), axes=[0, 0], keepdims=True).sum() ** 2,
        lambda x: np.insert(x, [1, 2], x[:2]) @ np.arange(6.0) + np.delete(x**2, [0]).sum(),
        lambda x: np.full(4, 0.5).clip(x - 1, x).sum() + x.reshape((2, 2), copy=True)[0, 1] ** 2,
    ],
)
def test_they_have_derivatives(f):
    assert cr.gradcheck(f, (X,), order=2)
    batch = np.stack([X, X[::-1]])
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(batch), [cr.grad(f)(row) for row in batch], rtol=1e-12)
    np.testing.assert_allclose(cr.compile(cr.grad(f))(X), cr.grad(f)(X), rtol=1e-10)


def test_means_of_half_precision_have_half_derivatives():
    g = cr.grad(lambda x: cr.mean(x))(HALF)
    assert g.dtype == np.float16
    np.testing.assert_allclose(g, np.full(3, 1 / 3), rtol=1e-3)


@pytest.mark.parametrize(
    "write",
    [
        lambda out, v: np.put(out, [0, 2], v),
        lambda out, v: np.putmask(out, [True, False, True], v),
        lambda out, v: np.place(out, [True, False, True], v),
        lambda out, v: np.copyto(out[:2], v),
        lambda out, v: np.fill_diagonal(out.reshape(1, 3), v),
        lambda out, v: np.put_along_axis(out, np.array([2, 0]), v, 0),
        lambda out, v: np.add.at(out, [0, 0], v),
        lambda out, v: np.multiply.at(out, cr.asarray([0, 2]), v),
    ],
)
def test_constants_are_written_into_plain_arrays_and_derivatives_are_not(write):
    v = np.array([3.0, 4.0])
    expected, found = np.ones(3), np.ones(3)
    write(expected, v)
    write(found, cr.asarray(v))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(cr.errors.LostDerivativeError, match=r"into a plain array|lose its derivative"):
        cr.grad(lambda v: write(np.ones(3), v))(v)


BROKEN = np.array([complex(1, inf), complex(nan, 2), complex(-inf, nan)])


def set_part(name):
    def write(z):
        setattr(z, name, np.array([5.0, 6.0, 7.0]))
        return z

    return write


@pytest.mark.parametrize("write", [set_part("real"), set_part("imag"), lambda z: np.nan_to_num(z, posinf=inf)])
def test_an_infinite_part_leaves_the_other_alone(write):
    np.testing.assert_array_equal(np.asarray(write(cr.asarray(BROKEN.copy()))), write(BROKEN.copy()))


def test_complex_numbers_of_parts():
    np.testing.assert_array_equal(cr.complex(np.ones(2), np.array([inf, 2.0])), [complex(1, inf), 1 + 2j])
    assert cr.complex(np.float32(1), np.float32(2)).dtype == np.complex64
    x = np.array([[1.0, 2.0], [3.0, 4.0]])

    def f(x):
        z = cr.complex(x[0], x[1, :1])  # parts broadcast
        z.real = z.imag * x[0]
        return (abs(z) ** 2).sum() + (z**3).imag.sum()

    assert cr.gradcheck(f, (x,), order=2)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(np.stack([x, 2 * x])), [cr.grad(f)(x), cr.grad(f)(2 * x)])
    np.testing.assert_allclose(cr.compile(f)(x), f(cr.asarray(x)))
