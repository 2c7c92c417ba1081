"""chainrule.numpy in NumPy's place: all of NumPy's names, arguments, and methods of ufuncs."""

import numpy
import pytest

import chainrule as cr
import chainrule.numpy as np

X = numpy.array([0.5, 1.5, 2.5])
MASK = numpy.array([True, False, True])


def is_module(space, name):
    return isinstance(getattr(space, name), type(numpy))


def test_every_name_of_numpy_is_there():
    for theirs, ours in ((numpy, np), (numpy.linalg, np.linalg), (numpy.fft, np.fft)):
        names = [n for n in dir(theirs) if n[0] != "_" and n != "test" and not (theirs is not numpy and is_module(theirs, n))]
        assert [n for n in names if not hasattr(ours, n)] == []
    assert np.integer is numpy.integer and np.random is numpy.random and np.linalg.LinAlgError is numpy.linalg.LinAlgError


def test_what_neither_has_raises():
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = np.no_such_function


CALLS = {
    "out": lambda np, x: np.add(x, x, out=np.zeros(3)),
    "out_by_position": lambda np, x: np.multiply(x, x, np.zeros(3)),
    "where": lambda np, x: np.exp(x, where=MASK, out=np.ones(3)),
    "dtype": lambda np, x: np.add(x, 1, dtype="f4"),
    "reduce": lambda np, x: np.multiply.reduce(x),
    "accumulate": lambda np, x: np.maximum.accumulate(x[::-1]),
    "reduceat": lambda np, x: np.add.reduceat(x, [0, 2]),
    "outer": lambda np, x: np.subtract.outer(x, x),
    "sum": lambda np, x: np.sum(x, out=np.zeros(())),
    "sum_by_position": lambda np, x: np.sum(x, 0, None, None, True),
    "var_by_position": lambda np, x: np.var(x, 0, None, None, 1),
    "cumsum": lambda np, x: np.cumsum(x, out=np.zeros(3)),
    "clip": lambda np, x: np.clip(x, 1, 2, out=np.zeros(3)),
    "concatenate": lambda np, x: np.concatenate([x, x], out=np.zeros(6)),
    "stack": lambda np, x: np.stack([x, x], dtype="f4", casting="same_kind"),
    "einsum": lambda np, x: np.einsum("i,i->i", x, x, out=np.zeros(3), order="C"),
    "ravel": lambda np, x: np.ravel(x, order="K"),
    "unique": lambda np, x: np.unique(x, sorted=True),
    "ediff1d": lambda np, x: np.ediff1d(ary=x),
    "take": lambda np, x: np.take(a=x, indices=[0, 2], mode="clip"),
    "eye": lambda np, x: np.eye(N=3, M=2) * x[:2],
    "where_it_holds": lambda np, x: np.where(x > 1),
    "where_else": lambda np, x: np.where(x > 1, x, 0),
    "matmul": lambda np, x: np.matmul(x, x, out=np.zeros(())),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpys_arguments(name):
    expected = CALLS[name](numpy, X)
    for x in (X, cr.tensor(X)):
        found = CALLS[name](np, x)
        for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (found, expected)), strict=True):
            a = numpy.asarray(a)
            assert a.dtype == b.dtype
            numpy.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("where_it_holds",)])
def test_derivatives_flow_through_them(name):
    f = CALLS[name]
    tol = {"rtol": 1e-2, "atol": 1e-3} if name in ("dtype", "stack") else {}
    assert cr.gradcheck(lambda x: f(np, x), (X,), **tol)


def test_at_changes_its_first_argument():
    def f(x):
        out = np.zeros(3)
        np.add.at(out, [0, 0, 2], x)
        return out @ out

    numpy.testing.assert_allclose(cr.grad(f)(X), [4.0, 4.0, 5.0])


def test_put_along_axis_changes_its_first_argument():
    def f(x):
        out = np.zeros((2, 3))
        np.put_along_axis(out, np.array([[1], [2]]), x[:2, None], axis=1)
        return (out * np.arange(6.0).reshape(2, 3)).sum()

    numpy.testing.assert_allclose(cr.grad(f)(X), [1.0, 5.0, 0.0])


def test_lists_have_axes():
    assert np.atleast_1d([[2, 3], [4, 5]]).shape == (2, 2)


def test_plain_arrays_give_plain_arrays():
    assert type(np.add(X, X, out=numpy.zeros(3))) is numpy.ndarray
    assert type(np.sum(X)) is numpy.float64
    assert type(np.add.outer(X, X)) is numpy.ndarray


def test_pytorchs_words_are_still_understood():
    numpy.testing.assert_allclose(np.sum(cr.tensor([[1.0, 2.0]]), dim=0), [1.0, 2.0])


def test_where_needs_both_or_neither():
    with pytest.raises(ValueError, match="both or neither"):
        np.where(MASK, X)


def test_a_program_of_another_library():
    """Only its import of NumPy changed."""

    def predict(params, inputs):
        for w, b in params:
            outputs = np.dot(inputs, w) + b
            inputs = np.tanh(outputs)
        return outputs - np.log(np.sum(np.exp(outputs), axis=1, keepdims=True))

    state = np.random.RandomState(0)
    params = [(0.1 * state.randn(m, n), state.randn(n)) for m, n in ((3, 4), (4, 2))]
    inputs, targets = state.randn(5, 3), np.eye(2)[state.randint(0, 2, 5)]
    assert cr.gradcheck(lambda params: -np.sum(predict(params, inputs) * targets), (params,), order=2)


def test_arrays_that_are_not_of_numbers_are_numpys():
    made = {
        "names": np.array(["a", "b"]),
        "objects": np.array([[None, 1]]),
        "places": np.empty(2, dtype=object),
        "filled": np.full(2, None),
        "like": np.full_like(numpy.array(["a"]), "b"),
        "day": np.asarray("2020-01-01", dtype="datetime64[D]"),
        "ragged": np.array([[1], [1, 2]], dtype=object),
    }
    assert {name: type(x) for name, x in made.items()} == dict.fromkeys(made, numpy.ndarray)
    assert made["names"].tolist() == ["a", "b"] and made["like"].tolist() == ["b"] and made["filled"].dtype == object
    for wrong in (
        lambda: np.array([cr.ones(2), "a"]),
        lambda: np.array([cr.ones(2)], dtype=object),
        lambda: np.array(["a"], requires_grad=True),
    ):
        with pytest.raises((cr.errors.ChainruleError, TypeError)):
            wrong()
    assert isinstance(np.array([1.0]), cr.Tensor) and isinstance(np.zeros(2), cr.Tensor)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@pytest.mark.parametrize("shape", [(2, 3), 3, ()], ids=str)
@pytest.mark.parametrize("rest", [(numpy.float32,), (int, "C"), (None, "F"), (numpy.dtype(bool), "C")], ids=str)
def test_new_arrays_take_shape_dtype_and_order_by_position(name, shape, rest):
    made, expected = getattr(np, name)(shape, *rest), getattr(numpy, name)(shape, *rest)
    assert (tuple(made.shape), made.dtype) == (expected.shape, expected.dtype)
