"""Sample arguments for the rows of matrix equations, matrix functions, some decompositions, and structured systems."""

import numpy as np
import sampling
import scipy.sparse
from sampling import C128, F32, F64, Sample, ints, normal

sampling.start(21)

WHOLE = np.zeros((1, 1), int)  # a turn that is no argument to differentiate


def near(n, *lead, shift=2.0, size=0.4, dtype=F64):
    """Matrices in the right half plane, far from singular."""
    return (size * normal(*lead, n, n, dtype=dtype) + shift * np.eye(n)).astype(dtype)


def positive(n, *lead, dtype=F64):
    x = normal(*lead, n, n, dtype=dtype)
    return (x @ x.conj().swapaxes(-1, -2) / n + 2 * np.eye(n)).astype(dtype)


def function_samples():
    def one(name, *a, p=None, dtype=F64, turn=WHOLE):
        return Sample(*a, turn, f=name, p=p, dtype=np.dtype(dtype))

    def both(pair):
        return [
            one("expm", *pair(2, F64)),
            one("expm", *pair(3, C128), dtype=C128),
            one("expm", *pair(2, F32), dtype=F32),
            one("logm", *pair(2, F64)),
            one("logm", *pair(2, C128), dtype=C128),
            one("fractional_matrix_power", *pair(2, F64), p=0.3),
            one("signm", *pair(2, F64)),
            one("logm", *pair(2, F64), dtype=C128),
        ]

    plain = both(lambda n, d: (near(n, dtype=d),))
    moved = both(lambda n, d: (near(n, dtype=d), normal(n, n, dtype=d)))
    cut = np.array([[-2.0, 1.0], [0.3, 1.0]])  # one eigenvalue is negative
    turn = np.full((1, 1), np.pi / 2)
    plain += [
        one("expm", near(2, 2, shift=0.0)),
        one("expm", np.zeros((0, 0))),
        one("expm", np.zeros((2, 0, 0))),
        one("expm", np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])),
        one("logm", 2 * np.eye(2)),
        one("logm", cut, dtype=C128, turn=turn),
    ]
    moved += [
        one("expm", near(2, 2, shift=0.0), normal(2, 2)),
        one("expm", near(2, shift=0.0), normal(3, 1, 2, 2)),
        one("expm", np.zeros((0, 0)), np.zeros((0, 0))),
        one("expm", near(2), normal(2, 2, dtype=C128)),
        one("fractional_matrix_power", cut, normal(2, 2), p=0.4, dtype=C128, turn=turn),
    ]
    return {
        "matrix_function": [*plain, Sample(near(2), WHOLE, f=np.sin, p=None, dtype=F64)],
        "frechet": moved,
        "sqrtm": [
            Sample(near(2), WHOLE, dtype=F64),
            Sample(near(3, dtype=C128), WHOLE, dtype=C128),
            Sample(near(2, dtype=F32), WHOLE, dtype=F32),
            Sample(near(2, 2), WHOLE, dtype=F64),
            Sample(np.eye(2) * 4, WHOLE, dtype=F64),
            Sample(cut, turn, dtype=C128),
            Sample(np.zeros((0, 0)), WHOLE, dtype=F64),
        ],
        "leaves_reals": [Sample(near(2), f=np.exp), Sample(near(2, 2), f=np.exp), Sample(np.zeros((0, 0)), f=np.exp)],
        "branch_turn": [Sample(near(2)), Sample(near(2, 2)), Sample(cut), Sample(near(2, dtype=F32)), Sample(np.zeros((0, 0)))],
    }


