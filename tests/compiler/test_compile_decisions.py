"""Decisions by value are part of a program: each path is a variant. What cannot be followed is an error that says where."""

import random
import sys
import warnings

import numpy as np
import pytest
from agreement import agree, close, plain

import chainrule as cr
from chainrule import optim
from chainrule.errors import CompileError, LostDerivativeError

X = np.arange(3.0)


# --- guards -------------------------------------------------------------------------------------------------------------------


def test_branches():
    def f(x):
        if x.sum() > 1:
            return x * 2
        return x - 1

    g = cr.compile(f)
    for scale in (1, 0, 1, 0, 2, -1, 0.1):
        close(g(X * scale), f(X * scale))
    assert len(g.variants) == 2


def test_native_code_finds_the_way_through_known_paths(monkeypatch):
    def f(x):
        n = x * 1
        while n > 1:
            n = n / 2
        return n

    g = cr.compile(f)
    starts = [np.array(a) for a in (3.0, 9.0, 33.0, 129.0)]
    for _ in range(4):
        for x in starts + starts[::-1]:
            g(x)
    through_python = []
    direct = type(g).direct
    monkeypatch.setattr(type(g), "direct", lambda *args: through_python.append(args) or direct(*args))
    for x in starts + starts[::-1]:
        close(g(x), f(x))
    assert len(g.variants) == 4 and not through_python


def test_a_callback_that_fails_on_the_other_path():
    f = cr.compile(lambda a: cr.linalg.cholesky(a).sum() if (a > 0).any() else a.sum())
    a = np.eye(2)
    assert [f(a), f(-a), f(4 * a), f(-a)] == [2, -2, 4, -2]


