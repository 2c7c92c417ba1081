"""What a compiled function sees besides arrays: settings, arrays, Tensors and objects around it, and how it is called."""

import copy
import dataclasses
import functools
import pickle
from itertools import chain

import numpy as np
import pytest
from agreement import agree, close, plain

import chainrule as cr
from chainrule import nn
from chainrule.errors import CompileError

X = np.arange(6.0).reshape(2, 3)
SCALE, OFFSETS = 2.0, np.arange(3.0)


def eager_and_compiled(f, *args, **kwargs):
    g = cr.compile(f)
    for _ in range(3):
        close(g(*args, **kwargs), f(*args, **kwargs))
    return g


# --- arguments ----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Pair:
    first: object
    second: object


TREES = {
    "dict": lambda b: (lambda b: b["x"] @ b["y"][0].T + b["y"][1], {"x": X, "y": [X, 2.0]}),
    "keywords": lambda b: (lambda x, *, y, z=3.0: x * y + z, X),
    "nested": lambda b: (lambda t: {"a": [t[0] + 1, (t[1][0],)], "b": None}, (X, [X * 2])),
}


def test_trees_of_arguments():
    eager_and_compiled(lambda b: b["x"] @ b["y"][0].T + b["y"][1], {"x": X, "y": [X, 2.0]})
    eager_and_compiled(lambda x, *, y, z=3.0: x * y + z, X, y=X)
    eager_and_compiled(lambda x, *, y, z=3.0: x * y + z, X, y=2.0, z=X)
    eager_and_compiled(lambda t: {"a": [t[0] + 1, (t[1][0],)], "b": None}, (X, [X * 2]))
    eager_and_compiled(lambda *xs, **named: sum(xs) + named["w"], X, X, w=X)
    eager_and_compiled(lambda x, scale=2.0: x * scale, X)


def test_dataclasses_as_arguments():
    f = cr.compile(lambda p: cr.sum(p.first * p.second))
    for i in range(3):
        assert f(Pair(X, 2.0 + i)) == np.sum(X) * (2.0 + i)


def test_numbers_are_part_of_the_program():
    f = cr.compile(lambda x, n: x * n)
    for n in (1, 2, 2.0, True, np.float32(3), 1):
        close(f(X, n), X * n)


@pytest.mark.parametrize(
    "x",
    [
        X.T, X[:, ::2], X[::-1], np.zeros((0, 3)), np.array(2.0), X.astype(">f8"), X.astype(np.float16), X.astype(np.float32),
        X + 1j, X.astype(np.int32), X.astype(np.uint8), X > 2, np.float64(3.0), np.float32(2.0),
        np.broadcast_to(np.ones(3), (4, 3)),
        np.asfortranarray(X), X.astype(">i4"), np.int64(3), np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float64),
    ],
    ids=lambda x: f"{x.dtype.str}{x.shape}",
)  # fmt: skip
def test_arrays_of_every_kind(x):
    eager_and_compiled(lambda x: x * 2 + 1, x)
    eager_and_compiled(lambda x: cr.sum(x), x)
    f = cr.compile(lambda x: (x + 1) * 2)
    close(f(x), (x + 1) * 2)
    close(f(np.asarray(x)[()]), (x + 1) * 2)


def test_read_only_arrays_and_their_layouts_share_a_program():
    f = cr.compile(lambda x: x + 1)
    fixed = X.copy()
    fixed.flags.writeable = False
    for x in (X, fixed, np.asfortranarray(X), X[::-1], np.stack([X, X], 2)[:, :, 0]):
        close(f(x), x + 1)
    assert len(f.variants) == 1


def test_results_of_every_kind():
    constant = np.arange(3.0)
    t = cr.tensor(X)

    def f(x):
        y = x + 1
        return {
            "same": x,
            "twice": [y, y],
            "none": None,
            "number": 3,
            "constant": constant,
            "t": t,
            "sum": y.sum(),
            "view": y[0],
        }

    g = eager_and_compiled(f, X)
    out = g(X)
    assert out["same"] is X and out["t"] is t and out["number"] == 3
    assert not np.shares_memory(out["twice"][0], g(X)["twice"][0])
    out["twice"][0][...] = 0
    close(g(X), f(X))