def schur_samples():
    separate = np.array([[1.0, 0.2, 0.1], [0.3, 3.0, -0.2], [0.1, 0.2, 6.0]])
    pair = np.array([[1.0, 2.0, 0.3], [-1.5, 1.4, 0.2], [0.1, 0.2, 5.0]])

    def turn(form, back, e):
        return Sample(form, e, back=back)

    return {
        "schur": [
            Sample(separate, sort=None),
            Sample(pair, sort=None),
            Sample(np.stack([separate, separate.T]), sort=None),
            Sample(separate, sort="lhp"),
            Sample(np.array([[3.0]], F32), sort=None),
            Sample(np.array([[2.0 + 1j]]), sort=None),
            Sample(np.zeros((0, 0)), sort=None),
        ],
        # Forms of whole numbers, since a form that moves below its blocks is none. Derivatives in it are second ones of schur.
        "schur_turn": [
            turn(np.diag(np.arange(3)), False, normal(3, 3)),
            turn(np.triu(ints(1, 9, 3, 3), 1) + np.diag([1, 4, 8]), False, normal(3, 3)),
            turn(np.triu(ints(1, 9, 3, 3), 1) + np.diag([1, 4, 8]), True, normal(2, 3, 3)),
            turn(np.array([[1, 2, 3], [-1, 1, 2], [0, 0, 4]]), False, normal(3, 3)),
            turn(np.array([[1, 2, 3], [-1, 1, 2], [0, 0, 4]]), True, normal(3, 3, dtype=F32)),
            turn(np.zeros((0, 0), int), False, np.zeros((0, 0))),
        ],
    }


def equation_samples():
    def sylvester(m, n, *lead, dtype=F64):
        return Sample(near(m, *lead, dtype=dtype), near(n, dtype=dtype), normal(*lead, m, n, dtype=dtype))

    def riccati(m, n, discrete, dtype=F64, given=(True, True)):
        a, b = near(m, shift=0.3 if discrete else -1.0, size=0.2, dtype=dtype), normal(m, n, dtype=dtype)
        e, s = near(m, shift=1.0, size=0.1, dtype=dtype), 0.1 * normal(m, n, dtype=dtype)
        q, r = positive(m, dtype=dtype) + 2 * np.eye(m), positive(n, dtype=dtype) + 2 * np.eye(n)
        return Sample(a, b, q, r, e, s.astype(dtype), discrete=discrete, balanced=True, given=given)

    return {
        "sylvester": [
            sylvester(2, 3),
            sylvester(2, 1, 2),
            sylvester(2, 2, dtype=C128),
            sylvester(2, 2, dtype=F32),
            sylvester(0, 2),
            Sample(2 * np.eye(2), 2 * np.eye(2), normal(3, 1, 2, 2)),
        ],
        "stein": [
            Sample(near(2, shift=0.3, size=0.2), normal(2, 2), method="direct"),
            Sample(near(2, 2, shift=0.3, size=0.2), normal(2, 2), method="direct"),
            Sample(near(2, shift=0.3, size=0.2, dtype=C128), normal(2, 2, dtype=C128), method="bilinear"),
            Sample(near(2, shift=0.3, size=0.2, dtype=F32), normal(2, 2, dtype=F32), method="direct"),
            Sample(np.zeros((0, 0)), np.zeros((0, 0)), method="direct"),
        ],
        "riccati": [riccati(2, 1, False), riccati(2, 1, True), riccati(2, 2, True, dtype=C128)],
    }


def decomposition_samples():
    def pivots(*rows):
        return Sample(np.array(rows, np.int32))

    return {
        "lu_factor": [
            *(Sample(normal(*s) + 2 * np.eye(*s[-2:])) for s in ((3, 3), (2, 4), (4, 2), (2, 2, 2), (1, 1), (0, 2), (2, 0))),
            Sample(near(3, dtype=C128)),
            Sample(near(2, dtype=F32)),
            Sample(np.array([[2.0, 1.0], [4.0, 2.0]])),  # the last pivot is 0
        ],
        "permutation": [pivots(1, 1, 2), pivots([0, 1], [1, 1]), Sample(np.zeros(0, np.int32))],
        "inverse_permutation": [Sample(np.array([2, 0, 1])), Sample(np.array([[1, 0], [0, 1]])), Sample(np.zeros(0, int))],
        "unitary_factor": [
            Sample(near(2)),
            Sample(normal(3, 2)),
            Sample(normal(2, 3, 2)),
            Sample(normal(3, 2, dtype=C128)),
            Sample(near(2, dtype=F32)),
            Sample(2 * np.eye(3)),
            Sample(np.zeros((2, 0))),
        ],
    }


