"""Assignment where programs are recorded, run again or transformed: compile, checkpoint, loops that are written down."""

import numpy as np
import pytest

import chainrule as cr

X = np.array([0.5, -1.0, 2.0])


def close(found, wanted, rtol=1e-12):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=1e-14)


# --- compile ---------------------------------------------------------------------------------------------------------------


def swirl(x, y):
    x[0] = 5 * y[1]
    y *= 2
    x += y
    return x, x.sum()


def test_a_program_changes_arrays_that_are_its_arguments():
    program = cr.compile(swirl)
    layouts = [np.array, np.asfortranarray, lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2], lambda a: a.astype(">f8")]
    for k in range(3):
        for layout in layouts:
            a, b = layout(np.arange(6.0).reshape(2, 3) + k), layout(np.full((2, 3), k - 1.0))
            wanted = a.copy(), b.copy()
            total = swirl(*wanted)[1]
            found = program(a, b)
            assert found[0] is a
            close(found[1], total)
            close(a, wanted[0])
            close(b, wanted[1])


def test_a_program_changes_arrays_inside_of_trees_and_without_axes():
    @cr.compile
    def step(tree):
        for a in tree["w"]:
            a -= 0.5
        return tree

    for _ in range(3):
        tree = {"w": [np.ones(3), np.array(2.0), np.ones((2, 2), np.float32), np.zeros((0, 3))]}
        arrays = list(tree["w"])
        out = step(tree)
        assert all(a is b for a, b in zip(out["w"], arrays, strict=True))
        assert arrays[0].tolist() == [0.5] * 3 and arrays[1] == 1.5
        assert arrays[2].dtype == np.float32 and (arrays[2] == 0.5).all()


def test_changed_arguments_with_decisions_and_shapes_that_depend_on_values():
    def branch(x):
        x *= 2
        if x.sum() > 5:
            x -= 1
        chosen = x[x > 1.5]
        x[0] += chosen.sum()
        return x

    program, checked = cr.compile(branch), cr.compile(branch, check=True)
    for _ in range(2):
        for v in ([1.0, 2, 3], [0, 1, 0.0], [3.0, 4, 5], [0, 0, 0.0]):
            wanted = branch(np.array(v))
            for p in (program, checked):
                a = np.array(v)
                p(a)
                close(a, wanted)


def test_what_shares_memory_or_cannot_be_written_raises_and_is_left_alone():
    program = cr.compile(swirl)
    for run in range(2):
        a = np.ones((2, 3))
        for other in (a, a[:], a[::-1]):
            with pytest.raises(cr.errors.CompileError, match=r"shares memory[\s\S]*help: .*copies"):
                program(a, other)
        frozen = np.ones((2, 3))
        frozen.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            program(a, frozen)
        assert (a == 1).all()
        if run == 0:
            program(np.ones((2, 3)), np.ones((2, 3)))
    seen = np.ones(3)

    @cr.compile
    def grow(x):
        x += seen

    for _ in range(2):
        with pytest.raises(cr.errors.CompileError, match="shares memory"):
            grow(seen)
        a = np.ones(3)
        grow(a)
        assert a.tolist() == [2.0] * 3 and seen.tolist() == [1.0] * 3


def test_a_plain_array_takes_no_derivative_in_a_program_either():
    t = cr.tensor(X, requires_grad=True)

    @cr.compile
    def into(x, t):
        x[0] = t[1]

    with pytest.raises(cr.errors.LostDerivativeError, match="carries a derivative"):
        into(np.ones(3), t)

    @cr.compile
    def beside(x, t):
        x[0] = 7.0
        return (t * x[1]).sum()

    for _ in range(3):
        a, t.grad = np.full(3, 2.0), None
        beside(a, t).backward()
        assert a.tolist() == [7.0, 2.0, 2.0] and t.grad.numpy().tolist() == [2.0] * 3


def test_explain_and_profile_leave_arguments_alone():
    program, a, b = cr.compile(swirl), np.ones((2, 3)), np.ones((2, 3))
    program(a.copy(), b.copy())
    assert program.explain(a, b).in_place == ["x", "y"]
    program.profile(a, b, repeat=2)
    assert (a == 1).all() and (b == 1).all()


def test_graphs_still_refuse_to_change_arrays():
    with pytest.raises(cr.errors.CompileError, match=r"assigns to its argument `x`[\s\S]*help: .*copy"):
        cr.graph(swirl)(np.ones((2, 3)), np.ones((2, 3)))


