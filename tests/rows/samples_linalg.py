"""Samples of the rows of linear algebra.

Eigenvectors and singular vectors that are complex, or that complete a basis in several ways, have no slope of their own:
tests in tests/linalg look at functions of them that do not depend on the choice.
"""

import numpy as np
import sampling
from sampling import C128, F32, F64, Sample, aside, normal

sampling.start(21)


def near_identity(*shape, dtype=F64, scale=0.2):
    """Well-conditioned square matrices."""
    return (np.eye(shape[-1]) * np.arange(1, shape[-1] + 1) + scale * normal(*shape, dtype=dtype)).astype(dtype)


def full_rank(*shape, dtype=F64):
    """Matrices whose singular values are near 1, 2, 3 ..."""
    k = min(shape[-2:])
    left = np.linalg.qr(normal(*shape[:-2], shape[-2], k, dtype=dtype))[0]
    right = np.linalg.qr(normal(*shape[:-2], shape[-1], k, dtype=dtype))[0]
    return ((left * np.arange(1.0, k + 1)) @ right.conj().swapaxes(-1, -2)).astype(dtype)


def positive(*shape, dtype=F64):
    """Hermitian positive definite matrices."""
    x = normal(*shape, dtype=dtype)
    return (x @ x.conj().swapaxes(-1, -2) * 0.3 + np.eye(shape[-1]) * np.arange(1, shape[-1] + 1)).astype(dtype)


SQUARE = [near_identity(3, 3), near_identity(2, 2, 2), near_identity(1, 1), normal(0, 0), normal(0, 2, 2)]
SQUARE += [near_identity(2, 2, dtype=F32)]
COMPLEX = [near_identity(3, 3, dtype=C128), near_identity(2, 2, 2, dtype=C128)]
SIDES = [
    ((3, 3), (3, 2)),
    ((2, 3, 3), (3, 1)),
    ((3, 3), (2, 3, 2)),
    ((2, 1, 2, 2), (3, 2, 1)),
    ((1, 1), (1, 0)),
    ((0, 0), (0, 2)),
    ((0, 2, 2), (2, 1)),
]


def systems(**params):
    samples = [Sample(near_identity(*a), normal(*b), **params) for a, b in SIDES]
    samples += [Sample(near_identity(2, 2, dtype=d), normal(2, 2, dtype=e), **params) for d in (F64, C128) for e in (F64, C128)]
    return [*samples, Sample(near_identity(2, 2, dtype=F32), normal(2, 1, dtype=F32), **params)]


def triangular():
    cases = [(lower, trans, False) for lower in (False, True) for trans in "NTC"] + [(True, "C", True), (False, "T", True)]
    samples = []
    for k, (lower, trans, unit) in enumerate(cases):
        params = {"lower": lower, "trans": trans, "unit_diagonal": unit}
        dtype = C128 if k % 2 else F64
        samples += [Sample(near_identity(3, 3, dtype=dtype), normal(3, 2, dtype=dtype), **params)]
    plain = {"lower": True, "trans": "N", "unit_diagonal": False}
    many = Sample(near_identity(9, 2, 2), normal(9, 2, 1), **plain)
    return [*samples, *systems(**plain), many, *systems(lower=False, trans="C", unit_diagonal=False)[:4]]


def singular():
    return [np.diag([0.0, 0, 2]), np.zeros((2, 2)), np.ones((3, 3)), np.array([[[1.0, 2], [2, 4]], [[1, 0], [0, 3]]])]


def cofactors():
    samples = [Sample(near_identity(3, 3)), Sample(near_identity(3, 3), normal(3, 3)), Sample(normal(2, 2, 2), normal(2, 2))]
    samples += [Sample(near_identity(2, 2, dtype=C128), normal(2, 2, dtype=C128)), Sample(near_identity(2, 2, dtype=F32))]
    samples += [
        Sample(np.diag([0.0, 1, 2]), normal(3, 3)),
        Sample(normal(3, 3), normal(3, 3), normal(3, 3)),
        Sample(normal(0, 0)),
    ]
    return samples


def rectangular(dtypes=(F64, F32, C128)):
    shapes = [(3, 2), (2, 3), (3, 3), (2, 3, 2), (1, 1), (0, 2), (2, 0), (0, 2, 2)]
    return [full_rank(*s) for s in shapes] + [full_rank(3, 2, dtype=d) for d in dtypes[1:]]


def least_squares():
    pairs = [
        ((3, 2), (3, 1)),
        ((2, 3), (2, 2)),
        ((2, 3, 2), (3, 1)),
        ((3, 2), (2, 3, 1)),
        ((2, 0), (2, 1)),
        ((0, 3, 2), (3, 1)),
    ]
    samples = [Sample(full_rank(*a), normal(*b), rcond=1e-10) for a, b in pairs]
    return [*samples, *(Sample(full_rank(3, 2, dtype=d), normal(3, 1, dtype=d), rcond=1e-5) for d in (F32, C128))]