def structured_samples():
    def banded(below, above, n, *lead, kind="general", dtype=F64, columns=2):
        ab = normal(*lead, below + above + 1, n, dtype=dtype)
        ab[..., above, :] += 5
        return Sample(ab, normal(n, columns, dtype=dtype), below=below, above=above, kind=kind)

    def definite(width, n, dtype=F64):
        sample = banded(width, width, n, kind="positive", dtype=dtype)
        sample.args[0][width] = np.abs(sample.args[0][width]) + 3
        return sample

    def factor(width, n, *lead, dtype=F64):
        ab = normal(*lead, width + 1, n, dtype=dtype)
        ab[..., 0, :] = np.abs(ab[..., 0, :]) + 6
        for d in range(1, width + 1):
            ab[..., d, n - d :] = 0  # outside of the matrix
        return Sample(ab)

    def toeplitz(n, *lead, dtype=F64):
        c = normal(*lead, n, dtype=dtype)
        c[..., :1] += 5
        return Sample(c, normal(n, dtype=dtype), normal(n, 2, dtype=dtype))

    def sparse(*xs):
        from chainrule.ops.linalg.sparse import Sparse

        matrix = Sparse(scipy.sparse.csr_array(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])))
        return [Sample(x, matrix=matrix) for x in xs]

    return {
        "banded_solve": [
            banded(1, 1, 3),
            banded(2, 1, 4),
            banded(0, 1, 3, 2),
            banded(1, 0, 3, kind="triangular"),
            banded(0, 2, 3, kind="triangular", dtype=C128),
            banded(1, 2, 3, dtype=C128),
            banded(1, 1, 3, dtype=F32),
            banded(1, 1, 3, columns=0),
        ],
        "cholesky_banded": [factor(1, 3), factor(2, 4), factor(0, 2), factor(1, 3, 2), factor(1, 3, dtype=F32)],
        "solve_toeplitz": [toeplitz(3), toeplitz(2, 2), toeplitz(1), toeplitz(3, dtype=C128), toeplitz(2, dtype=F32)],
        "sparse_product": sparse(normal(3), normal(3, 2), normal(3, dtype=C128), normal(3, dtype=F32), normal(3, 0)),
        "linear_solve": linear_samples(),
    }


def linear_samples():
    from chainrule.core.aval import Aval
    from chainrule.transforms.abstract import trace

    def sample(solver, dtype=F64, inverse=False):
        n = 3
        vector, matrix = Aval((n,), dtype), Aval((n, n), dtype)
        operator = trace(lambda x, a, w: a @ x + np.exp(w) * x, [vector, matrix, vector]).graph
        rough = trace(lambda x, w: x / w, [vector, vector]).graph if inverse else None
        guess = ints(0, 2, n)
        args = [normal(n, dtype=dtype), guess, near(n, dtype=dtype), normal(n, dtype=dtype)]
        if inverse:
            args.append(ints(2, 4, n))
        options = (("rtol", 1e-6 if dtype == F32 else 1e-14),)
        return Sample(*args, operator=operator, inverse=rough, consts=2, solver=solver, options=options)

    return [sample("gmres"), sample("bicgstab"), sample("gmres", C128), sample("gmres", F32), sample("gmres", inverse=True)]


SAMPLES = {
    **function_samples(),
    **schur_samples(),
    **equation_samples(),
    **decomposition_samples(),
    **structured_samples(),
}
HOLOMORPHIC = {"lu_factor", "solve_toeplitz"}
