"""Reading and assigning with every form of key that NumPy knows, drawn by hypothesis."""

import itertools
import operator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from row_tools import close, same_kind

import chainrule as cr

few = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def filled(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@st.composite
def keys(draw):
    """(array, key): ints, slices, None, Ellipsis, one boolean mask, and integer arrays with repeats, in any places."""
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=0, max_size=4)))
    parts, axis, dots, masks = [], 0, False, 0
    together = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)) if draw(st.booleans()) else (2,)
    while axis < len(shape) and draw(st.integers(0, 5)):
        n = shape[axis]
        kinds = (
            ["slice", "none"]
            + ["int", "array"] * (n > 0)
            + ["mask"] * (masks == 0 and together == (2,))
            + ["dots"] * (not dots)
        )
        kind = draw(st.sampled_from(kinds))
        if kind == "none":
            parts.append(None)
            continue
        if kind == "dots":
            dots = True
            parts.append(...)
            axis += draw(st.integers(0, len(shape) - axis))
            # what the Ellipsis stands for is decided by how many parts follow; so only count what is certain
            rest = len(shape) - axis
            axis = len(shape) - rest
            continue
        if kind == "slice":
            bound = st.none() | st.integers(-n - 1, n + 1)
            parts.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2]))))
        elif kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            own = tuple(1 if draw(st.integers(0, 3)) == 0 else m for m in together)[draw(st.integers(0, len(together))) :]
            parts.append(draw(hnp.arrays(np.int64, own, elements=st.integers(-n, n - 1))))
        else:
            masks = 1
            wide = 2 if axis + 1 < len(shape) and draw(st.booleans()) else 1
            flat = np.zeros(int(np.prod(shape[axis : axis + wide])), bool)
            flat[: 2 * draw(st.booleans())] = True  # as many as the index arrays are long, or none at all
            parts.append(flat.reshape(shape[axis : axis + wide]))
            axis += wide - 1
        axis += 1
    if draw(st.booleans()) and len(parts) == 1:
        return shape, parts[0]
    return shape, tuple(parts)


def read(shape, key):
    """x[key] as NumPy gives it, or None where the key does not fit the shape."""
    x = filled(shape)
    try:
        return x, x[key]
    except IndexError:
        return x, None


def without_arrays(key):
    return not any(isinstance(k, np.ndarray) for k in (key if isinstance(key, tuple) else (key,)))


@few
@given(keys())
def test_reading(case):
    x, expected = read(*case)
    key = case[1]
    if expected is None:
        return
    same_kind(cr.asarray(x)[key], expected)
    close(cr.asarray(x)[key].numpy(), expected)
    w = filled(np.shape(expected), 1)
    g = np.zeros_like(x)
    np.add.at(g, key, w)
    close(cr.vjp(lambda x: x[key], x)[1](w)[0], g)
    t = filled(x.shape, 2)
    close(cr.jvp(lambda x: x[key], (x,), (t,))[1], t[key])
    stacked = np.stack([x, x + 1, x + 2])
    close(cr.vmap(lambda x: x[key])(stacked), np.stack([s[key] for s in stacked]))
    close(cr.vjp(cr.vmap(lambda x: x[key]), stacked)[1](np.stack([w] * 3))[0], np.stack([g] * 3))