def mixed(y, z):
    y[0] = 5 * y[1]
    z += y[:2]
    y *= z[0]
    return y, (y * y).sum()


def around(kernel):
    """A function that goes on with what `kernel` has left in its arguments, in views of them, and in its result."""

    def f(x):
        y, z = x * 1, x[1:] * 1
        first = z[:1]
        r, s = kernel(y, z)
        y[1] = 3.0 * r[0]
        return (y * y * z[1]).sum() + s + (r * r).sum() + first[0] ** 2

    return f


@pytest.mark.parametrize(
    "transform",
    [
        cr.grad, cr.hessian, cr.jacfwd, lambda f: cr.grad(cr.checkpoint(f)), lambda f: cr.compile(cr.grad(f)),
        lambda f: lambda x: cr.vmap(cr.grad(f))(np.stack([x, 2 * x])),
    ],
)  # fmt: skip
def test_compiled_functions_change_their_arguments_beneath_transforms(transform):
    found = transform(around(cr.compile(mixed)))
    for _ in range(2):
        close(found(X), transform(around(mixed))(X))


def test_compiled_functions_beneath_transforms_whose_arguments_overlap_or_are_plain():
    kernel = cr.compile(mixed)

    def overlapping(k):
        def f(x):
            y = x * 1
            k(y, y[1:])
            return (y * y).sum()

        return f

    close(cr.grad(overlapping(kernel))(X), cr.grad(overlapping(mixed))(X))

    @cr.compile
    def into(x, out):
        out[0] = 4.0
        return x * out

    def f(x):
        out = np.zeros(3)
        return into(x, out).sum() + out[0] * x[1]

    close(cr.grad(f)(X), [4.0, 4.0, 0.0])

    @cr.compile
    def silent(y):
        y[0] = y[1] * 2

    def g(x):
        y = x * 1
        silent(y)
        return (y * y).sum()

    close(cr.grad(g)(X), [0.0, 10 * X[1], 2 * X[2]])


def test_a_program_changes_tensors_and_what_are_views_of_them():
    t = cr.tensor(X)
    part, turned = t[1:], t[::-1]

    @cr.compile
    def step():
        t[1:] *= 2
        return (part * part).sum()

    for k in (1, 2, 3):
        close(step(), 5.0 * 4**k)
        close(t.numpy(), [0.5, -(2.0**k), 2.0 ** (k + 1)])
        close(part.numpy(), t.numpy()[1:])
        close(turned.numpy(), t.numpy()[::-1])


def test_a_program_writes_through_views_that_it_did_not_make():
    t = cr.tensor(np.arange(6.0).reshape(2, 3))
    row = t[1]

    @cr.compile
    def step(x):
        row[:] = x
        return t.sum()

    close(step(np.ones(3)), 6.0)
    close(step(np.full(3, 2.0)), 9.0)
    close(t.numpy(), [[0, 1, 2], [2, 2, 2]])


def test_selections_of_nothing_in_a_program():
    def f(x):
        return x[x > 100].reshape(-1, 1).sum() + x.sum()

    compiled = cr.compile(cr.value_and_grad(f))
    for _ in range(2):
        value, g = compiled(X)
        close(value, X.sum())
        close(g, np.ones(3))
    close(compiled(X * 1000)[1], [2, 1, 2])


# --- checkpoint ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_assigns_to_its_argument_and_to_others():
    def f(x, checkpoint):
        y, buffer = x * 1.0, np.zeros_like(x)
        view = y[1:]

        def inner(z):
            buffer[0] += z[1] * z[1]
            z[0] = z[2] * buffer[0]
            view[1] *= z[0]
            return z.sum()

        for _ in range(2):
            buffer[2] += checkpoint(inner)(y)
        y[1] = buffer[2]  # changes what the second run must see as it was
        return np.sum(buffer**2) + np.sum(y**3) + view[0]

    def plain(x):
        return f(x, lambda g: g)

    def kept(x):
        return f(x, cr.checkpoint)

    close(kept(X).item() if isinstance(kept(X), cr.Tensor) else kept(X), plain(X.copy()))
    close(cr.grad(kept)(X), cr.grad(plain)(X))
    close(cr.hessian(kept)(X), cr.hessian(plain)(X))
    close(cr.compile(cr.grad(kept))(X), cr.grad(plain)(X))
    slope = np.imag(plain(X + 1e-30j * np.array([1.0, 2.0, -1.0]))) / 1e-30
    close(cr.grad(kept)(X) @ [1.0, 2.0, -1.0], slope)
    t = cr.tensor(X, requires_grad=True)
    kept(t).backward()
    close(t.grad.numpy(), cr.grad(plain)(X))