def test_results_do_not_share_memory_with_parameters():
    p = cr.tensor(np.ones(3), requires_grad=True)

    @cr.compile
    def f():
        with cr.no_grad():
            p.add_(1)
        return p.detach(), p.detach() * 1

    a = f()[0]
    b = f()[0]
    f()
    close([a, b], [cr.tensor(np.full(3, 2.0)), cr.tensor(np.full(3, 3.0))])
    assert np.all(p.detach() == 4)


def test_without_arrays():
    f = cr.compile(lambda: 3)
    assert f() == f() == 3
    assert cr.compile(lambda n: n + 1)(2) == 3
    g = cr.compile(lambda: None)
    assert g() is None and g() is None
    eager_and_compiled(lambda: np.ones(3) + cr.tensor(1.0))


def test_tensors_as_arguments():
    f = cr.compile(lambda x, y: x * y)
    a, b = cr.tensor(X), cr.tensor(X, requires_grad=True)
    for _ in range(2):
        for args in ((a, X), (X, a), (a, a), (b, a), (b, b), (b, 2.0)):
            out = f(*args)
            close(out.detach(), (args[0] * args[1]).detach())
            assert out.requires_grad == any(x is b for x in args)


def test_the_result_is_the_argument():
    f = cr.compile(lambda x: x)
    a, b = cr.tensor(X), cr.tensor(X, requires_grad=True)
    for _ in range(2):
        assert f(a) is a and f(b) is b and f(X) is X


# --- methods and wrappers -----------------------------------------------------------------------------------------------------


class Trainer:
    def __init__(self, rate):
        self.rate = rate
        self.w = cr.tensor(np.ones(3), requires_grad=True)

    @cr.compile
    def step(self, x):
        """One step."""
        self.w.grad = None
        loss = cr.sum((self.w - x) ** 2)
        loss.backward()
        with cr.no_grad():
            self.w -= self.rate * self.w.grad
        return loss.detach()


def test_methods():
    a, b = Trainer(0.1), Trainer(0.2)
    for t in (a, b, a, b, a):
        t.step(OFFSETS)
    close(plain(a.w), OFFSETS + (1 - OFFSETS) * 0.8**3)
    close(plain(b.w), OFFSETS + (1 - OFFSETS) * 0.6**2)
    a.rate = 0.5
    a.step(OFFSETS)
    close(plain(a.w), OFFSETS)
    assert len(a.step.variants) == 3
    assert "One step" in Trainer.step.__doc__


class Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.linear = nn.Linear(3, n)
        self.drop = nn.Dropout(0.5)
        self.count = 0

    @cr.compile
    def forward(self, x):
        return self.drop(self.linear(x).tanh())


def test_forward_of_a_module():
    def run(forward):
        cr.manual_seed(0)
        a, b = Layer(4), Layer(4)
        out = []
        for model in (a, b, a, b):
            for training in (True, False, True):
                model.train(training)
                y = forward(model, X)
                y.sum().backward()
                out.append(y.detach())
        return out, [p.grad for m in (a, b) for p in m.parameters()]

    close(run(lambda m, x: m(x)), run(lambda m, x: Layer.forward.f(m, x)))