@few
@given(keys(), st.booleans(), st.integers(0, 3))
def test_assignment(case, add, squash):
    x, selected = read(*case)
    key = case[1]
    if selected is None:
        return
    shape = list(np.shape(selected))
    for i in range(min(squash, len(shape))):
        shape[i] = 1
    v = filled(tuple(shape[1:] if squash == 3 else shape), 3)
    op = cr.index_add if add else cr.index_set
    expected = x.copy()
    if add:
        np.add.at(expected, key, v)
    else:
        expected[key] = v
    same_kind(op(x, key, v), expected)
    close(op(x, key, v), expected)
    g = filled(x.shape, 4)
    value, pull = cr.vjp(lambda x, v: op(x, key, v), x, v)
    close(value, expected)
    gx, gv = pull(g)
    tx, tv = filled(x.shape, 5), filled(v.shape, 6)
    moved = cr.jvp(lambda x, v: op(x, key, v), (x, v), (tx, tv))[1]
    expected_t = tx.copy()
    if add:
        np.add.at(expected_t, key, tv)
    else:
        expected_t[key] = tv
    close(moved, expected_t)
    close(np.sum(g * moved), np.sum(gx * tx) + np.sum(gv * tv))
    xs, vs = np.stack([x, x + 1]), np.stack([v, v * 2])
    close(cr.vmap(lambda x, v: op(x, key, v))(xs, vs), np.stack([op(a, key, b) for a, b in zip(xs, vs, strict=True)]))
    close(cr.vmap(lambda v: op(x, key, v))(vs), np.stack([op(x, key, b) for b in vs]))
    close(cr.vmap(lambda x: op(x, key, v))(xs), np.stack([op(a, key, v) for a in xs]))


def test_keys_of_tensors_and_lists():
    x = np.arange(12.0).reshape(3, 4)
    t = cr.tensor(x)
    for key in (
        [0, 2],
        [[0, 1], [1, 2]],
        np.int64(1),
        (np.int32(1), [0, 1]),
        [True, False, True],
        (slice(None), [True, False, True, False]),
        [],
    ):
        close(t[key].numpy(), x[key])
        close(t[cr.tensor(key) if isinstance(key, list) and key else key].numpy(), x[key])
    close(t[t > 4].numpy(), x[x > 4])
    close(t[cr.tensor(1)].numpy(), x[1])
    close(t[cr.tensor(1) :].numpy(), x[1:])
    g = cr.grad(lambda x: (x[x > 4] ** 2).sum())(x)
    close(g, np.where(x > 4, 2 * x, 0))


def test_writing_into_a_view_writes_into_the_array():
    def program(x):
        first = x[:2]
        x[0] = 5.0
        first[1] = x[2] * 7.0  # NumPy: x is now [5, 14, 2]
        x.reshape(3, 1)[2] += x[1]
        x[None].T[0][0] *= x[2]
        for row in x.reshape(3, 1):
            row *= 2.0
        single = x[0]
        single += 100.0  # a number, not a view
        x[::-1].sort()
        return x

    v = np.array([3.0, 1.0, 2.0])
    expected = program(v.copy())
    close(program(cr.tensor(v)).numpy(), expected)

    def total(x):
        return (program(x + 0.0) * np.array([1.0, 10.0, 100.0])).sum()

    assert cr.gradcheck(total, (v,), order=2)


def test_what_was_recorded_keeps_its_value():
    x = cr.tensor(np.zeros(3), requires_grad=True)
    y = x[:2]
    z = y * y
    x[0] = 5.0
    z.sum().backward()
    close(x.grad.numpy(), np.zeros(3))


def test_a_single_boolean_as_index():
    v = np.arange(6.0).reshape(2, 3)
    for key in (True, False, np.True_, np.array(False)):
        x = cr.tensor(v)
        close(x[key].numpy(), v[key])
        x[key] = 7.0
        expected = v.copy()
        expected[key] = 7.0
        close(x.numpy(), expected)
    assert cr.gradcheck(lambda x: (x[x.sum() > 0] ** 2).sum(), (v,))


def test_assigning_a_number_where_a_mask_holds_works_under_vmap():
    def relu(x):
        x = x * 1.0
        x[x < 0] = 0.0
        return x

    batch = np.array([[-1.0, 2.0], [3.0, -4.0]])
    close(cr.vmap(relu)(batch), np.maximum(batch, 0))
    close(cr.vmap(cr.grad(lambda x: (relu(x) ** 2).sum()))(batch), 2 * np.maximum(batch, 0))


def answer(program, *args):
    try:
        return program(*args)
    except IndexError:
        return IndexError


