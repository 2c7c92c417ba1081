"""Random programs give the same numbers and derivatives eager, compiled and under each transform."""

import numpy as np
import pytest
from random_programs import Program

import chainrule as cr
from chainrule.trees import flatten

FEW = {"sizes": (1, 2, 3, 4), "steps": (40, 120), "largest": 24}  # such programs run without loops
SEEDS = [pytest.param(s, marks=pytest.mark.slow if s >= 25 else ()) for s in range(400)]


def close(found, expected, dtypes, slack=0.0):
    tolerance = 3e-3 if np.dtype(np.float32) in dtypes else 1e-8
    for x, y in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        scale = max(1, np.abs(y[np.isfinite(y)]).max(initial=0)) if y.dtype.kind == "f" else 0
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale + slack)


def rounding(program, xs, gradients):
    """By how much the gradients are wrong in any case: some programs are ill-conditioned in float32."""
    wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in xs]
    exact = cr.grad(program.number, argnums=tuple(range(len(xs))))(*wide)
    errors = [np.abs(np.asarray(g) - np.asarray(e)).max(initial=0) for g, e in zip(gradients, exact, strict=True)]
    return float(max(np.nan_to_num(errors), default=0.0))


@pytest.mark.parametrize("settings", [{}, FEW], ids=["arrays", "numbers"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore")
def test_random_program(seed, settings):
    program = Program(seed, **settings)
    xs = program.inputs
    values = program.results(*xs)
    dtypes = {x.dtype for x in (*xs, *values)}
    close(cr.compile(program.results)(*xs), values, dtypes)
    every = tuple(range(len(xs)))
    gradients = cr.grad(program.number, argnums=every)(*xs)
    slack = rounding(program, xs, gradients) if np.dtype(np.float32) in dtypes else 0.0
    close(cr.compile(cr.grad(program.number, argnums=every))(*xs), gradients, dtypes, slack)
    match seed % 4:
        case 0:
            close(cr.grad(cr.compile(program.number), argnums=every)(*xs), gradients, dtypes, slack)
        case 1:
            batch = [np.stack([x, x * 0.5]) for x in xs]
            apart = [cr.stack([program.number(*xs), program.number(*(x * x.dtype.type(0.5) for x in xs))])]
            close([cr.vmap(program.number)(*batch)], apart, dtypes)
            close([cr.compile(cr.vmap(program.number))(*batch)], apart, dtypes)
        case 2:
            _, slope = cr.jvp(program.number, tuple(xs), tuple(np.ones_like(x) for x in xs))
            total = sum(g.sum() for g in gradients)
            close([slope], [np.asarray(total).astype(slope.dtype)], dtypes)
        case 3 if sum(x.size for x in xs) < 60:
            close(cr.compile(cr.hessian(program.number))(*xs), cr.hessian(program.number)(*xs), dtypes)
