"""Convolutions in native code and their gradients give the numbers of loops in NumPy, and touch no other memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from native import DTYPES, Native, guarded, slicing, storing, workspace

from chainrule.compiler.channels import SumsPlan, WeightSumsPlan
from chainrule.compiler.contract import Machine
from chainrule.compiler.convolve import (
    Convolution,
    forward,
    forward_scratch,
    input_grad,
    input_grad_scratch,
    weight_grad,
    weight_grad_scratch,
)

SIZES = {"forward": forward_scratch, "input_grad": input_grad_scratch, "weight_grad": weight_grad_scratch}


def windows(x, c):
    """x padded, and for each tap the view of it that meets the output."""
    padded = np.pad(x, ((0, 0), (0, 0), *c.padding))
    for r in range(c.rows):
        for s in range(c.columns):
            y0, x0 = r * c.dilation[0], s * c.dilation[1]
            at = np.s_[
                :, :, y0 : y0 + (c.out_height - 1) * c.stride[0] + 1 : c.stride[0],
                x0 : x0 + (c.out_width - 1) * c.stride[1] + 1 : c.stride[1],
            ]  # fmt: skip
            yield r, s, padded, at


def reference(c, x, w, g):
    """Output and both gradients, in double precision."""
    x, w, g = (v.astype(float) for v in (x, w, g))
    out, dw, dx = np.zeros(g.shape), np.zeros(w.shape), None
    for r, s, padded, at in windows(x, c):
        dx = np.zeros(padded.shape) if dx is None else dx
        for group in range(c.groups):
            i = slice(group * c.group_inputs, (group + 1) * c.group_inputs)
            o = slice(group * c.group_outputs, (group + 1) * c.group_outputs)
            part = padded[at][:, i]
            out[:, o] += np.einsum("ncyx,kc->nkyx", part, w[o, :, r, s])
            dw[o, :, r, s] += np.einsum("nkyx,ncyx->kc", g[:, o], part)
            dx[at][:, i] += np.einsum("nkyx,kc->ncyx", g[:, o], w[o, :, r, s])
    (top, _), (left, _) = c.padding
    return {
        "forward": out,
        "input_grad": dx[:, :, top : top + c.height, left : left + c.width],
        "weight_grad": dw,
    }


def arrays(c, t, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [
        (c.batch, c.inputs, c.height, c.width),
        (c.outputs, c.group_inputs, c.rows, c.columns),
        (c.batch, c.outputs, c.out_height, c.out_width),
    ]
    return [rng.standard_normal(shape).astype(DTYPES[t]) for shape in shapes]


def run(kind, c, t, x, w, g, parts=0, machine=Machine(), seen=None):  # noqa: B008
    shape = {"forward": g.shape, "input_grad": x.shape, "weight_grad": w.shape}[kind]
    got = guarded(np.full(shape, np.nan, DTYPES[t]))

    def pixel(n, k, y, x):
        return ((n * shape[1] + k) * shape[2] + y) * shape[3] + x

    for part in range(parts or 1):

        def write(f, x, w, g, out, scratch, part=part):
            share = slicing(f, part, parts) if parts else None
            if kind == "weight_grad":
                finish = storing(f, t, out, lambda k, j: k * (c.group_inputs * c.window) + j)
                weight_grad(f, machine, t, c, x, g, finish, scratch, share)
            elif kind == "forward":
                forward(f, machine, t, c, x, w, storing(f, t, out, pixel), scratch, share)
            else:
                input_grad(f, machine, t, c, g, w, storing(f, t, out, pixel), scratch, share)

        native = Native(write, ["x", "w", "g", "out", "scratch"])
        native(x, w, g, got, workspace(SIZES[kind](machine, t, c)))
    return got


def check(c, t="float", parts=0, machine=Machine(), kinds=tuple(SIZES)):  # noqa: B008
    data = [guarded(v) for v in arrays(c, t)]
    expected = reference(c, *data)
    for kind in kinds:
        got = run(kind, c, t, *data, parts=parts, machine=machine)
        error = np.abs(got - expected[kind]).max()
        assert error <= (1e-5 if t == "float" else 1e-13) * max(1, np.abs(expected[kind]).max()), kind


def same(size):
    return ((size // 2, size // 2), (size // 2, size // 2))


CASES = {
    "one of everything": Convolution(1, 1, 1, 1, 1, 1, 1),
    "first layer": Convolution(2, 1, 28, 28, 16, 5, 5, padding=same(5)),
    "odd width": Convolution(2, 4, 14, 14, 9, 5, 5, padding=same(5)),
    "rows in pairs": Convolution(2, 5, 8, 8, 7, 3, 3, padding=same(3)),
    "an odd number of rows": Convolution(1, 3, 7, 7, 6, 3, 3, padding=same(3)),
    "three vectors": Convolution(1, 2, 5, 24, 4, 3, 3, padding=same(3)),
    "wide": Convolution(1, 3, 20, 64, 8, 7, 7, padding=same(7)),
    "no padding": Convolution(2, 3, 9, 12, 5, 3, 2),
    "smaller than a vector": Convolution(3, 2, 3, 3, 4, 3, 3, padding=same(3)),
    "window of the whole image": Convolution(5, 3, 4, 4, 10, 4, 4),
    "one dimension": Convolution(2, 3, 1, 50, 4, 1, 5, padding=((0, 0), (2, 2))),
    "stride": Convolution(2, 3, 16, 16, 7, 3, 3, stride=(2, 2), padding=same(3)),
    "stride and even window": Convolution(2, 3, 15, 18, 7, 4, 2, stride=(2, 2), padding=same(2)),
    "stride of three": Convolution(1, 2, 17, 31, 5, 3, 5, stride=(3, 3), padding=same(3)),
    "stride beyond the window": Convolution(2, 4, 9, 21, 6, 1, 1, stride=(2, 2)),
    "stride far beyond the window": Convolution(1, 2, 9, 40, 3, 2, 1, stride=(4, 3)),
    "one stride": Convolution(1, 2, 12, 40, 3, 3, 3, stride=(1, 2), padding=same(3)),
    "dilation": Convolution(1, 3, 20, 20, 5, 3, 3, dilation=(2, 3), padding=((2, 2), (3, 3))),
    "dilation and stride": Convolution(1, 2, 21, 23, 5, 3, 3, (2, 2), ((2, 1), (0, 3)), (2, 2)),
    "dilation three, stride two": Convolution(1, 2, 21, 23, 5, 3, 2, (2, 3), ((2, 1), (0, 3)), (3, 2)),
    "uneven padding": Convolution(2, 2, 9, 10, 3, 3, 4, padding=((0, 2), (3, 1))),
    "padding beyond the window": Convolution(1, 2, 6, 7, 3, 2, 2, padding=((3, 2), (2, 4))),
    "rows that no window meets": Convolution(1, 2, 11, 13, 3, 2, 2, stride=(4, 5)),
    "groups": Convolution(2, 6, 10, 10, 9, 3, 3, padding=same(3), groups=3),
    "each channel alone": Convolution(2, 5, 16, 16, 5, 3, 3, padding=same(3), groups=5),
    "each channel alone, stride": Convolution(5, 6, 14, 33, 12, 3, 3, (2, 2), same(3), groups=6),
    "half a vector": Convolution(2, 5, 4, 4, 8, 3, 3, padding=same(3)),
    "half a vector, odd": Convolution(2, 5, 5, 4, 8, 3, 3, padding=((1, 1), (1, 1))),
    "half a vector of doubles": Convolution(2, 3, 6, 2, 5, 3, 3, padding=same(3)),
    "one output": Convolution(3, 9, 9, 11, 1, 3, 3, padding=same(3)),
    "two outputs": Convolution(8, 4, 5, 5, 2, 5, 5, padding=same(5)),
    "more weights than fit": Convolution(1, 180, 5, 9, 80, 3, 3, padding=same(3)),
    "pointwise": Convolution(3, 20, 9, 9, 13, 1, 1),
    "pointwise groups": Convolution(5, 8, 4, 5, 12, 1, 1, groups=4),
    "many weights": Convolution(2, 40, 6, 6, 50, 3, 3, padding=same(3)),
    "channels": Convolution(3, 8, 10, 10, 16, 3, 3),
    "channels, border": Convolution(2, 24, 8, 8, 32, 3, 3, padding=same(3)),
    "channels, border on one side": Convolution(2, 8, 7, 9, 48, 5, 4, padding=((0, 3), (2, 0))),
    "channels, border beyond the window": Convolution(1, 16, 5, 6, 16, 3, 2, padding=((4, 5), (3, 2))),
    "channels, stride": Convolution(5, 16, 15, 14, 32, 3, 3, (2, 2), same(3)),
    "channels, stride of three and two": Convolution(2, 16, 17, 31, 40, 3, 5, (3, 2), same(5)),
    "channels, rows that no window meets": Convolution(1, 16, 11, 13, 16, 2, 2, stride=(4, 5)),
    "channels, dilation": Convolution(1, 16, 20, 20, 16, 3, 3, dilation=(2, 3), padding=((2, 2), (3, 3))),
    "channels, dilation and stride": Convolution(1, 16, 21, 23, 16, 3, 3, (2, 2), ((2, 1), (0, 3)), (2, 2)),
    "channels, dilation three, stride two": Convolution(1, 16, 21, 23, 16, 3, 2, (2, 3), ((2, 1), (0, 3)), (3, 2)),
    "channels, groups": Convolution(2, 32, 10, 10, 32, 3, 3, padding=same(3), groups=2),
    "channels, five groups": Convolution(2, 80, 6, 5, 80, 3, 3, padding=same(3), groups=5),
    "channels, one dimension": Convolution(2, 16, 1, 50, 16, 1, 5, padding=((0, 0), (2, 2))),
    "channels, wide": Convolution(1, 3, 9, 150, 64, 7, 7, padding=same(7)),
    "channels, one pixel": Convolution(2, 16, 3, 3, 16, 3, 3),
    "channels, few taps": Convolution(9, 1, 12, 12, 16, 3, 3, padding=same(3)),
    "channels, five vectors": Convolution(2, 16, 6, 6, 80, 3, 3, padding=same(3)),
}


@pytest.fixture(autouse=True)
def channels_if_possible(request, monkeypatch):
    """Cases that are called so put channels into lanes wherever they can, whether that is faster or not."""
    if "channels" in request.node.name:
        for plan in (SumsPlan, WeightSumsPlan):
            monkeypatch.setattr(plan, "pays", plan.possible)


@pytest.mark.parametrize("t", ["float", "double"])
@pytest.mark.parametrize("case", CASES)
def test_numbers(case, t):
    check(CASES[case], t)


SHARED = [
    "first layer", "stride", "groups", "pointwise", "pointwise groups", "each channel alone", "each channel alone, stride",
    "window of the whole image", "one output", "two outputs", "half a vector", "many weights", "more weights than fit",
    "channels", "channels, border", "channels, border on one side", "channels, stride", "channels, five groups",
    "channels, border beyond the window", "channels, five vectors",
]  # fmt: skip


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("case", SHARED)
def test_threads_share_the_work(case, parts):
    check(CASES[case], parts=parts)


@pytest.mark.parametrize("machine", [Machine(16, 32), Machine(4, 32), Machine(4, 16)], ids=str)
@pytest.mark.parametrize(
    "case",
    [
        "odd width",
        "stride",
        "dilation and stride",
        "groups",
        "channels, border",
        "channels, five vectors",
        "channels, wide",
        "channels, border on one side",
        "channels, stride of three and two",
        "channels, groups",
        "channels, few taps",
    ],
)
def test_other_machines(case, machine):
    check(CASES[case], "float", machine=machine)
    check(CASES[case], "double", machine=machine)


@pytest.mark.parametrize("case", ["pointwise", "half a vector"])
@pytest.mark.parametrize("rows", [True, False])
def test_vectors_run_over_rows_only_if_allowed(case, rows):
    c, over = CASES[case], []
    for write, x, size in ((forward, 0, forward_scratch), (input_grad, 2, input_grad_scratch)):
        wide = c.out_width if write is forward else c.width
        high = c.out_height if write is forward else c.height

        def body(f, x, w, out, scratch, write=write, wide=wide, high=high):
            def finish(n, k, y, x, vector, valid):
                over.append(valid > wide)
                store = storing(f, "float", out, lambda n, k, y, x: ((n * 20 + k) * high + y) * wide + x)
                store(n, k, y, x, vector, valid)

            write(f, Machine(), "float", c, x, w, finish, scratch, rows=rows)

        data = [guarded(v) for v in arrays(c, "float")]
        Native(body, ["x", "w", "out", "scratch"])(
            data[x], data[1], np.zeros(c.batch * 40 * 100, np.float32), workspace(size(Machine(), "float", c))
        )
    assert (not any(over)) if rows or case == "pointwise" else all(over)


def test_runs_agree_to_the_last_bit():
    c = CASES["odd width"]
    data = [guarded(v) for v in arrays(c, "float")]
    for kind in SIZES:
        assert np.array_equal(run(kind, c, "float", *data), run(kind, c, "float", *data)), kind


sizes = st.tuples(st.integers(1, 20), st.integers(1, 40))
small = st.tuples(st.integers(1, 4), st.integers(1, 5))


@pytest.mark.parametrize("outputs", [st.integers(1, 13), st.sampled_from([4, 8, 12, 16, 24])], ids=["pixels", "channels"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.data(), st.sampled_from(["float", "double"]), st.integers(1, 5), st.integers(1, 3), st.integers(1, 7), sizes,
    small, st.tuples(st.integers(1, 3), st.integers(1, 3)), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(st.integers(0, 4), st.integers(0, 4))),
    st.sampled_from(sorted(SIZES)),
)  # fmt: skip
def test_any_shape(outputs, data, t, batch, groups, inputs, size, window, stride, dilation, padding, kind):
    outputs = data.draw(outputs)
    c = Convolution(batch, groups * inputs, *size, groups * outputs, *window, stride, padding, dilation, groups)
    assume(c.out_height > 0 and c.out_width > 0)
    check(c, t, kinds=[kind])
