"""What is a view of what: as in NumPy, for every function and method that may give one, and for numbers, which are none."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import chainrule as cr
import chainrule.numpy as xp

A = np.arange(6.0).reshape(2, 3) + 1

FORMS = {
    "x[0]": lambda a: a[0],
    "x[...]": lambda a: a[...],
    "x[0, ...]": lambda a: a[0, ...],
    "x[0, 1, ...]": lambda a: a[0, 1, ...],
    "x[None]": lambda a: a[None],
    "x[::-1, 1:]": lambda a: a[::-1, 1:],
    "x[np.int64]": lambda a: a[np.int64(1)],
    "x[np.int64, slice]": lambda a: a[np.int64(1), 1:],
    "x[array of no axes]": lambda a: a[np.array(1)],
    "x[list]": lambda a: a[[0, 1]],
    "x[mask]": lambda a: a[a > 0],
    "x[argmax]": lambda a: a[np.argmax(a[:, 0])],
    "ravel": lambda a: a.ravel(),
    "ravel of T": lambda a: a.T.ravel(),
    "ravel of T, F": lambda a: a.T.ravel("F"),
    "ravel of T, K": lambda a: np.ravel(a.T, "K"),
    "ravel of T, A": lambda a: a.T.ravel("A"),
    "ravel of a row": lambda a: a[0].ravel(),
    "ravel of a strided row": lambda a: a[0, ::2].ravel(),
    "ravel of a diagonal": lambda a: np.einsum("ii->i", a[:, :2]).ravel(),
    "reshape": lambda a: a.reshape(3, 2),
    "np.reshape": lambda a: np.reshape(a, (3, -1)),
    "reshape, same": lambda a: np.reshape(a, (2, 3)),
    "reshape, F": lambda a: a.reshape((3, 2), order="F"),
    "reshape of T, F": lambda a: a.T.reshape((2, 3), order="F"),
    "reshape of T": lambda a: a.T.reshape(-1),
    "reshape of columns": lambda a: a[:, :2].reshape(-1),
    "reshape of rows": lambda a: a[:1].reshape(-1),
    "reshape of a sum of T": lambda a: (a.T + 0).reshape(-1),
    "T": lambda a: a.T,
    "mT": lambda a: a.mT,
    "transpose": lambda a: np.transpose(a),
    "transpose, method": lambda a: a.transpose(1, 0),
    "swapaxes": lambda a: np.swapaxes(a, 0, 1),
    "moveaxis": lambda a: np.moveaxis(a[None], 0, -1),
    "rollaxis": lambda a: np.rollaxis(a, 1),
    "matrix_transpose": lambda a: np.linalg.matrix_transpose(a),
    "squeeze": lambda a: np.squeeze(a[:1]),
    "expand_dims": lambda a: np.expand_dims(a, 1),
    "atleast_3d": lambda a: np.atleast_3d(a),
    "flip": lambda a: np.flip(a),
    "fliplr": lambda a: np.fliplr(a),
    "rot90": lambda a: np.rot90(a),
    "split": lambda a: np.split(a, [1], axis=1)[1],
    "hsplit": lambda a: np.hsplit(a, 3)[1],
    "unstack": lambda a: np.unstack(a)[1],
    "einsum ij->ji": lambda a: np.einsum("ij->ji", a),
    "einsum ii->i": lambda a: np.einsum("ii->i", a[:, 1:]),
    "einsum ij": lambda a: np.einsum("ij", a),
    "einsum ij->i": lambda a: np.einsum("ij->i", a),
    "real": lambda a: np.real(a),
    "x.view()": lambda a: a.view(),
    "diagonal": lambda a: np.diagonal(a),
    "linalg.diagonal": lambda a: np.linalg.diagonal(a),
    "diag": lambda a: np.diag(a),
    "broadcast_to": lambda a: np.broadcast_to(a, (2, 2, 3)),
    "broadcast_to, same": lambda a: np.broadcast_to(a, (2, 3)),
    "reshape of broadcast_to": lambda a: np.broadcast_to(a, (2, 2, 3)).reshape(-1),
    "sliding_window_view": lambda a: sliding_window_view(a, 2, 1),
    "trim_zeros": lambda a: np.trim_zeros(a[0]),
    "x.T.T[1].reshape": lambda a: a.T.T[1].reshape(3, 1)[1:],
    # copies
    "copy": lambda a: a.copy(),
    "flatten": lambda a: a[0].flatten(),
    "astype": lambda a: a.astype(float),
    "+x": lambda a: +a,
    "conj": lambda a: np.conj(a),
    "pad": lambda a: np.pad(a, 0),
    "tile": lambda a: np.tile(a, 1),
    "roll": lambda a: np.roll(a, 0),
    "repeat": lambda a: np.repeat(a, 1, 0),
    "clip": lambda a: np.clip(a, None, None),
    "round": lambda a: np.round(a, 9),
    "full": lambda a: np.full_like(a, a),
    "resize": lambda a: np.resize(a, (2, 3)),
    "concatenate": lambda a: np.concatenate([a]),
    "stack": lambda a: np.stack([a])[0],
    "sum of no axes": lambda a: np.sum(a, axis=()),
    "delete": lambda a: np.delete(a, [], 0),
    "append": lambda a: np.append(a, np.zeros((0, 3)), 0),
    "meshgrid": lambda a: np.meshgrid(a[0])[0],
    "choose": lambda a: np.choose(np.zeros((2, 3), int), [a]),
    "take": lambda a: np.take(a, [0, 1], 0),
    "where": lambda a: np.where(True, a, 0),
    "nan_to_num": lambda a: np.nan_to_num(a),
    "triu": lambda a: np.triu(a, -9),
    "sort": lambda a: np.sort(a),
    "compress": lambda a: np.compress([True, True], a, 0),
    "cumsum": lambda a: np.cumsum(a, 0),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_views_and_copies_are_those_of_numpy(form):
    f = FORMS[form]
    a = A.copy()
    theirs = f(a)
    shared, writeable = np.shares_memory(theirs, a), theirs.flags.writeable
    t = cr.tensor(A)
    ours = f(t)
    np.testing.assert_array_equal(ours.numpy(), theirs)
    assert cr.numpy.shares_memory(ours, t) == shared
    assert (ours is t or ours.base is t) == shared
    a *= 10
    t *= 10
    np.testing.assert_array_equal(ours.numpy(), theirs, err_msg="after writing into the whole")
    if not writeable:
        with pytest.raises(ValueError, match="read-only"):
            ours[...] = 3.0
        return
    theirs[...] = np.arange(theirs.size).reshape(theirs.shape)
    ours[...] = np.arange(theirs.size).reshape(theirs.shape)
    np.testing.assert_array_equal(t.numpy(), a, err_msg="after writing into the part")


@pytest.mark.parametrize("form", ["T", "reshape", "split", "einsum ii->i", "flip", "x[0]", "rot90", "moveaxis"])
def test_writing_into_a_view_is_differentiated(form):
    f = FORMS[form]
    weights = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, 7.0]])

    def loss(x):
        y = x * 1.0
        part = f(y)
        part *= part
        return np.sum(weights * y * y) + np.sum(part)

    def slope(v):
        return np.imag(loss(A + 1e-30j * v)) / 1e-30

    v = weights[::-1]
    np.testing.assert_allclose(np.sum(cr.grad(loss)(A) * v), slope(v), rtol=1e-12)
    np.testing.assert_allclose(cr.jvp(loss, (A,), (v,))[1], slope(v), rtol=1e-12)


def test_real_and_imaginary_parts_are_views():
    a = np.array([1 + 2j, 3 - 1j])
    t = cr.tensor(a)
    real, imag = t.real, t.imag
    for x in (a, t):
        x.real[0] = 5
        x.imag *= 2
        x[1] += 1j
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(real.numpy(), a.real)
    np.testing.assert_array_equal(imag.numpy(), a.imag)
    with pytest.raises(ValueError, match="read-only"):
        cr.tensor([1.0]).imag[0] = 2


def test_pytorchs_views():
    t = cr.tensor(np.arange(6.0).reshape(2, 3))
    t.view(3, 2)[0, 0] = 9
    t.t()[2, 1] = 8
    t.unbind()[1][0] = 7
    t.chunk(2, 0)[0][0, 1] = 6
    t.split(2, 0)[0][0, 2] = 5
    t.unsqueeze(0)[0, 1, 1] = 4
    t.permute(1, 0)[0, 1] += 10
    np.testing.assert_array_equal(t.numpy(), [[9, 6, 5], [17, 4, 8]])
    wide = t[:1].expand(4, 3)
    t[0, 0] = 1
    assert wide[3, 0].item() == 1
    with pytest.raises(ValueError, match="read-only"):
        wide[0, 0] = 1
    with pytest.raises(cr.errors.UnsupportedError, match="dtype"):
        t.view(np.int64)


def test_complex_numbers_viewed_as_pairs_of_real_numbers_and_back():
    def program(z):
        z.view(float)[:, ::2] *= 3.0
        z.view(np.float64)[0].view(complex)[1] = 7.0
        z.view(z.dtype)[1] *= 2.0
        return z

    z = np.array([[1 + 2j, complex(3, np.inf)], [-0.0j, 5 - 6j]])
    expected, t = program(z.copy()), program(cr.tensor(z))
    np.testing.assert_array_equal(t.numpy(), expected)
    np.testing.assert_array_equal(t.view(dtype=float).numpy(), expected.view(float))
    assert cr.tensor(z.astype(np.complex64)).view(np.float32).dtype == np.float32
    assert cr.gradcheck(lambda x: (x.view(complex) ** 3).imag, (np.arange(1.0, 5.0),), order=2)
    assert cr.gradcheck(lambda x: (1j * x).view(np.float64) ** 2, (np.arange(1.0, 5.0),), order=2)
    for x, dtype in ((t, np.float32), (t[0, 0], float), (cr.zeros(3), complex), (cr.zeros(2), np.complex64)):
        with pytest.raises(cr.errors.UnsupportedError, match="pairs"):
            x.view(dtype)


def test_asarray_of_a_tensor_that_has_the_dtype_gives_it_back():
    x = cr.zeros(2)
    y = cr.asarray(x, dtype=float)
    x[0] = 2.0
    assert y is x
    assert cr.asarray(x, dtype=np.float32) is not x and cr.asarray(x, dtype=float, copy=True) is not x


def test_put_along_axis_of_the_numpy_namespace_changes_its_argument():
    x = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert cr.numpy.put_along_axis(x, np.array([[1], [0]]), [[5.0], [6.0]], axis=1) is None
    np.testing.assert_array_equal(x.numpy(), [[1, 5], [6, 4]])
    v = np.zeros(2)
    cr.numpy.put_along_axis(v, np.array([1]), 5.0, axis=0)
    np.testing.assert_array_equal(v, [0, 5])
    np.testing.assert_array_equal(cr.put_along_axis(v, np.array([0]), 7.0, 0), [7, 5])  # which gives a copy
    np.testing.assert_array_equal(v, [0, 5])


def test_data_is_a_view_that_leaves_the_history():
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w.data[0] = 5.0
    w.data.mul_(2)
    assert w.requires_grad and w.is_leaf
    np.testing.assert_array_equal(w.detach().numpy(), [10, 4])
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2, 4])


def test_numbers_are_not_changed_by_augmented_assignment():
    def f(x):
        total, kept = x[0], []
        for v in x:
            total += v
            kept.append(total)
        count = np.argmax(x)
        before = count
        count += 1.5
        return np.sum(np.stack(kept) * np.arange(3.0)) + float(count - before)

    x = np.array([1.0, 2.0, 4.0])
    assert f(x) == cr.value_and_grad(f)(x)[0]
    np.testing.assert_array_equal(cr.grad(f)(x), [6, 3, 2])
    total = x[0]
    total = cr.tensor(x)[0]
    total += cr.tensor(x)  # a number may become an array
    np.testing.assert_array_equal(total.numpy(), [2, 3, 5])


def test_arrays_without_axes_are_changed():
    for array in (
        cr.tensor(1.0),
        cr.zeros(()) + 0 * cr.zeros(()),
        cr.tensor([1.0, 2.0])[0, ...],
        cr.nn.Parameter(np.float64(1)),
    ):
        same = array
        with cr.no_grad():
            same += 1
        assert (same is array) == (array.base is not None or hasattr(array, "place"))
    t = cr.tensor([1.0, 2.0])
    part = t[1, ...]
    part *= 5
    assert t[1].item() == 10


@pytest.mark.parametrize("statement", ["a //= b", "a %= b", "a @= b", "a **= b", "a -= b", "a /= b"])
def test_every_augmented_assignment_changes_the_array(statement):
    values = np.array([[5.5, 7.0], [3.0, 2.0]]), np.array([[2.0, 1.5], [1.0, 3.0]])
    results = []
    for make in (np.array, cr.tensor):
        a, b = map(make, values)
        names = {"a": a, "b": b}
        exec(statement, names)
        assert names["a"] is a
        results.append(np.asarray(a))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-15)


@pytest.mark.parametrize("statement", ["a &= b", "a |= b", "a ^= b", "a <<= b", "a >>= b", "a //= b", "a += 2", "a **= 2"])
def test_every_augmented_assignment_of_integers(statement):
    results = []
    for make in (np.array, cr.tensor):
        a, b = make([12, 5]), make([3, 1])
        names = {"a": a[:], "b": b}
        exec(statement, names)
        results.append(np.asarray(a))
    np.testing.assert_array_equal(results[1], results[0])


def test_dtypes_follow_numpy():
    t = cr.zeros(2, dtype=np.float32)
    t += np.array([0.5, 1.5])
    assert t.dtype == np.float32 and t.numpy().tolist() == [0.5, 1.5]
    n = cr.tensor([1, 2])
    with pytest.raises(TypeError, match="kind"):
        n += 0.5
    with pytest.raises(TypeError, match="kind"):
        n /= 2
    with pytest.raises(ValueError, match="shape"):
        n += np.ones((3, 2), int)
    assert n.numpy().tolist() == [1, 2]


def test_views_do_not_pile_up():
    t = cr.zeros(4)
    for _ in range(1000):
        t[1:]
    assert len(t.views.references) < 100
    rows = list(cr.zeros(300, 2))
    rows[7].base[...] = 1
    assert all(r.numpy()[0] == 1 for r in rows)


def test_memory_of_plain_arrays_and_others():
    t = cr.tensor(A)
    assert not np.shares_memory(t[0], t[1]) and np.may_share_memory(t, t[1, 1:]) and not np.shares_memory(t, A)
    assert t.base is None and t[0].base is t and t.T[1].base is t


@pytest.mark.parametrize(
    "view",
    [
        lambda x: cr.unsqueeze(x, 0),
        lambda x: cr.chunk(x, 2)[1],
        lambda x: x.chunk(2)[1],
        lambda x: cr.tensor_split(x, 3)[0],
        lambda x: cr.split_with_sizes(x, [1, 3])[1],
        lambda x: cr.unbind(x)[2],
        lambda x: cr.permute(x, (1, 0)),
        lambda x: cr.movedim(x, 0, 1),
        lambda x: cr.narrow(x, 1, 1, 2),
        lambda x: cr.unflatten(x, 0, (2, 2)),
        lambda x: cr.t(x),
    ],
)
def test_what_is_a_view_in_pytorch_is_one_under_its_names(view):
    x = cr.tensor(np.arange(12.0).reshape(4, 3))
    before = np.asarray(x.detach()).copy()
    view(x)[...] = -1
    touched = np.isin(before, np.asarray(view(cr.tensor(before.copy()))))
    np.testing.assert_array_equal(np.asarray(x), np.where(touched, -1, before))


def test_long_chains_of_views():
    x = leaf = cr.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    x = whole = x.clone()
    for _ in range(2000):
        x = x.T
    whole += 1.0  # read anew from the far end
    assert np.array_equal(x.detach(), leaf.detach() + 1)
    x *= 2  # and written to it
    assert np.array_equal(whole.detach(), 2 * (leaf.detach() + 1))
    assert np.array_equal(cr.autograd.grad((whole**2).sum(), leaf)[0], 8 * (leaf.detach() + 1))
    for _ in range(400):
        x = x.reshape(3, 2).reshape(2, 3)
    assert x.is_contiguous() and x.base is whole


def test_what_lies_otherwise_is_copied_to_be_contiguous():
    x = cr.zeros(2, 3)
    for part in (x.T, x[:, :2], x[:, ::-1], cr.zeros(3).expand(2, 3)):
        copied = part.contiguous()
        copied += 1
        assert not part.is_contiguous() and copied.is_contiguous() and (copied == 1).all()
    assert (x == 0).all()
    for part in (x, x[1:], x.reshape(3, 2), x.T.T):
        assert part.is_contiguous() and part.contiguous() is part
    for make, own in (xp.ascontiguousarray, x), (xp.asfortranarray, x.T):
        copied = make(own.T)
        copied += 1
        assert (x == 0).all() and make(own) is own and make(1.0).shape == (1,)
    assert np.array_equal(
        cr.grad(lambda x: (x.T.contiguous().reshape(-1) * np.arange(6)).sum())(np.ones((2, 3))), [[0, 2, 4], [1, 3, 5]]
    )


VIEWS = {
    "real": lambda m, a: m.real(a),
    "imag": lambda m, a: m.imag(a),
    "real_if_close": lambda m, a: m.real_if_close(a, 1e300),
    "diagonal": lambda m, a: m.diagonal(a),
    "diag": lambda m, a: m.diag(a),
    "einsum": lambda m, a: m.einsum("ii->i", a),
    "broadcast_to": lambda m, a: m.broadcast_to(a, (2, 4, 4)),
    "conj": lambda m, a: a.conj(),
    "flip": lambda m, a: m.flip(a, 0),
    "ravel": lambda m, a: m.ravel(a),
}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("name", VIEWS)
def test_what_is_a_view_is_one_of_arrays_too_and_in_programs(name, dtype):
    def outcome(m, wrap, kind):
        def f(a):
            view = VIEWS[name](m, a)
            view[0] = 9.0
            return view.sum()

        a = kind((np.arange(16.0).reshape(4, 4) + 1).astype(dtype))
        try:
            return complex(wrap(f)(a)), np.asarray(a).tolist()
        except ValueError as error:
            assert "read-only" in str(error)

    expected = outcome(np, lambda f: f, np.array)
    for wrap in (lambda f: f, cr.compile):
        for kind in (np.array, cr.tensor):
            assert outcome(cr, wrap, kind) == expected