def test_trees_of_decisions():
    def f(x):
        y = x
        for i in range(3):
            if y[i] > 0:
                y = y * 2
            elif y[i] < 0:
                y = y - x[0]
        return y

    g = cr.compile(f)
    rng = np.random.default_rng(0)
    for _ in range(100):
        x = rng.integers(-1, 2, 3).astype(float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            close(g(x), f(x))
    assert len(g.variants) <= 27


def newton(x, tol=1e-10):
    y = x
    while abs(y * y - x) > tol:
        y = 0.5 * (y + x / y)
    return y


def test_loops_by_value():
    g = cr.compile(newton)
    for x in (2.0, 9.0, 2.0, 1.0, 100.0, 1e6, 2.5):
        close(g(np.float64(x)), newton(np.float64(x)))
        close(cr.grad(g)(x), cr.grad(newton)(x))
    assert len(g.variants) <= 8


def test_loop_with_a_captured_parameter():
    def make():
        p = cr.tensor(3.0, requires_grad=True)

        def f(x):
            p.grad = None
            newton(p * x).backward()
            return p.grad.detach()

        return f, lambda i: (np.float64(1 + 10 * (i % 3)),), (p,)

    agree(make, 7)


def test_decisions_after_updates():
    """A path that turns out wrong after Tensors were updated has changed nothing."""

    def make():
        p, q = cr.tensor(np.ones(3), requires_grad=True), cr.tensor(np.zeros(3))
        optimizer = optim.SGD([p], lr=0.1, momentum=0.9)

        def f(x):
            q.data = q.detach() + 1
            optimizer.zero_grad()
            loss = cr.sum((p - x) ** 2)
            loss.backward()
            optimizer.step()
            if cr.sum(p.detach()) > 3:
                q.data = q.detach() * 2
                optimizer.zero_grad()
                return loss.detach()
            if q[0] > 5:
                p.data = p.detach() * 0.5
            return None

        return f, lambda i: (np.full(3, [0.0, 5.0, -5.0][i % 3]),), (p, q, optimizer)

    g = agree(make, 12)
    assert 2 <= len(g.variants) <= 8


def test_gradients_of_a_path_not_taken():
    def make():
        p = cr.tensor(np.ones(3), requires_grad=True)

        def f(x):
            loss = cr.sum(p * x)
            if loss > 0:
                p.grad = None
            loss.backward()
            return loss.detach()

        return f, lambda i: (X * (-1) ** i,), (p,)

    agree(make, 6)


def test_random_numbers_decide():
    def make():
        def f(x):
            u = cr.rand(())
            return x + u if u > 0.5 else x - cr.rand(3)

        return f, lambda i: (X,), ()

    agree(make, 12)


def test_constant_decisions_are_not_guards():
    f = cr.compile(lambda x: x * 2 if cr.tensor(1.0) > 0 else x)
    close(plain(f(X)), X * 2)
    close(plain(f(X)), X * 2)


def test_variants_say_what_they_hold_for():
    f = cr.compile(lambda x, n: x * n)
    f(X, 2), f(X, 3), f(X[:2], 2)
    assert len(f.variants) == 3
    assert [v.partition(":")[0] for v in f.variants] == ["float64[3], 2", "float64[3], 3", "float64[2], 2"]
    assert "3 variants" in repr(f)


# --- many variants ------------------------------------------------------------------------------------------------------------


def one_warning(calls):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for call in calls:
            call()
    (warning,) = found
    assert warning.filename == __file__
    return str(warning.message)


def test_one_warning_names_the_number_that_varies():
    f = cr.compile(lambda x, rate: x * rate)
    text = one_warning([lambda i=i: f(X, i / 7) for i in range(40)])
    assert "rate" in text and " x" not in text.split("what varies:")[1].split("\n")[0] and "help" in text


def test_one_warning_names_the_argument_whose_shape_varies():
    f = cr.compile(lambda a, b: a.sum() + b.sum())
    assert "what varies: b" in one_warning([lambda i=i: f(X, np.ones(i + 1)) for i in range(40)])


def test_one_warning_names_keyword_arguments():
    f = cr.compile(lambda a, *, size=1: a * size)
    assert "what varies: size" in one_warning([lambda i=i: f(X, size=i) for i in range(30)])


def test_one_warning_names_what_stands_around():
    n = 0
    f = cr.compile(lambda x: x * n)

    def call(i):
        nonlocal n
        n = i
        f(X)

    assert "what varies: n" in one_warning([lambda i=i: call(i) for i in range(30)])


def test_one_warning_about_paths():
    @cr.compile
    def halved(x):
        while x > 1:
            x = x / 2
        return x

    assert "decisions" in one_warning([lambda i=i: halved(2.0 ** np.float64(i)) for i in range(30)])


# --- shapes that hang on values -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [lambda x: x[x > 0] * 2, lambda x: cr.nonzero(x)[0] + 1, lambda x: cr.sum(x[x > 0])],
    ids=["mask", "nonzero", "sum of a mask"],
)
def test_shapes_by_value(f):
    g = cr.compile(f)
    for x in (X, -X, X + 1, X, np.zeros(3), X * 0 + 1, X):
        close(g(x), f(x))


def test_shapes_by_value_with_updates():
    def make():
        p, n = cr.tensor(np.ones(3), requires_grad=True), cr.tensor(0.0)

        def f(x):
            n.data = n.detach() + 1
            p.grad = None
            loss = cr.sum((p * x)[x > 0] ** 2)
            loss.backward()
            p.data = p.detach() - 0.1 * p.grad.detach()
            return loss.detach()

        return f, lambda i: (X - i % 3,), (p, n)

    agree(make, 9)


# --- errors -------------------------------------------------------------------------------------------------------------------


def line_of(text):
    with open(__file__) as file:
        return next(i for i, line in enumerate(file, 1) if line.rstrip().endswith(f"# {text}"))


def test_values_asked_for():
    t = cr.tensor(X)

    def item(x):
        return x * t.sum().item()  # here: item

    def array(x):
        return np.asarray(x).sum()  # here: array

    def number(x):
        return float(x.sum())  # here: number

    for f, where in ((item, "here: item"), (array, "here: array"), (number, "here: number")):
        for _ in range(2):
            with pytest.raises(LostDerivativeError, match=rf"test_compile_decisions\.py:{line_of(where)}(?s:.*)help:"):
                cr.compile(f)(X)
        assert type(t.value) is np.ndarray
    close(cr.compile(lambda x: x + t)(X), X + t)