def test_a_checkpoint_changes_statistics_once_and_without_history():
    count, mean = cr.tensor(0), cr.zeros(3)

    @cr.checkpoint
    def layer(x):
        with cr.no_grad():
            mean.mul_(0.5).add_(x, alpha=0.5)
            count.add_(1)
        return x * x

    x = cr.tensor(X, requires_grad=True)
    layer(x).sum().backward()
    close(x.grad.numpy(), 2 * X)
    close(mean.numpy(), X / 2)
    assert count.item() == 1 and not mean.requires_grad


def test_a_leaf_is_changed_in_a_checkpoint():
    def f(x, checkpoint):
        def inner():
            x.mul_(3)
            return (x**2).sum()

        return checkpoint(inner)() + x.sum()

    for checkpoint in (cr.checkpoint, lambda g: g):
        x = cr.tensor(X, requires_grad=True)
        f(x, checkpoint).backward()
        close(x.grad.numpy(), 18 * X + 3)


# --- transforms -------------------------------------------------------------------------------------------------------------


def test_functions_get_copies_of_their_arguments():
    def f(x):
        x *= 2
        x[0] = 1.0
        return (x**2).sum()

    a = X.copy()
    close(cr.grad(f)(a), [0, -8, 16])
    close(cr.jvp(f, (a,), (np.ones(3),))[1], 8)
    close(cr.vmap(f)(np.stack([a, a])), [21, 21])
    close(cr.hessian(f)(a), np.diag([0, 8, 8]))
    assert a.tolist() == X.tolist()


def test_a_buffer_from_outside_keeps_no_derivative_of_a_transform_that_has_ended():
    buffer = cr.zeros(3)
    view = buffer[1:]

    def f(x):
        buffer[:] = x * x
        return view.sum()

    close(cr.grad(f)(X), [0, -2, 4])
    with pytest.raises(cr.errors.LeakedTensorError, match="help"):
        view + 1
    with pytest.raises(cr.errors.LeakedTensorError, match="help"):
        buffer.sum()


def test_assignment_in_a_loop_that_is_written_down():
    def body(i, u):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        first = u[:1]
        u[0] = u[1]
        return u + first * i

    def rolled(x):
        return np.sum(cr.fori_loop(0, 4, body, x) ** 2)

    def plain(x):
        u = x.copy()
        for i in range(4):
            u = body(i, u)
        return np.sum(u**2)

    x = np.linspace(0, 1, 6) ** 2
    close(rolled(x.copy()), plain(x))
    close(cr.grad(rolled)(x), cr.grad(plain)(x))
    close(cr.compile(cr.grad(rolled))(x), cr.grad(plain)(x))
    v = np.cos(np.arange(6.0))
    close(cr.grad(rolled)(x) @ v, np.imag(plain(x + 1e-30j * v)) / 1e-30)


# --- shapes that are assigned to ---------------------------------------------------------------------------------------------


def reshaped(x):
    """Views before and after an assignment to the shape, written on both sides."""
    y = x * 2
    row, turned, corner = y[1], y.T, y[:, 1:]
    y.shape = 6
    y[4] = y[0] ** 2
    corner[0, 0] = y[3] ** 3
    column = corner[:, :1]
    column.shape = (2,)
    column[1] = column[1] * y[2]
    y.shape = (3, -1)
    row *= 2
    turned[0] += 1
    y[2, 1] *= row[0]
    return np.concatenate([y.ravel(), row, turned.ravel(), corner.ravel(), column])


def test_an_assigned_shape_keeps_views():
    x = np.arange(1.0, 7).reshape(2, 3)

    def f(x):
        return (reshaped(x) ** 2).sum()

    close(reshaped(cr.tensor(x)), reshaped(x))
    assert cr.gradcheck(f, (x,), order=2)
    close(cr.compile(cr.grad(f))(x), cr.grad(f)(x))
    close(cr.vmap(reshaped)(np.stack([x, 2 * x])), np.stack([reshaped(x), reshaped(2 * x)]))


