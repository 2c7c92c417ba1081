"""Functions in scipy.linalg's names: SciPy's values, and derivatives of first and second order, stacks, vmap, compile."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from linalg_tools import inner, like, normal
from scipy_linalg_cases import (
    C128,
    CASES,
    DIFFER,
    F64,
    MIXED,
    NARROW,
    bands,
    cases,
    check_derivatives,
    close,
    dtypes,
    flat,
    half_bands,
    inexact,
    right,
    vector,
)

import chainrule as cr
import chainrule.linalg as cl


@cases
@dtypes
def test_value_is_scipys(name, dtype, rng):
    make, f, ref = CASES[name]
    args = make(rng, dtype)
    for found, expected in zip(flat(f(*args)), flat(ref(*args)), strict=True):
        close(found, expected, 1e-12)
        assert name in DIFFER or np.asarray(found).dtype == np.asarray(expected).dtype


@cases
@dtypes
def test_derivatives(name, dtype, rng):
    make, f, _ = CASES[name]
    check_derivatives(rng, f, *make(rng, dtype))


@cases
@dtypes
def test_single_precision(name, dtype, rng):
    if name in MIXED:
        return
    make, f, _ = CASES[name]
    args, f = make(rng, dtype), inexact(f)
    narrow = [a.astype(NARROW[dtype]) for a in args]
    values = f(*narrow)
    for found, expected in zip(values, f(*args), strict=True):
        assert found.dtype == (np.complex64 if expected.dtype == C128 else np.float32)
        close(found, expected, 1e-3)
    gs = [like(rng, v) for v in values]
    pulled, expected = cr.vjp(f, *narrow)[1](gs), cr.vjp(f, *args)[1](gs)
    for found, wide, x in zip(pulled, expected, narrow, strict=True):
        assert found.dtype == x.dtype
        close(found, wide, 3e-3)


@cases
def test_vmap_is_a_loop(name, rng):
    make, f, _ = CASES[name]
    stacks = [np.stack(xs) for xs in zip(*(make(rng, F64) for _ in range(3)), strict=True)]
    if name in ("orth", "null_space", "subspace_angles"):
        with pytest.raises(cr.errors.ArgumentError, match="rank"):
            cr.vmap(f)(*stacks)
        return
    loop = zip(*(flat(f(*(s[k] for s in stacks))) for k in range(3)), strict=True)
    for found, expected in zip(flat(cr.vmap(f)(*stacks)), loop, strict=True):
        close(found, np.stack(expected), 1e-12)


@cases
def test_compiled(name, rng):
    make, f, _ = CASES[name]
    args, f = make(rng, F64), inexact(f)
    gs = [like(rng, v) for v in f(*args)]

    def step(*a):
        values, pull = cr.vjp(f, *a)
        return [*values, *pull(gs)]

    compiled = cr.compile(step)
    for found, expected in zip(compiled(*args), step(*args), strict=True):
        close(found, expected, 1e-12)
    other = make(rng, F64)  # the same program for other numbers
    for found, expected in zip(compiled(*other), step(*other), strict=True):
        close(found, expected, 1e-12)


STACKED = {
    "expm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "logm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "sqrtm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "signm": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "schur": lambda rng, d: (np.stack([np.diag([1.0, 3.0]) + 0.1 * k for k in range(1, 4)]).astype(d),),
    "hessenberg": lambda rng, d: (right(rng, 3, d, 2),),
    "lu": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "lu_factor": lambda rng, d: (right(rng, 2, d, 2, 1),),
    "solve_sylvester": lambda rng, d: (right(rng, 2, d, 3, 1), right(rng, 2, d), normal(rng, 2, 2, 2, dtype=d)),
    "solve_discrete_lyapunov": lambda rng, d: (right(rng, 2, d, 3, shift=0.2, size=0.1), normal(rng, 2, 2, dtype=d)),
    "polar": lambda rng, d: (normal(rng, 2, 3, 2, dtype=d),),
    "solve_toeplitz": lambda rng, d: (vector(rng, 3, d, 2, 1), normal(rng, 3, 2, dtype=d)),
    "matmul_toeplitz": lambda rng, d: (vector(rng, 3, d, 2, 1), normal(rng, 3, 2, dtype=d)),
    "solveh_banded": lambda rng, d: (np.stack([half_bands(rng, 1, 3, d, False)] * 2), normal(rng, 3, dtype=d)),
    "cholesky_banded": lambda rng, d: (np.stack([half_bands(rng, 1, 3, d, False)] * 2),),
}


@pytest.mark.parametrize("name", STACKED)
@pytest.mark.parametrize("dtype", [F64, C128])
def test_stacks_are_loops(name, dtype, rng):
    args, f = STACKED[name](rng, dtype), getattr(cl, name)
    cores = {"solve_toeplitz": (1, 2), "matmul_toeplitz": (1, 2), "solveh_banded": (2, 1)}.get(name, (2,) * len(args))
    lead = np.broadcast_shapes(*(a.shape[: a.ndim - c] for a, c in zip(args, cores, strict=True)))
    spread = [np.broadcast_to(a, (*lead, *a.shape[a.ndim - c :])) for a, c in zip(args, cores, strict=True)]
    outs = flat(f(*args))
    for i in np.ndindex(lead):
        for found, expected in zip(outs, flat(f(*(a[i] for a in spread))), strict=True):
            close(np.broadcast_to(found, (*lead, *expected.shape))[i], expected, 1e-12)
    if not (name == "schur" and dtype is C128):
        check_derivatives(rng, f, *args)


@pytest.mark.parametrize(
    "name", ["expm", "logm", "sqrtm", "signm", "cosm", "tanm", "schur", "hessenberg", "lu", "lu_factor", "polar"]
)
def test_empty(name):
    f = inexact(getattr(cl, name))
    for shape in ((0, 0), (3, 0, 0), (0, 2, 2)):
        x = np.zeros(shape)
        values, moved = cr.jvp(f, (x,), (x,))
        assert all(v.size == 0 and v.shape[: len(shape) - 2] == shape[:-2] for v in values)
        assert [m.shape for m in moved] == [v.shape for v in values]
        assert cr.vjp(f, x)[1](values)[0].shape == shape
    assert cl.solve_sylvester(np.zeros((0, 0)), np.eye(2), np.zeros((0, 2))).shape == (0, 2)
    assert cl.solve_banded((1, 1), np.zeros((3, 0)), np.zeros(0)).shape == (0,)
    assert cl.solve_toeplitz(np.zeros(0), np.zeros((0, 2))).shape == (0, 2)
    assert cl.block_diag(np.zeros((0, 2)), [[1.0]]).shape == (1, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_lu_of_any_shape(seed, m, n, complex):
    rng = np.random.default_rng(seed)
    a = normal(rng, m, n, dtype=C128 if complex else F64)
    p, lower, upper = cl.lu(a)
    close(p @ lower @ upper, a, 1e-12)
    t = like(rng, a)
    _, moved = cr.jvp(lambda a: np.matmul(*cl.lu(a, permute_l=True)), (a,), (t,))
    if np.linalg.cond(a[: min(m, n), : min(m, n)]) < 1e6 if min(m, n) else True:
        close(moved, t, 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3))
def test_banded_systems_of_any_width(seed, n, below, above):
    rng = np.random.default_rng(seed)
    below, above = min(below, n - 1), min(above, n - 1)
    ab, b, t, u = bands(rng, below, above, n, F64), normal(rng, n), normal(rng, below + above + 1, n), normal(rng, n)
    full = [np.zeros((n, n)) for _ in range(2)]
    for dense, stored in zip(full, (ab, t), strict=True):
        for i in range(n):
            for j in range(max(0, i - below), min(n, i + above + 1)):
                dense[i, j] = stored[above + i - j, j]
    x, moved = cr.jvp(lambda ab, b: cl.solve_banded((below, above), ab, b), (ab, b), (t, u))
    close(x, np.linalg.solve(full[0], b), 1e-9)
    close(moved, np.linalg.solve(full[0], u - full[1] @ x), 1e-8)
    pulled = cr.vjp(lambda ab, b: cl.solve_banded((below, above), ab, b), ab, b)[1](u)
    s = np.linalg.solve(full[0].T, u)
    assert abs(inner(t, pulled[0]) + s @ full[1] @ x) < 1e-8 * (1 + abs(s @ full[1] @ x))
    close(pulled[1], s, 1e-8)