def test_results_that_are_no_arrays():
    for result in (object(), "text", {"a": "text"}, lambda x: x, X.astype(object)):
        f = cr.compile(lambda x, result=result: result)
        with pytest.raises(Exception, match=r"must return arrays(?s:.*)found(?s:.*)help"):
            f(X)


@pytest.mark.parametrize("what", ["random", "generator", "iterator", "file", "numpy.random"])
def test_what_cannot_be_followed(what, tmp_path):
    things = {
        "random": random.Random(0), "generator": np.random.default_rng(0), "iterator": iter([1.0, 2.0]),
        "file": (tmp_path / "f").open("w"),
    }  # fmt: skip
    thing = things.get(what)
    f = cr.compile(lambda x: x * np.random.rand() if what == "numpy.random" else (thing, x)[1])
    with pytest.raises(CompileError, match=r"test_compile_decisions\.py:\d+(?s:.*)help:"):
        f(X)
    things["file"].close()


def test_generators_that_the_function_makes_from_a_seed():
    def f(x, seed=3):
        return x * np.random.default_rng(seed).normal(size=3) + np.random.default_rng(seed=4).random()

    g = cr.compile(f)
    for scale in (1, 2):
        close(g(X * scale), f(X * scale))
    close(g(X, 5), f(X, 5))
    with pytest.raises(CompileError, match=r"default_rng without a seed(.|\n)*help: use cr.random"):
        cr.compile(lambda x: f(x, None))(X)
    assert np.random.default_rng.__module__ != __name__


@pytest.mark.parametrize("draw", [np.random.randn, np.random.default_rng, random.random, random.gauss])
def test_drawing_functions_by_names_of_their_own(draw):
    class Kept:
        drawing = staticmethod(draw)

        def __call__(self, x, used):
            return x * self.drawing() if used else x

    with pytest.raises(CompileError, match=r"random numbers that the compiler cannot follow: draw(.|\n)*help: use cr.random"):
        cr.compile(lambda x: x * draw())(X)
    kept = cr.compile(Kept())
    if draw in (random.random, random.gauss):
        close(kept(X, False), X)
    with pytest.raises(CompileError, match=r"random numbers that the compiler cannot follow: self.drawing"):
        kept(X, True)


def test_plain_values_that_the_function_changes():
    count, seen = 0, []

    def counting(x):
        nonlocal count
        count += 1
        return x

    def growing(x):
        seen.append(1)
        return x

    for f, name in ((counting, "count"), (growing, "seen")):
        with pytest.raises(CompileError, match=rf"{name}(?s:.*)test_compile_decisions.py(?s:.*)help:"):
            cr.compile(f)(X)


def test_captured_array_that_the_function_writes():
    buffer = np.zeros(3)

    def f(x):
        buffer[0] += 1  # here: written
        return x

    with pytest.raises(CompileError, match=rf"test_compile_decisions\.py:{line_of('here: written')}(?s:.*)help:"):
        cr.compile(f)(X)
    assert buffer[0] == 0
    buffer[0] = 1


def test_exceptions_in_the_function_leave_everything():
    p = cr.tensor(X, requires_grad=True)
    fail = True

    def f(x):
        p.data = p.detach() + 1
        cr.sum(p * x).backward()
        if fail:
            raise KeyError("mine")
        return p.grad.detach()

    g = cr.compile(f)
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            g(X)
    assert type(p.value) is np.ndarray and (p.grad is None or type(p.grad.value) is np.ndarray)
    fail = False
    p.grad = None
    for _ in range(3):
        p.grad = None
        close(g(X), cr.tensor(X))


def test_wrong_shapes_raise_what_eager_raises():
    f = cr.compile(lambda x, y: x @ y)
    f(np.ones((2, 3)), np.ones((3, 2)))
    for _ in range(2):
        with pytest.raises(cr.errors.ShapeError, match="matmul"):
            f(np.ones((2, 3)), np.ones((2, 3)))


