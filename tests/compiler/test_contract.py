"""Matrix products in native code give NumPy's numbers, for every shape, stride and callback, and touch nothing else."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from native import DTYPES, Native, guarded, slicing, storing, workspace

from chainrule.compiler.contract import (
    Blocks,
    Machine,
    Packed,
    Panels,
    Read,
    Strided,
    first_row,
    pack,
    packed_size,
    product,
    row_blocks,
    scratch_size,
)
from chainrule.compiler.llvm import lanes, vector

MACHINES = [Machine(), Machine(16, 32), Machine(4, 32), Machine(4, 16)]
LAYOUTS = ["rows", "columns", "every other", "same row", "same column"]


def strided(layout, first, second):
    """Strides of a matrix, and how many elements it spans."""
    a, b = {
        "rows": (second, 1),
        "columns": (1, first),
        "every other": (2 * second + 1, 2),
        "same row": (0, 1),
        "same column": (1, 0),
    }[layout]
    return a, b, (first - 1) * a + (second - 1) * b + 1


def matrix(data, layout, first, second):
    a, b, _ = strided(layout, first, second)
    size = data.itemsize
    return np.lib.stride_tricks.as_strided(data, (first, second), (a * size, b * size))


def close(x, expected, t, k):
    error = np.abs(x - expected).max()
    assert error <= (1e-6 if t == "float" else 1e-15) * 8 * max(k, 4) ** 0.5 * max(1, np.abs(expected).max())


def check(t, m, n, k, layouts=("rows", "rows"), machine=MACHINES[0], parts=0, start=False, column=True, seed=0, **options):
    """Compile and run C = A B, once for every pretended thread, against NumPy."""
    rng = np.random.default_rng(seed)
    a1, a2, a_size = strided(layouts[0], m, k)
    b1, b2, b_size = strided(layouts[1], k, n)
    a, b = (guarded(rng.standard_normal(size).astype(DTYPES[t])) for size in (a_size, b_size))
    add = guarded(rng.standard_normal((m, n)).astype(DTYPES[t]))
    size = scratch_size(machine, t, m, n, k, Strided(None, a1, a2), Strided(None, b1, b2))
    expected = matrix(a, layouts[0], m, k).astype(float) @ matrix(b, layouts[1], k, n).astype(float)
    if start:
        expected += add
    got = guarded(np.full((m, n), np.nan, DTYPES[t]))
    for part in range(parts or 1):

        def write(f, a, b, c, add, scratch, part=part):
            def begin(i, j, valid):
                return f.load_some(vector(t, machine.lanes(t)), f.offset(add, i * n + j, t), valid)

            if column and n == 1:
                options["finish_column"] = storing(f, t, c, lambda i, j: i)
            product(
                f, machine, t, m, n, k, Strided(a, a1, a2), Strided(b, b1, b2), storing(f, t, c, lambda i, j: i * n + j),
                scratch, start=begin if start else None, share=slicing(f, part, parts) if parts else None, **options,
            )  # fmt: skip

        run = Native(write, ["a", "b", "c", "add", "scratch"])
        run(a, b, got, add, workspace(size))
    close(got, expected, t, k)
    if not parts:
        again = np.zeros_like(got)
        run(a, b, again, add, workspace(size))
        assert np.array_equal(got, again), "the same numbers from run to run"


@pytest.mark.parametrize("t", ["float", "double"])
@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1), (3, 5, 2), (6, 16, 4), (7, 17, 9), (13, 33, 31), (16, 10, 32), (64, 10, 128), (32, 48, 100),
        (30, 40, 1), (1, 100, 50), (2, 37, 64), (1, 9, 300), (100, 1, 50), (65, 1, 7), (4, 130, 19), (25, 24, 700),
        (14, 14, 1000), (5, 3, 1700), (70, 90, 530),
    ],
)  # fmt: skip
def test_shapes(t, shape):
    check(t, *shape)
    check(t, *shape, layouts=("columns", "columns"))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["float", "double"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 90) | st.integers(400, 900),
    st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, True, False]),
)
def test_any_strides(t, m, n, k, layouts, start, long_finish, outlined):
    check(t, m, n, k, layouts, start=start, long_finish=long_finish, outlined=outlined)


@pytest.mark.parametrize("machine", MACHINES[1:], ids=str)
@pytest.mark.parametrize("layouts", [("rows", "rows"), ("columns", "columns"), ("every other", "same row")], ids=str)
def test_other_machines(machine, layouts):
    check("float", 29, 37, 70, layouts, machine)
    check("double", 9, 19, 500, layouts, machine)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("split", ["rows", "columns", None])
@pytest.mark.parametrize("shape", [(50, 40, 60), (3, 100, 20), (100, 3, 900), (1, 50, 40), (50, 1, 40), (64, 70, 800)])
def test_threads_share_the_work(parts, split, shape):
    check("float", *shape, parts=parts, split=split, start=True)
    check("float", *shape, ("columns", "columns"), parts=parts, split=split)


def test_one_column_without_a_finish_for_columns():
    check("float", 21, 1, 30, column=False, start=True)
    check("float", 21, 1, 30, ("columns", "rows"), column=False, parts=2)


@pytest.mark.parametrize("t", ["float", "double"])
@pytest.mark.parametrize("along", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("shape", [(13, 21, 70), (20, 40, 900), (3, 10, 10), (1, 30, 50), (30, 1, 50), (200, 20, 600)])
def test_operands_computed_while_they_are_packed(t, along, shape):
    m, n, k = shape
    rng = np.random.default_rng(1)
    shapes = [(m, k), (k, n)]
    arrays = [rng.standard_normal(s if along[i] else s[::-1]).astype(DTYPES[t]) for i, s in enumerate(shapes)]
    machine = Machine()

    def read(f, pointer, which):
        def get(first, second, valid):
            at = first * shapes[which][1] + second if along[which] else second * shapes[which][0] + first
            x = f.load_some(vector(t, machine.lanes(t)), f.offset(pointer, at, t), valid)
            return f.select(x > 0.0, x, f.constant(x.type, 0))

        return Read(along[which], get)

    def write(f, a, b, c, scratch):
        product(
            f, machine, t, m, n, k, read(f, a, 0), read(f, b, 1), storing(f, t, c, lambda i, j: i * n + j), scratch,
            finish_column=storing(f, t, c, lambda i, j: i),
        )  # fmt: skip

    got = guarded(np.full((m, n), np.nan, DTYPES[t]))
    size = scratch_size(machine, t, m, n, k, read(None, None, 0), read(None, None, 1))
    Native(write, ["a", "b", "c", "scratch"])(*map(guarded, arrays), got, workspace(size))
    a, b = (np.maximum(x if along[i] else x.T, 0).astype(float) for i, x in enumerate(arrays))
    close(got, a @ b, t, k)


@pytest.mark.parametrize("shape", [(4, 37, 60), (64, 37, 60), (20, 10, 700), (1, 64, 20)])
@pytest.mark.parametrize("turned", [False, True])
def test_panels_packed_before(shape, turned):
    m, n, k = shape
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    machine = Machine()

    def write(f, a, b, c, scratch, packed):
        pack(f, machine, "float", n, k, Strided(b, 1, k) if turned else Strided(b, n, 1), packed)
        place = storing(f, "float", c, lambda i, j: i * n + j)
        product(f, machine, "float", m, n, k, Strided(a, k, 1), Packed(packed), place, scratch)

    got = guarded(np.full((m, n), np.nan, np.float32))
    size = scratch_size(machine, "float", m, n, k, Strided(None, k, 1), Packed(None))
    packed = workspace(packed_size(machine, "float", n, k))
    given = np.ascontiguousarray(b.T) if turned else b
    Native(write, ["a", "b", "c", "scratch", "packed"])(guarded(a), guarded(given), got, workspace(size), packed)
    close(got, a.astype(float) @ b, "float", k)


def test_depth_in_blocks_of_the_caller():
    """A sum over a batch: A is (batch, parts, m, length), B is (batch, parts, length, n)."""
    batch, parts, m, n, length = 3, 2, 9, 20, 24
    rng = np.random.default_rng(3)
    a = rng.standard_normal((batch, parts, m, length)).astype(np.float32)
    b = rng.standard_normal((batch * parts * length, n)).astype(np.float32)
    machine, met = Machine(), []

    def run(outlined):
        def write(f, a, b, c, scratch):
            def get(block, j, valid):
                depth = parts * length
                return lambda k: f.load_some(vector("float", 8), f.offset(b, (block * depth + k) * n + j, "float"), valid)

            def fill(block, j, valid, target):
                with f.loop(0, parts * length) as turn:
                    for v, some in enumerate(valid):
                        x = get(block, j + v * 8, some)(turn.index)
                        f.store(x, f.offset(target, turn.index * (8 * len(valid)) + v * 8, "float"))

            from_a = Strided(a, length, 1)
            blocks = Blocks(batch, parts * length, parts * m * length, parts, m * length, met.append)
            place = storing(f, "float", c, lambda i, j: i * n + j)
            k = batch * parts * length
            product(
                f, machine, "float", m, n, k, from_a, Panels(fill), place, scratch, blocks=blocks, outlined=outlined
            )  # fmt: skip

        got = guarded(np.full((m, n), np.nan, np.float32))
        k = batch * parts * length
        blocks = Blocks(batch, parts * length, parts * m * length, parts, m * length)
        size = scratch_size(machine, "float", m, n, k, Strided(None, length, 1), Panels(None), blocks)
        Native(write, ["a", "b", "c", "scratch"])(guarded(a), guarded(b), got, workspace(size))
        return got

    expected = np.moveaxis(a, 2, 0).reshape(m, -1).astype(float) @ b
    close(run(True), expected, "float", 144)
    close(run(False), expected, "float", 144)
    assert len(met) == 2


def test_threads_know_their_rows():
    machine, m = Machine(), 45
    count = row_blocks(machine, m)
    rows = [first_row(None, machine, m, block) for block in range(count + 1)]
    assert rows[0] == 0 and rows[-1] == m
    assert {b - a for a, b in itertools.pairwise(rows)} <= {4, 5, 6}


def test_vectors_are_never_longer_than_asked():
    text = Native(lambda f, a: product(
        f, Machine(4, 16), "float", 9, 30, 60, Strided(a, 60, 1), Strided(a, 30, 1), lambda i, j, x, valid: None,
        f.stack("i8", 1 << 16),
    ), ["a"]).text  # fmt: skip
    assert "<4 x float>" in text and "<8 x float>" not in text
    assert lanes("<4 x float>") == 4
