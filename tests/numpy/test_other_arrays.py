"""Operators between Tensors and what is no array of NumPy: data frames, named axes, units, fractions, lists, None."""

from fractions import Fraction

import numpy as np
import pytest

import chainrule as cr

X = np.array([1.0, 2.0])
close = np.testing.assert_allclose


class Answering:
    """Has a say in Python's operators."""

    def answer(self, other):
        return "answered"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __rmod__ = __eq__ = __lt__ = __gt__ = answer
    __hash__ = None


class Closed(Answering):
    """Asks NumPy to leave operators to it."""

    __array_ufunc__ = None


class Metres:
    """Has a say in NumPy's ufuncs, as libraries of units have."""

    def __init__(self, value):
        self.value = value

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return Metres(getattr(ufunc, method)(*(x.value if isinstance(x, Metres) else x for x in inputs), **kwargs))

    def __rmul__(self, other):
        return np.multiply(other, self)


@pytest.mark.parametrize("other", [Answering(), Closed()], ids=lambda o: type(o).__name__)
def test_who_answers_operators_is_asked(other):
    x = cr.tensor(X, requires_grad=True)
    for found in (x + other, x - other, x * other, x / other, x**other, x @ other, x % other, x == other, x < other):
        assert found == "answered"


@pytest.mark.parametrize("other", [None, "text", object()], ids=["None", "text", "object"])
def test_what_nobody_answers_raises(other):
    x = cr.tensor(X)
    for operator in (lambda: x + other, lambda: other - x, lambda: x @ other, lambda: x < other):
        with pytest.raises(TypeError):
            operator()
    assert (x == other) is False and (x != other) is True


def test_who_has_a_say_in_ufuncs_is_asked():
    for f in (lambda x: x * Metres(X), lambda x: np.multiply(x, Metres(X)), lambda x: np.multiply(Metres(X), x)):
        close(cr.grad(lambda x, f=f: f(x).value.sum())(X), X)


def test_lists_of_tensors_are_stacked():
    close(cr.grad(lambda x: (x * [x[0], x[1]]).sum())(X), 2 * X)
    close(cr.grad(lambda x: ([x[0], x[1]] - x**2).sum())(X), 1 - 2 * X)


@pytest.mark.parametrize(
    "data", [range(1, 3), (1, 2), [1, 2], memoryview(b"\x01\x02"), np.float32(2)], ids=lambda d: type(d).__name__
)
def test_what_numpy_reads_is_data(data):
    x = cr.tensor(X)
    close(np.asarray(x * data), X * np.asarray(data))
    close(np.asarray(np.subtract(data, x)), np.asarray(data) - X)


def test_fractions_are_numbers():
    out = cr.tensor(X) * Fraction(1, 2)
    assert out.dtype == np.float64
    close(cr.grad(lambda x: (Fraction(3, 2) * x).sum())(X), [1.5, 1.5])


def test_masks_are_not_dropped():
    with pytest.raises(cr.errors.UnsupportedError, match="mask would be lost"):
        cr.tensor(X) * np.ma.array(X, mask=[False, True])


def test_matrices_multiply_as_matrices():
    x = cr.tensor([[1.0, 2.0]])
    with pytest.warns(PendingDeprecationWarning):
        column = np.matrix([[1.0], [3.0]])
    close(np.asarray(x * column), [[7.0]])


OPERATORS = [
    lambda x, s: (x * s).sum(),
    lambda x, s: (s * x).sum(),
    lambda x, s: (s - x**2).sum(),
    lambda x, s: (x / s).sum() + (s / x).sum(),
    lambda x, s: np.multiply(x, s).sum() + np.multiply(s, x).sum(),
    lambda x, s: np.dot(x, s) + x @ s,
    lambda x, s: (np.sin(x) * s).sum() + np.where(s > 1.5, x, s).sum(),
]


@pytest.mark.parametrize("f", OPERATORS)
def test_data_frames_are_data(f):
    pandas = pytest.importorskip("pandas")
    s = pandas.Series(X, index=["a", "b"])
    expected = cr.grad(lambda x: f(x, X))(X)
    close(cr.grad(lambda x: f(x, s))(X), expected)
    moved = cr.jvp(lambda x: f(x, s), (X,), (X,))[1]
    close(moved, expected @ X)
    assert not isinstance(moved, pandas.Series)


def test_columns_of_a_table():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1.0, 2.0], "b": [0.5, 0.25]})

    def loss(w):
        return np.mean((w[0] * table["a"] + table["b"] * w[1] - 1) ** 2)

    assert cr.gradcheck(loss, (X,), order=2)


def test_named_axes_hold_tensors():
    xarray = pytest.importorskip("xarray")
    named = xarray.DataArray(X, dims="t")
    for f in (
        lambda x: (x * named).data,
        lambda x: (named * x).data,
        lambda x: np.exp(x * named).sum().data,
        lambda x: (x - named).data,
    ):
        assert cr.gradcheck(f, (X,))
    assert type(cr.tensor(X) * named) is xarray.DataArray


def test_whole_numbers_need_no_derivative():
    y = np.array([3.7, 1.2])
    close(cr.grad(lambda x: x[int(x[1])] * int(x[0]))(y), [0, 3])
    close(cr.grad(lambda x: (x * np.int64(x)).sum())(y), [3, 1])
    close(cr.jvp(lambda x: x * np.asarray(x, int), (y,), (y,))[1], [11.1, 1.2])
    close(cr.grad(lambda x: sum(x[i] ** 2 for i in range(int(x[1]))))(y), [7.4, 0])
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.grad(lambda x: x.sum() * float(x[0]))(y)
    with pytest.raises(cr.errors.LostDerivativeError):
        cr.grad(lambda x: (x * np.asarray(x, np.float32)).sum())(y)