def test_index_out_of_bounds():
    def make():
        table, n = cr.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True), cr.tensor(0.0)

        def f(i):
            n.data = n.detach() + 1
            table.grad = None
            loss = cr.sum(table[i] ** 2)
            loss.backward()
            table.data = table.detach() - 0.1 * table.grad.detach()
            return loss.detach()

        return f, table, n

    f, *state = make()
    g, *mine = make()
    g = cr.compile(g)
    for i in ([0, 1], [3, 3], [-1, 0], [4, 0], [1, 2], [0, -5], [1, 1]):
        i = np.array(i)
        if i.min() >= -4 and i.max() < 4:
            close(g(i), f(i))
        else:
            with pytest.raises(IndexError):
                f(i)
            with pytest.raises(IndexError):
                g(i)
        close([t.detach() for t in mine], [t.detach() for t in state])


class Agent:
    """Explores at random, and learns by a compiled method that does not."""

    def __init__(self):
        self.rng, self.w, self.noise = np.random.default_rng(0), cr.tensor(np.ones(3)), False

    def act(self):
        return np.random.rand() + self.rng.random() + OUTSIDE.random()

    def learn(self, x):
        if self.noise == "global":
            x = x * self.perturbed()
        if self.noise == "own":
            x = x + self.rng.normal()
        return (self.w * x).sum()

    def perturbed(self):
        return np.random.rand()


OUTSIDE = np.random.default_rng(1)


def test_random_numbers_of_other_methods_do_not_matter():
    agent = Agent()
    learn = cr.compile(agent.learn)
    for _ in range(3):
        agent.act()
        close(learn(np.arange(3.0)), cr.tensor(3.0))
    assert len(learn.variants) == 1


@pytest.mark.parametrize("noise, named", [("global", "np.random"), ("own", "self.rng")])
def test_random_numbers_of_methods_that_run(noise, named):
    agent = Agent()
    agent.noise = noise
    with pytest.raises(CompileError, match=named):
        cr.compile(agent.learn)(np.arange(3.0))
    assert sys.getprofile() is None


def test_results_with_a_history_of_their_own_warn_in_the_end():
    def f(x):
        w = cr.tensor(np.ones(3), requires_grad=True)
        loss = (w * x).sum()
        loss.backward()
        return loss

    g = cr.compile(f)
    with pytest.warns(UserWarning, match=r"Tensors that it leaves behind(.|\n)*help: return values without history, such as"):
        for i in range(16):
            close(g(X * i).detach(), f(X * i).detach())


def test_results_that_hang_on_each_other_stay_so():
    def f(x):
        w = cr.tensor(np.ones(3), requires_grad=True)
        return w, (w * x).sum()

    g = cr.compile(f)
    for i in range(3):
        w, loss = g(X * i)
        loss.backward()
        np.testing.assert_allclose(w.grad, X * i)


# --- whole numbers that Python or NumPy itself goes by ------------------------------------------------------------------------

TABLE = np.arange(12.0).reshape(6, 2)


def marked(x):
    """An array of NumPy's that a mask made of Tensors writes to."""
    count = np.zeros(6)
    for _ in range(3):
        live = x * x < 4.0
        count[live] += 1
        x = np.where(live, x * x + 0.5, x)
    return x, count


def put_in(x):
    a, b, c = np.arange(6.0), np.arange(6.0), np.arange(6.0)
    np.putmask(a, x > 0, 5.0)
    np.copyto(b, 7.0, where=x > 0)
    np.place(c, x > 0, [1.0, 2.0])
    return a + x, b + x, c + x


def assigned(x, n):
    x = x * 1.0
    x[n:] = 9.0
    x[:n] += 1.0
    view = x[n:]
    view[0] = 5.0
    return x


