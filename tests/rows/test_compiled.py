"""Every row, its derivatives and its batch rule as machine code: the same numbers as its evaluation, in the same dtype."""

import warnings
import zlib

import numpy as np
import pytest
import row_tools as rt
from row_tools import active, random_like, stack_of
from samples import SAMPLES
from test_rows import batchable, caller

import chainrule as cr
from chainrule.compiler.native import execute
from chainrule.core.lowering import Call
from chainrule.core.primitive import ROWS

NATIVE, CALLED = 4, 1  # so many samples of a row are compiled every time; the others are marked slow


def _case(name, k, sample):
    often = k < (CALLED if isinstance(ROWS[name].lower, Call) else NATIVE)
    marks = () if often else (pytest.mark.slow,)
    return pytest.param(name, sample, id=f"{name}-{k}-{sample!r}"[:90], marks=marks)


CASES = [_case(name, k, sample) for name, samples in SAMPLES.items() for k, sample in enumerate(samples)]
rows = pytest.mark.parametrize("name, sample", CASES)
active_rows = pytest.mark.parametrize("name, sample", [c for c in CASES if active(c.values[1].args)])


@pytest.fixture(autouse=True)
def _same_numbers_in_any_order(request):
    rt.rng = np.random.default_rng(zlib.crc32(request.node.name.encode()))


def arrays_of(args):
    return [i for i, x in enumerate(args) if isinstance(x, np.ndarray)]


def compiled_is_recorded(f, *arrays):
    """`f` on arrays, run by NumPy and as machine code."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        graph = cr.graph(f)(*arrays)
        expected = graph.apply(*arrays, *(i.array for i in graph.inputs[len(arrays) :]))
        found = execute(graph, [*arrays, *(i.array for i in graph.inputs[len(arrays) :])])
    for x, y in zip(found, expected, strict=True):
        y = np.asarray(y)
        assert (np.shape(x), np.asarray(x).dtype) == (y.shape, y.dtype)
        single = y.dtype in (np.float32, np.complex64, np.float16) or any(a.dtype in (np.float32, np.float16) for a in arrays)
        scale = max(1.0, float(np.max(np.abs(y[np.isfinite(y)]), initial=0))) if y.dtype.kind in "fc" else 1.0
        np.testing.assert_allclose(x, y, rtol=2e-5 if single else 1e-12, atol=(2e-5 if single else 1e-12) * scale)


@rows
def test_value(name, sample):
    row, at = ROWS[name], arrays_of(sample.args)
    if not at:
        return

    def f(*xs):
        args = list(sample.args)
        for i, x in zip(at, xs, strict=True):
            args[i] = x
        return row.call(*args, **sample.params)

    compiled_is_recorded(f, *(sample.args[i] for i in at))


@active_rows
def test_derivatives(name, sample):
    f, xs = caller(name, sample)
    ts = [random_like(x) for x in xs]
    compiled_is_recorded(lambda *both: cr.jvp(f, both[: len(xs)], both[len(xs) :]), *xs, *ts)
    out = f(*xs)
    outs = list(out) if isinstance(out, tuple) else [out]
    gs = [random_like(o) for o in outs if o.dtype.kind in "fc"]

    def pull(*both):
        _made, back = cr.vjp(lambda *ys: _inexact(f(*ys)), *both[: len(xs)])
        return back(list(both[len(xs) :]))

    if gs:
        compiled_is_recorded(pull, *xs, *gs)


def _inexact(out):
    return [o for o in (out if isinstance(out, tuple) else [out]) if o.dtype.kind in "fc"]


@rows
def test_vmap(name, sample):
    at = batchable(sample)
    if not at:
        return
    row = ROWS[name]
    stacks = [stack_of(sample.args[i]) for i in at]

    def f(*xs):
        args = list(sample.args)
        for i, x in zip(at, xs, strict=True):
            args[i] = x
        return row.call(*args, **sample.params)

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            cr.vmap(f)(*stacks)
    except cr.errors.ShapeError:
        return  # the shape depends on the data
    compiled_is_recorded(cr.vmap(f), *stacks)
