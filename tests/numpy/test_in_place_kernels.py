"""NumPy kernels that work in place: on arrays, on Tensors, differentiated in both modes, mapped and compiled as they stand."""

import ast
import functools
from pathlib import Path

import in_place_kernels
import numpy as np
import pytest
from in_place_kernels import KERNELS
from numpy_tools import close, directional, rng_of

import chainrule as cr

kernels = pytest.mark.parametrize("kernel, before, arrays", KERNELS, ids=[k[0].__name__ for k in KERNELS])


def left_behind(kernel, before):
    """A function that gives the kernel's results and what it leaves in its arguments, real parts before imaginary ones."""

    def f(*arrays):
        out = kernel(*before, *arrays)
        out = () if out is None else out if isinstance(out, tuple) else (out,)
        everything = [np.reshape(a, -1) for a in (*out, *arrays)]
        return np.concatenate(
            [part for a in everything for part in ((np.real(a), np.imag(a)) if a.dtype.kind == "c" else (a,))]
        )

    return f


def copies(arrays):
    return [a.copy() for a in arrays]


def inner(xs, ys):
    return sum(np.sum(np.conj(x) * y).real for x, y in zip(xs, ys, strict=True))


def like(x, rng):
    return rng.normal(size=x.shape) + (1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else 0)


def test_the_kernels_import_only_numpy():
    tree = ast.parse(Path(in_place_kernels.__file__).read_text())
    imported = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    assert imported == ["numpy"] and not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))


@kernels
def test_derivatives(kernel, before, arrays):
    f, rng = left_behind(kernel, before), rng_of(kernel.__name__)

    def plain(*a):
        return f(*copies(a))

    value, ts, us = plain(*arrays), [like(a, rng) for a in arrays], [like(a, rng) for a in arrays]
    g = rng.normal(size=value.shape)
    close(f(*map(cr.tensor, arrays)).detach().numpy(), value, rtol=1e-12)
    slope = directional(plain, arrays, ts)
    found, moved = cr.jvp(f, arrays, ts)
    close(found, value, rtol=1e-12, atol=1e-14)
    close(moved, slope, rtol=1e-7, atol=1e-8)

    def gradient(*a):
        return cr.vjp(f, *a)[1](g)

    first = gradient(*arrays)
    close(inner(first, ts), np.sum(g * slope), rtol=1e-7)
    forward, reverse = cr.jvp(gradient, arrays, ts)[1], cr.vjp(gradient, *arrays)[1](tuple(us))
    bent = directional(lambda *a: np.asarray(inner(gradient(*a), us)), arrays, ts)
    close(inner(forward, us), bent, rtol=1e-6, atol=1e-6)
    close(inner(forward, us), inner(reverse, ts), rtol=1e-8, atol=1e-8)
    stacks = [np.stack([a, a + 1e-3 * t]) for a, t in zip(arrays, ts, strict=True)]
    entries = [[s[k] for s in stacks] for k in range(2)]
    close(cr.vmap(f)(*stacks), np.stack([plain(*e) for e in entries]), rtol=1e-11, atol=1e-13)
    for d, *ones in zip(cr.vmap(gradient)(*stacks), *(gradient(*e) for e in entries), strict=True):
        close(d, np.stack(ones), rtol=1e-9, atol=1e-10)


@kernels
def test_programs(kernel, before, arrays):
    f, rng = left_behind(kernel, before), rng_of(kernel.__name__)
    program = cr.compile(functools.partial(kernel, *before))
    g = rng.normal(size=f(*copies(arrays)).shape)
    compiled_f = left_behind(program, ())
    gradient = cr.compile(lambda *a: cr.vjp(f, *a)[1](g))
    for k in range(2):
        now = [a * (1 + 0.01 * k) for a in arrays]
        ours, theirs = copies(now), copies(now)
        out, wanted = program(*ours), kernel(*before, *theirs)
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, rtol=1e-12, atol=1e-14)
        if wanted is not None:
            for a, b in zip(out, wanted, strict=True):
                close(a, b, rtol=1e-12, atol=1e-14)
        expected = cr.vjp(f, *now)[1](g)
        for a, b, c in zip(gradient(*copies(now)), cr.vjp(compiled_f, *now)[1](g), expected, strict=True):
            close(a, c, rtol=1e-9, atol=1e-10)
            close(b, c, rtol=1e-9, atol=1e-10)
    assert len(program.variants) == 1


@kernels
def test_single_precision(kernel, before, arrays):
    low = [a.astype(np.complex64 if a.dtype.kind == "c" else np.float32) for a in arrays]
    program = cr.compile(functools.partial(kernel, *before))
    theirs = copies(low)
    kernel(*before, *theirs)
    for _ in range(2):
        tensors, ours = [cr.tensor(a) for a in low], copies(low)
        kernel(*before, *tensors)
        program(*ours)
        for a, b, c in zip(tensors, ours, theirs, strict=True):
            assert a.dtype == b.dtype == c.dtype
            close(a.numpy(), c, rtol=2e-5, atol=1e-5)
            close(b, c, rtol=2e-5, atol=1e-5)