X6, MORE = np.array([1.0, -2, 3, -4, 5, -6]), np.array([-1.0, 2, 3, -4, -5, 0.5])
BY_WHOLE_NUMBERS = {
    "mask of an array": (lambda x: TABLE[x > 0, 1] * 2.0, (X6,), (MORE,)),
    "index of an array": (lambda i, x: TABLE[i] * x, (np.array([2, 0]), X6[:2]), (np.array([5, 1]), X6[:2])),
    "number of a row": (lambda n, x: TABLE[n] * x, (np.array(2), X6[:2]), (np.array(4), X6[:2])),
    "slice of an array": (lambda n, x: TABLE[n:].sum() * x, (np.array(2), X6), (np.array(4), X6)),
    "slice": (lambda n, x: x[n:].sum() + x[:n:2].sum(), (np.array(2), X6), (np.array(4), X6)),
    "assignment to slices": (lambda n, x: assigned(x, n), (np.array(2), X6), (np.array(4), X6)),
    "mask that is written to": (marked, (X6,), (MORE,)),
    "writing with masks": (put_in, (X6,), (MORE,)),
    "list": (lambda n, x: [np.sin, np.cos, np.tanh][n](x), (np.array(2), X6), (np.array(1), X6)),
    "range": (lambda n, x: sum((x[k] for k in range(n)), 0.0), (np.array(2), X6), (np.array(4), X6)),
    "int": (lambda x: x * int(x[0] * 2), (X6,), (MORE,)),
    "sizes": (lambda n, x: np.zeros(n).sum() + np.roll(x, n) + np.eye(n).sum(), (np.array(2), X6), (np.array(4), X6)),
    "nonzero": (lambda x: sum(TABLE[k, 0] * x[k] for k in np.nonzero(x > 0)[0]), (X6,), (MORE,)),
}


@pytest.mark.parametrize("name", BY_WHOLE_NUMBERS)
def test_python_and_numpy_go_by_whole_numbers(name):
    f, *calls = BY_WHOLE_NUMBERS[name]
    compiled = cr.compile(f)
    for args in (*calls, *calls, *calls):
        expected = f(*(np.array(a) for a in args))
        for given in (compiled(*(np.array(a) for a in args)), f(*map(cr.tensor, args)), cr.compile(f)(*map(cr.tensor, args))):
            for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (given, expected)), strict=True):
                np.testing.assert_allclose(np.asarray(a), b)
    assert len(compiled.variants) == len(calls)
    x = next(k for k, a in enumerate(calls[0]) if a.dtype.kind == "f")

    def summed(*args):
        out = f(*args)
        return (
            sum((o.sum() for o in out if isinstance(o, cr.Tensor)), 0.0 * args[x].sum())
            if isinstance(out, tuple)
            else out.sum()
        )

    for args in calls:
        expected = cr.grad(summed, x)(*map(np.array, args))
        np.testing.assert_allclose(cr.compile(cr.grad(summed, x))(*map(np.array, args)), expected)
        np.testing.assert_allclose(cr.grad(cr.compile(summed), x)(*map(np.array, args)), expected)


def test_branches_that_give_back_their_operand():
    """What the first call returns is its argument, what others return need not be."""
    halved = cr.compile(lambda x: cr.while_loop(lambda r: cr.sum(r) > 1, lambda r: r * 0.5, x))
    doubled = cr.compile(lambda w, x: cr.cond(w > 3, lambda q: 2 * q, lambda q: q, x))
    chosen = cr.compile(lambda i, x: cr.switch(i, [lambda q: q, lambda q: q + 1], x))
    for x in (np.array([0.1, 0.2]), np.array(0.3)):
        assert np.array_equal(halved(x), x) and np.array_equal(halved(8 * x), 2 * x)
        assert np.array_equal(doubled(np.array(1.0), x), x) and np.array_equal(doubled(np.array(4.0), x), 2 * x)
        assert np.array_equal(chosen(np.array(0), x), x) and np.array_equal(chosen(np.array(1), x), x + 1)
    same = cr.compile(lambda x: x)
    assert same(x) is x and same(x) is x