def test_a_module_with_a_compiled_forward_travels():
    model = Layer(2).eval()
    y = model(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        close(other(X).detach(), y.detach())
        other.linear.bias = nn.Parameter(np.ones(2, np.float32))
        assert not np.allclose(plain(other(X)), plain(y))
    close(model(X).detach(), y.detach())
    grads = cr.grad(lambda m: cr.sum(m(X) ** 2))(model)
    expected = cr.grad(lambda m: cr.sum(Layer.forward.f(m, X) ** 2))(model)
    close(list(grads.parameters()), list(expected.parameters()))


def test_a_module_itself():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    g = cr.compile(model)
    other = copy.deepcopy(model)
    for i in range(4):
        close(g(X + i).detach(), other(X + i).detach())
    model.eval(), other.eval()
    for i in range(3):
        close(g(X + i).detach(), other(X + i).detach())
    close(list(model.buffers()), list(other.buffers()))


def test_partials_and_lambdas():
    def f(a, x, b=1.0):
        return a * x + b

    eager_and_compiled(functools.partial(f, 2.0), X)
    eager_and_compiled(functools.partial(f, OFFSETS, b=OFFSETS), X)
    p = functools.partial(f, OFFSETS.copy())
    g = cr.compile(p)
    close(g(X), p(X))
    p.args[0][:] = 7
    close(g(X), p(X))
    eager_and_compiled(lambda x: (lambda y: y * SCALE)(x), X)


def test_static_and_class_methods():
    class C:
        @staticmethod
        @cr.compile
        def s(x):
            return x + 1

        @classmethod
        def c(cls, x):
            return cls.s(x) * 2

    for _ in range(3):
        close(C.s(X), X + 1)
        close(cr.compile(C.c)(X), (X + 1) * 2)


# --- what stands around -------------------------------------------------------------------------------------------------------


def test_global_numbers_and_functions(monkeypatch):
    f = cr.compile(lambda x: helper(x) * SCALE)
    for scale in (2.0, 2.0, 3.0, 2.0):
        monkeypatch.setitem(globals(), "SCALE", scale)
        close(f(X), (X + 1) * scale)
    assert len(f.variants) == 2
    monkeypatch.setitem(globals(), "helper", lambda x: x - 1)
    close(f(X), (X - 1) * 2.0)


def helper(x):
    return x + 1


def test_numbers_in_closures_lists_dicts_and_objects():
    class Settings:
        scale = 1.0

    number, listed, named, settings = 1.0, [1.0, 2.0], {"a": 1.0}, Settings()
    settings.inner = {"b": [1.0]}

    def f(x):
        return x * number + listed[-1] * named["a"] - settings.scale * settings.inner["b"][0] + len(listed)

    g = cr.compile(f)

    def check():
        close(g(X), f(X))
        close(g(X), f(X))

    check()
    number = 2.0
    check()
    listed[-1] = 5.0
    check()
    listed.append(3.0)
    check()
    named["a"] = 4.0
    check()
    settings.scale = 9.0
    check()
    settings.inner["b"][0] = 2.0
    check()
    Settings.scale = 10.0
    del settings.scale
    check()


class Turns:
    """Answers for any name, as objects that stand for others do."""

    def __getattr__(self, name):
        if name.startswith("__deepcopy__"):
            raise AttributeError(name)
        return lambda *args: 1


TURNS = Turns()


def test_classes_of_iterators_are_no_iterators():
    chained = chain
    eager_and_compiled(lambda x: sum(chained([x], [x])) * TURNS.times(2), X)
    eager_and_compiled(lambda x: sum(chain([x], [x])), X)


def test_attributes_of_classes():
    class Config:
        rate = 2.0

    f = cr.compile(lambda x: x * Config.rate)
    close(f(X), X * 2)
    Config.rate = 3.0
    close(f(X), X * 3)


def test_functions_rebound_inside_of_objects():
    class Box:
        pass

    box = Box()
    f = cr.compile(lambda x: box.f(x))
    for step in (cr.sin, cr.cos, cr.sin):
        box.f = step
        close(f(X), step(X))


def test_captured_arrays_are_read_where_they_stand():
    small, large = np.arange(3.0), np.ones((2, 3))
    part = large[1]

    def f(x):
        return x * small + large - part

    g = cr.compile(f)
    for i in range(4):
        close(g(X), f(X))
        small[i % 3] = 10 + i
        large[...] = i
        part[0] = 7
    close(g(X), f(X))
    assert len(g.variants) == 1
    small = np.zeros(3)
    close(g(X), f(X))
    small = np.zeros((2, 3), np.float32)
    close(g(X), f(X))


def test_captured_arrays_in_objects():
    class Data:
        pass

    data = Data()
    data.x, data.all = np.ones(3), [np.ones(3), {"y": np.ones(3)}]
    f = lambda x: x + data.x * data.all[0] + data.all[1]["y"]  # noqa: E731
    g = cr.compile(f)
    for i in range(4):
        close(g(X), f(X))
        data.x[1] = i
        data.all[1]["y"] = np.full(3, 2.0 * i)
    close(g(X), f(X))


def test_captured_arrays_used_by_numpy_alone():
    weights = np.arange(3.0)

    def f(x):
        return x * weights.mean() + np.max(weights)

    g = cr.compile(f)
    for i in range(3):
        close(g(X), f(X))
        weights[0] = 10.0 * i
    close(g(X), f(X))


def test_captured_tensors_are_read_where_they_stand():
    t, u = cr.tensor(np.ones(3)), cr.tensor(X, requires_grad=True)
    f = lambda x: (x * t + u).detach()  # noqa: E731
    g = cr.compile(f)
    for i in range(4):
        close(g(X), f(X))
        t[1] = i
        u.data = u.detach() * 2
    assert len(g.variants) == 1
    t = cr.tensor(np.zeros(3))
    close(g(X), f(X))


def test_captured_tensor_of_another_shape():
    t = cr.tensor(np.ones(3))
    f = lambda x: x * t  # noqa: E731
    g = cr.compile(f)
    close(g(X), f(X))
    t.value = np.float64(2.0)
    close(g(X), f(X))
    t.value = np.ones((2, 3), np.float32)
    close(g(X), f(X))


def test_state_in_attributes():
    """Attributes that a call binds to new Tensors: read from them at the next call; older ones keep their values."""

    class Cell:
        def __init__(self):
            self.h = cr.tensor(np.zeros(3))
            self.seen = {"last": cr.tensor(np.zeros(3))}

        def step(self, x):
            self.h = (self.h * 0.5 + x).detach()
            self.seen["last"] = self.h * 2
            return self.h

    a, b = Cell(), Cell()
    f = cr.compile(b.step)
    kept = []
    for i in range(5):
        close(f(OFFSETS + i), a.step(OFFSETS + i))
        close([b.h, b.seen["last"]], [a.h, a.seen["last"]])
        kept.append((b.h, plain(b.h)))
        if i == 2:
            a.h = b.h = cr.tensor(np.ones(3))
    for t, value in kept:
        np.testing.assert_array_equal(plain(t), value)
    assert len(f.variants) <= 2


def test_state_in_attributes_of_a_module():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("h", np.zeros(3))

        def forward(self, x):
            self.h = (self.h * 0.5 + x).detach()
            self.last = self.h + 1
            return self.h

    a, b = Recurrent(), Recurrent()
    f = cr.compile(b)
    for i in range(6):
        close(f(OFFSETS + i), a(OFFSETS + i))
        close([b.h, b.last], [a.h, a.last])


def test_state_made_at_the_first_call():
    class Lazy:
        h, table = None, None

        def __init__(self):
            self.h, self.table = None, {}

        def step(self, x):
            if self.h is None:
                self.h = cr.tensor(np.zeros(3))
            if "w" not in self.table:
                self.table["w"] = cr.tensor(np.ones(3))
            self.h += x
            return self.h * self.table["w"]

    a, b = Lazy(), Lazy()
    f = cr.compile(b.step)
    for _i in range(5):
        close(f(OFFSETS), a.step(OFFSETS))
        close(b.h, a.h)
    assert len(f.variants) == 1


def test_inner_leaves():
    def f(x):
        w = cr.tensor(np.ones(3), requires_grad=True)
        cr.sum(w * w * x).backward()
        return w.grad, w.detach()

    g = eager_and_compiled(f, OFFSETS)
    assert len(g.variants) == 1


def test_gradients_returned():
    p = cr.tensor(np.ones(3), requires_grad=True)

    def make():
        p = cr.tensor(np.ones(3), requires_grad=True)

        def f(x):
            cr.sum(p * x).backward()
            return p.grad

        return f, lambda i: (OFFSETS + i,), (p,)

    agree(make, 4)

    @cr.compile
    def fresh(x):
        p.grad = None
        cr.sum(p * x).backward()
        return p.grad

    for i in range(4):
        g = fresh(OFFSETS + i)
        assert g is p.grad
        close(g, cr.tensor(OFFSETS + i))


def test_old_gradient_taken_out():
    def make():
        p = cr.tensor(np.ones(3), requires_grad=True)
        p.grad = np.full(3, 5.0)

        def f(x):
            old = p.grad
            p.grad = None
            cr.sum(p * x).backward()
            return old * 1.0, old

        return f, lambda i: (OFFSETS + i,), (p,)

    agree(make, 5)


def test_gradient_bound_to_a_tensor_from_outside():
    def make():
        p, other = cr.tensor(np.ones(3), requires_grad=True), cr.tensor(np.arange(3.0))

        def f(x):
            other.data = other.detach() + x
            p.grad = other
            return cr.sum(other)

        return f, lambda i: (OFFSETS + i,), (p, other)

    agree(make, 4)


RATE, TABLE = 2.0, np.arange(12.0)


def test_what_derivative_rules_see(monkeypatch):
    @cr.custom_vjp
    def g(x):
        return x * RATE

    g.defvjp(lambda x: (g(x), None), lambda _, ct: (ct * TABLE,))
    plain = cr.compile(lambda x: g(x).sum())
    slope = cr.compile(cr.grad(lambda x: g(x).sum()))
    loop = cr.compile(cr.grad(lambda x: cr.scan(lambda c, _: (g(c), None), x, None, length=2)[0].sum()))
    x = np.ones(12)
    for factor in (1, 3):
        monkeypatch.setitem(globals(), "RATE", 2.0 * factor)
        TABLE[:] = factor * np.arange(12.0)
        assert plain(x) == 24 * factor
        np.testing.assert_array_equal(slope(x), TABLE)
        np.testing.assert_array_equal(loop(x), TABLE**2)
    TABLE[:] = np.arange(12.0)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_arrays_with_rules_of_their_own_are_refused():
    class Length(np.ndarray):
        def __array_ufunc__(self, *args, **kwargs):
            return "3 m"

    class Labelled(np.ndarray):
        pass

    f = cr.compile(lambda x: x.sum())
    f(np.ones(3))
    for x in (np.ma.masked_array(np.ones(3), [0, 1, 0]), np.matrix([1.0, 2.0]), np.ones(3).view(Length)):
        for call in (lambda x=x: f(x), lambda x=x: cr.grad(lambda y: cr.sum(y) * f(x))(np.ones(3))):
            with pytest.raises(CompileError, match=f"is a .*{type(x).__name__}, which computes by rules of its own"):
                call()
    assert f(np.ones(3).view(Labelled)) == 3


def test_arrays_that_overlap_themselves_are_not_written():
    @cr.compile
    def f(x):
        x += 1
        return x.sum()

    windows = np.lib.stride_tricks.as_strided
    for x in (windows(np.zeros(4), (4,), (0,)), windows(np.zeros(9), (3, 3), (8, 16)), windows(np.zeros(9), (3, 3), (8, 0))):
        with pytest.raises(CompileError, match="whose elements share memory"):
            f(x)
    for x in (np.zeros((4, 6))[::-1, ::2], np.zeros((3, 4)).T, np.zeros((2, 1, 3))[:, :, None], np.zeros((0, 3))):
        assert f(x) == x.size


@cr.compile
def decorated(x):
    return cr.sum(x * x)


class Decorated:
    @staticmethod
    @cr.compile
    def doubled(x):
        return x * 2


def test_decorated_functions_travel_by_their_names():
    for f in (decorated, Decorated.doubled):
        assert pickle.loads(pickle.dumps(f)) is f
    close(pickle.loads(pickle.dumps(functools.partial(decorated, X)))(), decorated(X))
    undecorated = cr.compile(np.sum)
    close(pickle.loads(pickle.dumps(undecorated))(X), undecorated(X))