MASKS_AND_OTHERS = [
    True, np.False_, cr.tensor(True), None, ..., slice(1, None), 0, np.array([0, 1]), np.array([[0], [1]]), [True, False, True],
    np.array([True, False]), cr.tensor([False, True, True, True]), np.zeros((3, 4), bool), np.ones((2, 3), bool), [],
]  # fmt: skip


def test_masks_and_single_booleans_beside_any_other_keys():
    """Also where they do not fit: a mask that is shorter or longer than its axis raises, as NumPy's does."""

    def plain(key):
        return tuple(k.numpy() if isinstance(k, cr.Tensor) else k for k in key)

    keys = [key for n in (1, 2, 3) for key in itertools.product(MASKS_AND_OTHERS, repeat=n)]
    for shape in ((), (3,), (3, 4), (2, 3, 4)):
        x = filled(shape)
        for key in keys[:300] + keys[300::7]:
            expected, t = answer(operator.getitem, x, plain(key)), cr.tensor(x)
            found = answer(operator.getitem, t, key)
            if expected is IndexError or found is IndexError:
                assert found is expected, (shape, key)
                assert answer(operator.setitem, t, key, 1.0) is IndexError, (shape, key)
                continue
            assert np.array_equal(found.numpy(), expected) and found.shape == expected.shape, (shape, key)
            whole = x.copy()
            whole[plain(key)] = v = filled(expected.shape, 1)
            t[key] = v
            assert np.array_equal(t.numpy(), whole), (shape, key)


def test_derivatives_through_single_booleans_beside_other_keys():
    x = filled((3, 4))
    assert cr.gradcheck(lambda x: x[x.sum() > -99, 1:, [0, 2]] ** 2, (x,), order=2)

    def write(x, v):
        x = x * 1.0
        x[..., True, 1] = v
        return x**2

    assert cr.gradcheck(write, (x, filled((3, 1), 1)), order=2)


def test_put_along_axis_gives_a_copy():
    x, i, v = filled((3, 4)), np.array([[1, 0], [3, 3], [2, -1]]), filled((3, 2), 1)
    expected = x.copy()
    np.put_along_axis(expected, i, v, 1)
    assert np.array_equal(cr.put_along_axis(x, i, v, 1), expected)
    assert np.array_equal(cr.put_along_axis(x.tolist(), i.tolist(), v.tolist(), 1), expected)
    assert cr.gradcheck(lambda x, v: cr.put_along_axis(x, i, v, 1) ** 2, (x, v), order=2)


UPDATES = {
    "set": lambda a, v: v,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "mul": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "min": np.minimum,
    "max": np.maximum,
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("key", [1, (slice(None), [0, 2]), (Ellipsis, slice(None, None, -2)), np.array([0, 1, 0])])
def test_functional_updates(name, key):
    x, v = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3)), 0.9
    expected, before = x.copy(), cr.tensor(x)
    if name == "set":
        expected[key] = v
    else:
        UPDATES[name].at(expected, key, v)

    def f(x, v):
        return getattr(cr.asarray(x).at[key], name)(v)

    np.testing.assert_allclose(f(before, v), expected)
    np.testing.assert_array_equal(before, x)
    assert cr.gradcheck(lambda x: f(x, v), (x,), order=2)
    if name != "set":
        assert cr.gradcheck(lambda v: f(x, v), (np.array(v),), order=2)
    np.testing.assert_allclose(cr.vmap(f, (0, None))(np.stack([x, 2 * x]), v)[0], expected)
    np.testing.assert_allclose(cr.compile(lambda x: f(x, v))(x), expected)


def test_functional_update_by_a_function():
    x = cr.tensor([1.0, 4.0, 9.0])
    assert x.at[1:].apply(cr.sqrt).tolist() == [1, 2, 3]
    assert cr.grad(lambda x: x.at[1:].apply(lambda y: y**2).sum())(np.array([1.0, 4.0, 9.0])).tolist() == [1, 8, 18]