def test_lengths_that_hang_on_values():
    counts = cr.compile(lambda a: cr.bincount(abs(a)).sum() * a[0] + len(cr.bincount(abs(a))))
    for a in ([1, 4], [1, -2], [7, 1], [1, 2]):
        assert counts(np.array(a)) == 2 * a[0] + max(map(abs, a)) + 1


def test_tensors_with_axes_index_arrays_as_arrays_do():
    table = np.arange(5.0)
    for i in (np.array([1]), np.array(1), np.array([[3]])):
        for f in (lambda i: table[i], cr.compile(lambda i: table[i])):
            assert np.shape(f(i)) == i.shape and np.shape(f(cr.tensor(i))) == i.shape


def test_a_decision_that_is_known_before_it_is_asked():
    """Its place in memory is not another's until an earlier decision, which takes longer to compute, has been checked."""

    squared = cr.custom_vjp(lambda q: q * q)
    squared.defvjp(lambda q: (q * q, q), lambda q, g: (3.0 * q * g,))

    def make():
        states = {"t": cr.tensor(0.25)}

        def f(x, table):
            before = np.cos(x)
            x[[0, -1]] += 0.5
            states["t"] = states["t"] * 0.5 + before.sum()
            other = cr.array([1.0, -0.2])
            y = cr.grad(lambda q: cr.sum(squared(q) * cr.sin(q)))(x)
            if (y > 0.0).any():
                y.T[0] = 0.25
                if y.ravel()[0] > before.ravel()[-1]:
                    other = cr.tensor(table)
            return sum(cr.sum(cr.tanh(z)) for z in (before, other, y))

        return f

    f, compiled, table = make(), cr.compile(make()), np.ones((2, 3), np.float32)
    for last in (-1.7, 0.1, 0.2, -1.4, 1.3, 0.3, -1.45, 0.1):
        x, same = np.array([0.7, 0.2, last]), np.array([0.7, 0.2, last])
        np.testing.assert_allclose(float(compiled(x, table)), float(f(same, table)), rtol=1e-6)
        np.testing.assert_array_equal(x, same)
    assert len(compiled.variants) == 2


SIZES_ALONE = {
    "nonzero": lambda x: x * len(cr.nonzero(x)[0]),
    "unique": lambda x: x * cr.unique(x).size,
    "mask": lambda x: x * x[x > 0].size,
    "empty or not": lambda x: x * 2 if cr.nonzero(x)[0].size == 0 else x,
    "trim_zeros": lambda x: cr.trim_zeros(x) * 1,
}


@pytest.mark.parametrize("name", SIZES_ALONE)
def test_sizes_of_what_nothing_else_is_read_of(name):
    f = SIZES_ALONE[name]
    g = cr.compile(f)
    zeros, few, others, all_ = ([0, 0, 0, 0], [0, 1, 0, 2], [2, 0, 0, 3], [1, 2, 3, 4])
    for x in (few, others, zeros, all_, few, zeros, others, all_, few):
        x = np.array(x, float)
        close(g(x), f(x))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex64, np.float32])
def test_decisions_about_numbers_that_machine_code_does_not_know(dtype):
    f = lambda x: x * 2 if x[0].astype(dtype) else x - 1  # noqa: E731
    g = cr.compile(f)
    for first in (0.0, 1.0, 0.0, np.nan, 1.0):
        x = np.array([first, 3.0])
        np.testing.assert_array_equal(g(x), f(x))
    assert len(g.variants) == 2


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.float32, np.float64])
def test_only_the_whole_part_decides_where_a_number_is_made_whole(dtype):
    f = lambda x: sum(x for _ in range(int(x[0])))  # noqa: E731
    g = cr.compile(f)
    for first in (2.0, 2.25, 2.5, 3.5, 3.0):
        x = np.array([first, 3.0], dtype)
        np.testing.assert_array_equal(g(x), f(x))
    assert len(g.variants) == 2
    for odd, error in ((np.nan, ValueError), (np.inf, OverflowError)):
        for _ in range(2):
            with pytest.raises(error):
                g(np.array([odd, 1.0], dtype))