def indefinite():
    # The first has a block of two, the second is reordered.
    real = [
        np.array([[0.1, 2, 0.3], [2, 0.2, 0.5], [0.3, 0.5, 1.5]]),
        np.array([[0.2, 0.1, 0.3], [0.1, 0.5, 0.4], [0.3, 0.4, -3]]),
    ]
    turned = [x + 0.1j * np.array([[0, 3.0, 0.2], [-3.0, 0, 0.4], [-0.2, -0.4, 0]]) for x in real]
    stack = np.stack([*real])
    samples = [Sample(x, hermitian=True, lower=k) for x in (*real, *turned, stack, np.eye(1), np.eye(0)) for k in (True, False)]
    return [*samples, *(Sample(x, hermitian=False, lower=k) for x in turned for k in (True, False))]


def symmetric():
    return [positive(3, 3), positive(2, 2, 2), positive(1, 1), normal(0, 0), normal(0, 2, 2), positive(2, 2, dtype=F32)]


TALL = [full_rank(3, 2), full_rank(3, 3), full_rank(2, 3, 2), full_rank(1, 1), normal(2, 0), normal(0, 0), normal(0, 3, 2)]

SAMPLES = {
    "triangular_solve": triangular(),
    "solve": systems(),
    "inv": [Sample(x, infinite=f) for x in SQUARE + COMPLEX for f in (False, True)],
    "det": [Sample(x) for x in SQUARE + COMPLEX + singular()],
    "cofactors": cofactors(),
    "slogdet": [Sample(x) for x in SQUARE + COMPLEX],
    "pinv": [
        *(Sample(x, np.asarray(0.02, x.real.dtype), hermitian=False) for x in rectangular()),
        Sample(full_rank(2, 3, 2), np.full(2, 0.02), hermitian=False),
        Sample(positive(2, 2), np.asarray(0.02), hermitian=True),
    ],
    "lstsq": least_squares(),
    "ldl": indefinite(),
    "matrix_balance": [
        Sample(x, permute=p, scale=True)
        for x in (np.array([[1.0, 300, 0], [0.01, 2, 0], [5, 6, 3]]), np.array([[[1.0, 300], [0.01, 2]]]), np.eye(0))
        for p in (True, False)
    ],
    "cholesky": [Sample(x, upper=u) for x in [*symmetric(), positive(3, 3, dtype=C128)] for u in (False, True)],
    "qr": [Sample(x, complete=c) for x in TALL for c in (False, True)]
    + [Sample(full_rank(3, 2, dtype=d), complete=False) for d in (F32, C128)],
    "eigh": [Sample(x, upper=u, free=u, vectors=True) for x in symmetric() for u in (False, True)],
    "eigh_split": [Sample(x, upper=u, order=0) for x in symmetric() for u in (False, True)],
    "eigh_along": [Sample(x, normal(*x.shape[-2:], dtype=x.dtype), upper=False) for x in symmetric()],
    "svd": [Sample(x, full=f, free=f, vectors=True) for x in rectangular((F64, F32)) for f in (False, True)],
    "svd_split": [Sample(x, full=f, order=0) for x in rectangular((F64, F32)) for f in (False, True)],
    "svd_along": [Sample(x, normal(*x.shape[-2:], dtype=x.dtype), full=False) for x in rectangular((F64, F32))],
    "eig_split": [Sample(x, order=0) for x in (*SQUARE[:5], near_identity(2, 2, dtype=F32, scale=0.1))],
    "over_splitting": [Sample(normal(2, 3), normal(2, 3)), Sample(normal(3, dtype=F32), normal(3, dtype=F32))],
    "rest_over_splitting": [Sample(normal(2, 3), normal(2, 3)), Sample(normal(3, dtype=F32), normal(3, dtype=F32))],
    "slopes_of_eigh": [Sample(np.array([1.0, 1, 2])), Sample(np.arange(6, dtype=F32).reshape(2, 3))],
    "slopes_of_svd": [Sample(np.array([2.0, 1, 1]), square=False), Sample(np.array([2.0, 1, 0], F32), square=True)],
    "slopes_of_eig": [Sample(np.array([1.0, 2, 1], C128)), Sample(np.arange(6, dtype=C128).reshape(2, 3))],
    "doubted": aside(
        lambda: [
            Sample(normal(2, 3), np.arange(6.0).reshape(2, 3), name="eigh", symmetric=True),
            Sample(normal(3, dtype=F32), np.arange(3, dtype=F32), name="svd", symmetric=False),
        ]
    ),
    "settled": [Sample(normal(2, 3), np.asarray(1.0)), Sample(normal(3, dtype=F32), np.asarray(1.0))],
    "eig": [Sample(x, free=False) for x in (*SQUARE[:5], near_identity(2, 2, dtype=F32, scale=0.1))],
}
HOLOMORPHIC = {"solve", "inv", "det"}