def test_shapes_that_cannot_be_assigned():
    x = cr.tensor(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="reshape"):
        x.shape = 4
    with pytest.raises(AttributeError, match=r"in place[\s\S]*help: .*reshape"):
        x.T.shape = 6
    empty = cr.tensor(np.zeros((0, 3)))
    empty.shape = (3, 0)
    assert empty.shape == (3, 0) and x.shape == (2, 3)

    @cr.compile
    def flat(x):
        x.shape = 6
        x[0] = 1.0

    for arg in (np.zeros((2, 3)), x):
        with pytest.raises(cr.errors.CompileError, match=r"another shape[\s\S]*help: .*reshape"):
            flat(arg)


def halved_after(f):
    """`f` of a parameter and an array, which is written to before the derivative is taken."""

    def run(w, a):
        y = f(w, a)
        a *= 0.5
        return y

    return run


USES = {
    "product": lambda w, a: (w * a * w).sum(),
    "view": lambda w, a: (w * a[1:] * a[:2]).prod(),
    "matrix": lambda w, a: (cr.outer(a, a) @ (w * a)).sum(),
    "function": lambda w, a: (w * cr.where(a > 2, a, a * a)).prod(),
    "loop": lambda w, a: cr.fori_loop(0, 3, lambda i, c: c * w * a, a).sum(),
    "branch": lambda w, a: cr.cond(a.sum() > 0, lambda q: (q * w * a).sum(), lambda q: q.sum(), a),
    "scan": lambda w, a: cr.scan(lambda c, x: (c + w * x * x, c * x), 0.0, a)[1].sum(),
    "checkpoint": lambda w, a: cr.checkpoint(lambda w, a: (w * a * a).sum())(w, a),
    "program": lambda w, a: cr.compile(lambda w, a: (w * a * a).sum())(w, a),
    "gradient": lambda w, a: (w * cr.grad(lambda q: (q**3).sum())(a)).sum(),
}


@pytest.mark.parametrize("inside", [False, True], ids=["walked outside", "walked inside"])
@pytest.mark.parametrize("make", [lambda a: a, lambda a: a * 1.0, lambda a: cr.tensor(a)], ids=["argument", "array", "tensor"])
@pytest.mark.parametrize("name", USES)
def test_a_gradient_belongs_to_the_array_that_was_used(name, make, inside):
    a = np.array([2.0, 3.0, 4.0])
    w = cr.tensor(0.2, requires_grad=True)
    USES[name](w, a.copy()).backward()
    expected = float(w.grad)

    def f(a):
        y = halved_after(USES[name])(w, make(a))
        if inside:
            y.backward()
        return y

    for run in (f, cr.compile(f)):
        for _ in range(3):
            w.grad = None
            y = run(a.copy())
            if not inside:
                y.backward()
            np.testing.assert_allclose(float(w.grad), expected)


@pytest.mark.parametrize("outer", [cr.grad, lambda f: lambda s: cr.jvp(f, (s,), (1.0,))[1]])
@pytest.mark.parametrize("name", sorted({*USES} - {"program"}))
def test_a_gradient_inside_of_another_belongs_to_it_too(name, outer):
    a = np.array([2.0, 3.0, 4.0])

    def inner(s, use):
        b = s * a
        return cr.grad(lambda w: use(w, b))(0.2)

    expected = outer(lambda s: inner(s, USES[name]))(1.0)
    for wrap in (lambda f: f, cr.compile):
        np.testing.assert_allclose(wrap(outer(lambda s: inner(s, halved_after(USES[name]))))(1.0), expected)


def test_a_pullback_belongs_to_the_point_where_it_was_made():
    def f(x):
        b = x * 1.0
        _, pullback = cr.vjp(lambda q: q * q, b)
        b *= 0.5
        return pullback(np.ones(3))[0]

    def g(s):  # the point is written to from inside
        b = s * X

        def h(q):
            y = q * q
            b[...] = 0.0
            return (y * q).sum()

        return cr.grad(h)(b).sum()

    for wrap in (lambda f: f, cr.compile):
        np.testing.assert_allclose(wrap(f)(X), 2 * X)
        np.testing.assert_allclose(wrap(cr.grad(g))(1.0), 6 * (X**2).sum())
