"""Functions in jax.lax's names against what they say, written with NumPy: slices, padding, windows, convolutions."""

import itertools

import numpy as np
import pytest

import chainrule as cr

lax = cr.lax
rng = np.random.default_rng(8)
X = rng.normal(size=(4, 5))


def close(found, expected, tol=1e-12):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tol, atol=tol)


# --- slices -----------------------------------------------------------------------------------------------------------------


def start(i, n, size):
    return min(max(i + n if i < 0 else i, 0), n - size)


@pytest.mark.parametrize("at", [(0, 0), (1, 2), (3, 4), (-1, -2), (9, -9)])
def test_slices_that_begin_where_a_program_says(at):
    i, j = start(at[0], 4, 2), start(at[1], 5, 3)
    update = rng.normal(size=(2, 3))
    changed = X.copy()
    changed[i : i + 2, j : j + 3] = update

    def both(x, update, i, j):
        return lax.dynamic_slice(x, (i, j), (2, 3)), lax.dynamic_update_slice(x, update, (i, j))

    for f in (both, cr.compile(both)):
        for number in (int, np.array):
            part, whole = f(X, update, number(at[0]), number(at[1]))
            close(part, X[i : i + 2, j : j + 3])
            close(whole, changed)
    part, whole = cr.vmap(both, (None, None, 0, None))(X, update, np.array([0, at[0]]), at[1])
    close(part[1], X[i : i + 2, j : j + 3])
    close(whole[1], changed)
    weights = np.zeros((4, 5))
    weights[i : i + 2, j : j + 3] = 1
    close(cr.grad(lambda x: both(x, update, *at)[0].sum())(X), weights)
    close(cr.grad(lambda x: both(x, update, *at)[1].sum())(X), 1 - weights)
    close(cr.grad(lambda u: both(X, u, *at)[1].sum())(update), np.ones((2, 3)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_along_one_axis(axis):
    n = X.shape[axis]
    close(lax.dynamic_slice_in_dim(X, 1, 2, axis), np.take(X, [1, 2], axis))
    close(lax.dynamic_index_in_dim(X, 2, axis), np.take(X, [2], axis))
    close(lax.dynamic_index_in_dim(X, 2, axis, False), np.take(X, 2, axis))
    close(lax.index_in_dim(X, -1, axis), np.take(X, [n - 1], axis))
    close(lax.slice_in_dim(X, 0, None, 2, axis), np.take(X, range(0, n, 2), axis))
    changed = X.copy()
    np.moveaxis(changed, axis, 0)[1] = 7
    close(lax.dynamic_update_index_in_dim(X, np.full(np.take(X, 0, axis).shape, 7.0), 1, axis), changed)
    close(lax.dynamic_update_slice_in_dim(X, np.full(np.take(X, [0], axis).shape, 7.0), 1, axis), changed)


def test_slices_that_do_not_fit():
    with pytest.raises(cr.errors.ShapeError, match="longer than its axis"):
        lax.dynamic_slice(X, (0, 0), (5, 1))
    with pytest.raises(cr.errors.ShapeError, match="one start and one size for each axis"):
        lax.dynamic_slice(X, (0,), (2, 2))


# --- padding ----------------------------------------------------------------------------------------------------------------


def padded(x, value, config):
    for axis, (lo, hi, between) in enumerate(config):
        lines = np.moveaxis(x, axis, 0)
        n = len(lines)
        out = np.full((lo + hi + n + between * max(n - 1, 0) + 20, *lines.shape[1:]), value)
        out[10 + lo : 10 + lo + n + between * (n - 1) : between + 1] = lines
        x = np.moveaxis(out[10:-10], 0, axis)
    return x


CONFIGS = [
    [(1, 2, 0), (0, 0, 1)],
    [(0, 2, 1), (1, 0, 2)],
    [(-1, 2, 1), (1, -2, 2)],
    [(0, 0, 0), (0, 0, 0)],
    [(-3, 0, 1), (0, -4, 0)],
]


@pytest.mark.parametrize("config", CONFIGS)
def test_padding_before_after_and_between(config):
    close(lax.pad(X, 1.5, config), padded(X, 1.5, config))
    weights = rng.normal(size=padded(X, 0.0, config).shape)
    f = lambda x, v: (lax.pad(x, v, config) * weights).sum()  # noqa: E731
    by_x, by_value = cr.grad(f, (0, 1))(X, 1.5)
    inside = padded(np.ones_like(X), 0.0, config)
    np.testing.assert_allclose(by_value, (weights * (1 - inside)).sum(), atol=1e-12)
    np.testing.assert_allclose((by_x * X).sum(), (weights * padded(X, 0.0, config)).sum(), atol=1e-12)


# --- windows ----------------------------------------------------------------------------------------------------------------

JOINS = {
    "add": (lax.add, sum, 0.0),
    "add to 2": (lax.add, sum, 2.0),
    "max": (lax.max, max, -np.inf),
    "min": (lax.min, min, np.inf),
}
GEOMETRIES = list(
    itertools.product(
        [((1, 2), (1, 1)), ((2, 3), (2, 1))], [((0, 0), (0, 0)), ((1, 2), (0, 3))], [(1, 1), (2, 1)], [(1, 1), (1, 2)]
    )
)


def windows(x, window, strides, padding, spread, dilation):
    """The elements that each window meets, in a dict by place."""
    there = padded(np.ones(x.shape), 0.0, [(*p, s - 1) for p, s in zip(padding, spread, strict=True)]) == 1
    x = padded(x, 0.0, [(*p, s - 1) for p, s in zip(padding, spread, strict=True)])
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(x.shape, window, strides, dilation, strict=True)]
    found = {}
    for place in np.ndindex(*counts):
        cells = [
            tuple(p * s + o * d for p, s, o, d in zip(place, strides, offset, dilation, strict=True))
            for offset in np.ndindex(*window)
        ]
        found[place] = [x[c] for c in cells if there[c]]
    return counts, found


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_windows(join, geometry):
    (window, strides), padding, spread, dilation = geometry
    ours, plain, first = JOINS[join]
    counts, found = windows(X, window, strides, padding, spread, dilation)
    expected = np.zeros(counts)
    for place, elements in found.items():
        expected[place] = plain([first, *elements])
    f = lambda x: lax.reduce_window(x, first, ours, window, strides, padding, spread, dilation)  # noqa: E731
    close(f(X), expected)
    use = np.isfinite(expected)
    g, t = rng.normal(size=expected.shape), rng.normal(size=X.shape)
    total = lambda x: cr.where(use, f(x) * g, 0.0).sum()  # noqa: E731
    slope = (total(X + 1e-6 * t) - total(X - 1e-6 * t)) / 2e-6
    assert abs((cr.grad(total)(X) * t).sum() - slope) < 1e-7 * (1 + abs(slope))
    assert abs(cr.jvp(total, (X,), (t,))[1] - slope) < 1e-7 * (1 + abs(slope))


def test_words_for_padding():
    assert lax.reduce_window(X, 0.0, lax.add, (2, 3), (2, 2), "SAME").shape == (2, 3)
    assert lax.reduce_window(X, 0.0, lax.add, (2, 3), (2, 2), "VALID").shape == (2, 2)
    line, pair = np.arange(1.0, 4).reshape(1, 1, 3), np.array([[[1.0, 10.0]]])
    close(lax.conv(line, pair, (1,), "SAME").ravel(), np.array([21.0, 32.0, 3.0]))
    close(lax.conv(line, pair, (1,), "SAME_LOWER").ravel(), np.array([10.0, 21.0, 32.0]))
    with pytest.raises(cr.errors.ArgumentError, match="'FULL' is not known"):
        lax.conv(line, pair, (1,), "FULL")


# --- convolutions -----------------------------------------------------------------------------------------------------------


def convolved(x, w, strides, padding, spread, dilation, groups):
    n, channels = x.shape[:2]
    each, depth = w.shape[0] // groups, channels // groups
    (_, _, *counts), _ = windows(
        x, (1, 1, *w.shape[2:]), (1, 1, *strides), ((0, 0), (0, 0), *padding), (1, 1, *spread), (1, 1, *dilation)
    )
    x = padded(x, 0.0, [(0, 0, 0), (0, 0, 0), *((*p, s - 1) for p, s in zip(padding, spread, strict=True))])
    out = np.zeros((n, w.shape[0], *counts))
    for i, o in np.ndindex(n, w.shape[0]):
        first = o // each * depth
        for place in np.ndindex(*counts):
            cut = tuple(
                slice(p * s, p * s + (k - 1) * d + 1, d)
                for p, s, k, d in zip(place, strides, w.shape[2:], dilation, strict=True)
            )
            out[(i, o, *place)] = (x[(i, slice(first, first + depth), *cut)] * w[o]).sum()
    return out


IMAGE, KERNEL = rng.normal(size=(2, 4, 5, 4)), rng.normal(size=(4, 2, 3, 2))
PADDINGS = [((0, 0), (0, 0)), ((1, 1), (2, 2)), ((1, 2), (0, 3)), ((-1, 1), (2, -2))]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("spread", [(1, 1), (2, 1)])
@pytest.mark.parametrize("dilation", [(1, 1), (1, 2)])
def test_convolutions(padding, spread, dilation):
    f = lambda x, w: lax.conv_general_dilated(x, w, (1, 2), padding, spread, dilation, feature_group_count=2)  # noqa: E731
    expected = convolved(IMAGE, KERNEL, (1, 2), padding, spread, dilation, 2)
    close(f(IMAGE, KERNEL), expected, 1e-11)
    g = rng.normal(size=expected.shape)
    by_x, by_w = cr.vjp(f, IMAGE, KERNEL)[1](g)  # of a bilinear function
    for found, argument in ((by_x, IMAGE), (by_w, KERNEL)):
        np.testing.assert_allclose((found * argument).sum(), (g * expected).sum(), rtol=1e-10)


def test_orders_of_axes():
    expected = lax.conv_general_dilated(IMAGE, KERNEL, (1, 2), "SAME", feature_group_count=2)
    last = lax.conv_general_dilated(
        IMAGE.transpose(0, 2, 3, 1), KERNEL.transpose(2, 3, 1, 0), (1, 2), "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=2,
    )  # fmt: skip
    close(last, expected.transpose(0, 2, 3, 1))
    turned = lax.conv_general_dilated(
        IMAGE.transpose(1, 3, 2, 0), KERNEL.transpose(1, 2, 3, 0), (1, 2), "SAME",
        dimension_numbers=("CWHN", "IHWO", "WNHC"), feature_group_count=2,
    )  # fmt: skip
    close(turned, expected.transpose(3, 0, 2, 1))
    with pytest.raises(cr.errors.ArgumentError, match="does not name 4 axes"):
        lax.conv_general_dilated(IMAGE, KERNEL, (1, 2), "SAME", dimension_numbers=("NHWD", "HWIO", "NHWC"))


def test_what_convolutions_refuse():
    with pytest.raises(cr.errors.ShapeError, match="channels do not fit"):
        lax.conv(IMAGE, KERNEL, (1, 1), "SAME")
    with pytest.raises(cr.errors.ArgumentError, match="groups of the batch"):
        lax.conv_general_dilated(IMAGE, KERNEL, (1, 1), "SAME", batch_group_count=2)
    with pytest.raises(cr.errors.ArgumentError, match="lhs_dilation"):
        lax.conv_general_dilated(IMAGE, KERNEL, (1, 1), "SAME", (2, 2), feature_group_count=2)


@pytest.mark.parametrize("strides", [(1, 1), (2, 3), (4, 2)])
def test_a_transposed_convolution_is_the_derivative_of_a_convolution(strides):
    sizes = [(n - k) // s + 1 for n, k, s in zip((12, 11), (3, 2), strides, strict=True)]
    fitting = [(n - 1) * s + (k if k > s else s) for n, k, s in zip(sizes, (3, 2), strides, strict=True)]
    w, g = rng.normal(size=(3, 4, 3, 2)), rng.normal(size=(2, 3, *sizes))
    image = rng.normal(size=(2, 4, *fitting))
    (expected,) = cr.vjp(lambda x: lax.conv(x, w, strides, "VALID")[:, :, : sizes[0], : sizes[1]], image)[1](g)
    turned = np.flip(w, (2, 3))
    close(lax.conv_transpose(g, turned, strides, "VALID", dimension_numbers=("NCHW", "IOHW", "NCHW")), expected, 1e-10)
    again = lax.conv_transpose(
        g, w.swapaxes(0, 1), strides, "VALID", dimension_numbers=("NCHW", "IOHW", "NCHW"), transpose_kernel=True
    )
    close(again, expected, 1e-10)
    same = lax.conv_transpose(g, w, strides, "SAME", dimension_numbers=("NCHW", "IOHW", "NCHW"))
    assert same.shape == (2, 4, sizes[0] * strides[0], sizes[1] * strides[1])


# --- the rest ---------------------------------------------------------------------------------------------------------------


def test_running_and_sorted():
    for axis, reverse in itertools.product((0, 1, -1), (False, True)):
        turn = (lambda x, axis=axis: np.flip(x, axis)) if reverse else (lambda x: x)
        close(lax.cumsum(X, axis, reverse), turn(np.cumsum(turn(X), axis)))
        close(lax.cumprod(X, axis, reverse), turn(np.cumprod(turn(X), axis)))
        close(lax.cummax(X, axis, reverse), turn(np.maximum.accumulate(turn(X), axis)))
        close(lax.cummin(X, axis, reverse), turn(np.minimum.accumulate(turn(X), axis)))
        close(lax.cumlogsumexp(X, axis, reverse), turn(np.logaddexp.accumulate(turn(X), axis)))
    values, places = lax.top_k(X, 2, axis=0)
    close(values, np.sort(X, 0)[::-1][:2])
    close(np.take_along_axis(X, places, 0), values)
    keys, others = lax.sort_key_val(X, X**2)
    close(others, keys**2)


def test_products_and_choices():
    a, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(4, 2, 6, 3))
    close(lax.dot_general(a, b, (((2,), (0,)), ((0, 1), (1, 3)))), np.einsum("abcd,caeb->abde", a, b))
    close(lax.dot_general(X[0], X[1], (((), ()), ((), ()))), np.outer(X[0], X[1]))
    which = rng.integers(0, 3, (4, 5))
    close(lax.select_n(which, X, X + 1, X + 2), X + which)
    close(lax.select_n(which > 0, X, X + 1), X + (which > 0))
    close(lax.broadcast_in_dim(X, (2, 4, 3, 5), (1, 3)), np.broadcast_to(X[None, :, None], (2, 4, 3, 5)))
    close(lax.broadcast(X, (2, 3)), np.broadcast_to(X, (2, 3, 4, 5)))
    close(lax.rev(X, (0, 1)), X[::-1, ::-1])
    close(lax.slice(X, (1, 0), (4, 5), (2, 3)), X[1:4:2, 0:5:3])
