"""np.emath on Tensors: NumPy's values and dtypes, complex where elements leave the real domain, and derivatives there."""

import numpy as np
import pytest
from numpy_tools import check_derivatives, close

import chainrule as cr

INSIDE, OUTSIDE = np.array([0.2, 0.6, 0.9]), np.array([-2.5, 0.4, 3.0])
ONE = ["sqrt", "log", "log2", "log10", "arccos", "arcsin", "arctanh"]


def same(found, expected):
    assert isinstance(found, cr.Tensor) and (found.shape, found.dtype) == (expected.shape, expected.dtype)
    close(found.detach().numpy(), expected, rtol=1e-6 if expected.dtype in (np.float32, np.complex64) else 1e-13)


@pytest.mark.parametrize("dtype", [float, np.float32, np.int8, int, np.complex64])
@pytest.mark.parametrize("name", ONE)
def test_values(name, dtype):
    f = getattr(np.emath, name)
    for x in (INSIDE, OUTSIDE, OUTSIDE[:0], OUTSIDE[0], np.array([1, -3]), np.array([1, 1])):
        x = np.asarray(x).astype(dtype)
        with np.errstate(all="ignore"):
            same(f(cr.tensor(x)), np.asarray(f(x)))


def test_values_of_two():
    for x in (INSIDE, OUTSIDE):
        same(np.emath.logn(cr.tensor(2.0), x), np.emath.logn(2.0, x))
        same(np.emath.logn(-3, cr.tensor(x)), np.emath.logn(-3, x))
        for p in (2, 0.5, -1, np.array([1, -2, 3])):
            same(np.emath.power(cr.tensor(x), p), np.emath.power(x, p))
    same(np.emath.power(cr.tensor([2, 4]), -2), np.emath.power([2, 4], -2))
    same(np.emath.power(cr.tensor([2, -4]), 2), np.emath.power([2, -4], 2))


@pytest.mark.parametrize("name", ONE)
def test_derivatives(name):
    f = getattr(np.emath, name)
    for x in (INSIDE, OUTSIDE):
        check_derivatives(lambda x: np.real(f(x)) + 0.3 * np.imag(f(x)) ** 2, x, name=name, batched=False)
    check_derivatives(lambda x: np.abs(np.emath.power(x, 1.5)) + np.real(np.emath.logn(3.0, x)), OUTSIDE, batched=False)


def test_a_batch_has_no_dtype_of_its_own():
    with pytest.raises(cr.errors.ChainruleError):
        cr.vmap(np.emath.sqrt)(np.stack([INSIDE, OUTSIDE]))


def test_a_compiled_program_follows_the_values():
    f = cr.compile(lambda x: np.abs(np.emath.sqrt(x)))
    for x in (INSIDE, OUTSIDE, INSIDE):
        close(f(x), np.abs(np.emath.sqrt(x)), rtol=1e-13)
