"""What a compiled function sees besides its arguments, in all the places where Python programs keep settings."""

import argparse
import array
import collections
import contextvars
import dataclasses
import functools
import os
import queue
import sys
import threading
import types
import weakref

import numpy as np
import pytest
import scipy.sparse

import chainrule as cr
from chainrule import nn
from chainrule.errors import CompileError

X = np.ones(2)
KINDS: dict = {}


def kind(make):
    """`make` gives a function of x that multiplies by what is kept somewhere, and a function that puts a number there."""
    KINDS[make.__name__] = make
    return make


def attribute_of(thing):
    thing.rate = 1.0
    return (lambda x: x * thing.rate), functools.partial(setattr, thing, "rate")


def item_of(thing):
    return (lambda x: x * thing["rate"]), lambda value: thing.__setitem__("rate", value)


def first_of(thing):
    return (lambda x: x * thing[0]), lambda value: thing.__setitem__(0, type(thing[0])(value))


class Plain:
    pass


class Slotted:
    __slots__ = ("rate",)


class Derived(Slotted):
    pass


class Numbers(list):
    pass


class Box(dict):
    __getattr__ = dict.__getitem__  # whose KeyError is no AttributeError


for name, thing in {
    "object": Plain(), "slots": Slotted(), "derived_from_slots": Derived(), "simple_namespace": types.SimpleNamespace(),
    "parsed_arguments": argparse.Namespace(), "thread_local": threading.local(), "derived_from_list": Numbers(),
    "derived_from_array": np.ones(1).view(type("Labelled", (np.ndarray,), {})), "function": lambda: None, "class": Plain,
}.items():  # fmt: skip
    KINDS[name] = functools.partial(attribute_of, thing)
for name, thing in {
    "dict": {"rate": 1.0}, "default_dict": collections.defaultdict(float, rate=1.0), "counter": collections.Counter(rate=1),
    "ordered_dict": collections.OrderedDict(rate=1.0), "chain_map": collections.ChainMap({"rate": 1.0}),
    "user_dict": collections.UserDict(rate=1.0), "derived_from_dict": Box(rate=1.0),
}.items():  # fmt: skip
    KINDS[name] = functools.partial(item_of, thing)
for name, thing in {
    "list": [1.0], "deque": collections.deque([1.0]), "array": array.array("d", [1.0]), "bytes": bytearray([1]),
    "memory": memoryview(np.ones(1)), "numbers": np.ones(1), "derived_list_items": Numbers([1.0]),
}.items():  # fmt: skip
    KINDS[name] = functools.partial(first_of, thing)


@kind
def data_class_with_slots():
    @dataclasses.dataclass(slots=True)
    class Settings:
        rate: float = 1.0

    return attribute_of(Settings())


@kind
def elements_of_a_set():
    numbers = {1.0}

    def put(value):
        numbers.clear()
        numbers.add(value)

    return (lambda x: x * sum(numbers)), put


@kind
def items_that_are_nested():
    thing = Plain()
    thing.pair = ([1.0],)
    return (lambda x: x * thing.pair[0][0]), lambda value: thing.pair[0].__setitem__(0, value)


@kind
def a_setting_of_the_class_that_an_object_overrides():
    class Model:
        rate = 1.0

    model = Model()
    return (lambda x: x * model.rate), lambda value: setattr(model, "rate", value)


@kind
def a_method_that_an_object_overrides():
    class Model:
        def act(self, x):
            return x * 1.0

    model = Model()
    return (lambda x: model.act(x)), lambda value: setattr(model, "act", lambda x: x * value)


@kind
def attributes_by_name():
    thing = Plain()
    thing.rate = 1.0
    return (lambda x: x * getattr(thing, "ra" + "te")), lambda value: setattr(thing, "rate", value)


@kind
def attributes_that_a_property_reads():
    class Model:
        hidden = 1.0

        @property
        def rate(self):
            return self.hidden

    model = Model()
    model.hidden = 1.0
    return (lambda x: x * model.rate), lambda value: setattr(model, "hidden", value)


def modules(name):
    module = types.ModuleType(f"settings_{name}")
    module.inner = types.ModuleType(f"settings_{name}.inner")
    module.rate = module.inner.rate = 1.0
    sys.modules[module.__name__] = module
    return module


@kind
def a_module_in_a_closure():
    return attribute_of(modules("closure"))


@kind
def a_module_in_a_module():
    module = modules("nested")
    around = {"module": module}
    exec("def f(x): return x * module.inner.rate", around)
    return around["f"], lambda value: setattr(module.inner, "rate", value)


@kind
def a_module_imported_by_the_function():
    module = modules("imported")

    def f(x):
        import settings_imported

        return x * settings_imported.rate

    return f, lambda value: setattr(module, "rate", value)


@kind
def a_name_imported_by_the_function():
    module = modules("named")

    def f(x):
        from settings_named import rate

        return x * rate

    return f, lambda value: setattr(module, "rate", value)


@kind
def globals_by_name():
    globals()["RATE"] = 1.0
    return (lambda x: x * globals()["RATE"]), lambda value: globals().update(RATE=value)


@kind
def context_variables():
    rate = contextvars.ContextVar("rate", default=1.0)
    return (lambda x: x * rate.get()), rate.set


@kind
def weak_references():
    thing = Plain()
    _, put = attribute_of(thing)
    reference = weakref.ref(thing)
    return (lambda x: x * reference().rate), put


@kind
def the_environment():
    os.environ["CHAINRULE_TEST_RATE"] = "1"
    return (
        lambda x: x * float(os.environ["CHAINRULE_TEST_RATE"]),
        lambda value: os.environ.update(CHAINRULE_TEST_RATE=str(value)),
    )


@kind
def what_a_cached_function_reads():
    settings = {"rate": 1.0}

    @functools.lru_cache
    def rate():
        return settings["rate"]

    def put(value):
        settings["rate"] = value
        rate.cache_clear()

    return (lambda x: x * rate()), put


@kind
def queues():
    waiting: queue.Queue = queue.Queue()
    waiting.put(1.0)

    def put(value):
        waiting.get()
        waiting.put(value)

    return (lambda x: x * waiting.queue[0]), put


@kind
def events():
    first, second = threading.Event(), threading.Event()

    def put(value):
        for event, wanted in ((first, value > 1), (second, value > 2)):
            event.set() if wanted else event.clear()

    return (lambda x: x * (1.0 + first.is_set() + second.is_set())), put


@kind
def defaults_that_are_replaced():
    def scaled(x, rate=1.0):
        return x * rate

    return scaled, lambda value: setattr(scaled, "__defaults__", (value,))


@kind
def defaults_of_keywords():
    def scaled(x, *, rate=1.0):
        return x * rate

    return (lambda x: scaled(x)), lambda value: scaled.__kwdefaults__.update(rate=value)


@kind
def defaults_of_keywords_that_are_replaced():
    def scaled(x, *, rate=1.0):
        return x * rate

    return (lambda x: scaled(x)), lambda value: setattr(scaled, "__kwdefaults__", {"rate": value})


@kind
def sparse_matrices():
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    return (lambda x: x * matrix.toarray()[0, 0]), lambda value: matrix.data.fill(value)


@kind
def table():
    pandas = pytest.importorskip("pandas")
    thing = pandas.DataFrame({"rate": [1.0, 5.0], "name": ["a", "b"]})
    return (lambda x: x * thing["rate"][0]), lambda value: thing.__setitem__("rate", [value, 5.0])


@kind
def order_of_a_dict():
    rates = {"first": 1.0}

    def put(value):
        rates["other"] = value
        rates["first"] = rates.pop("first")  # the last one now

    return (lambda x: x * next(iter(rates.values()))), put


@kind
def views_of_dicts():
    settings = {"rate": 1.0}
    seen = types.MappingProxyType(settings)
    return (lambda x: x * seen["rate"]), lambda value: settings.update(rate=value)


@kind
def keywords_of_partials():
    scaled = functools.partial(lambda x, rate: x * rate, rate=1.0)
    return (lambda x: scaled(x)), lambda value: scaled.keywords.update(rate=value)


@kind
def lists_in_lists():
    inmost = [1.0]
    nested = functools.reduce(lambda inner, _: [inner], range(20), inmost)

    def put(value):
        inmost[0] = value

    return (lambda x: x * functools.reduce(lambda outer, _: outer[0], range(21), nested)), put


@kind
def properties_of_metaclasses():
    class Meta(type):
        @property
        def rate(cls):
            return cls._rate

    class Settings(metaclass=Meta):
        _rate = 1.0

    return (lambda x: x * Settings.rate), lambda value: setattr(Settings, "_rate", value)


EVALUATED = 1.0


@kind
def names_in_strings():
    return (lambda x: x * eval("1 * EVALUATED")), lambda value: globals().update(EVALUATED=value)


def test_the_sign_of_zero_is_seen():
    settings = types.SimpleNamespace(side=0.0)
    g = cr.compile(lambda x: x / np.copysign(1.0, settings.side))
    for side in (0.0, -0.0, 0.0, float("nan"), float("nan")):
        settings.side = side
        for _ in range(2):
            np.testing.assert_array_equal(g(X), -X if str(side) == "-0.0" else X)
    assert len(g.variants) == 3


def test_lists_without_end_are_refused():
    nested = functools.reduce(lambda inner, _: [inner], range(100), [1.0])
    with pytest.raises(CompileError, match="a list, whose state the compiler cannot follow"):
        cr.compile(lambda x: x * len(nested))(X)


@pytest.mark.parametrize("name", KINDS)
def test_a_change_is_seen(name):
    f, put = KINDS[name]()
    g = cr.compile(f)
    for value in (None, 2.0, 3.0, 2.0):
        if value is not None:
            put(value)
        for _ in range(2):
            np.testing.assert_array_equal(g(X), X * (value or 1.0))
    assert len(g.variants) <= 4


class Agent:
    """Keeps account of what it does, outside of its compiled method."""

    def __init__(self):
        self.w, self.count, self.losses, self.memory = cr.tensor(np.ones(2)), 0, [], collections.deque(maxlen=3)
        self.scale, self.file = 1.0, iter([])

    def remember(self, loss):
        self.count += 1
        self.losses.append(float(loss))
        self.memory.append(loss)

    def learn(self, x):
        return (self.w * x).sum() * self.factor()

    def factor(self):
        return self.scale


class Trainer(nn.Module):
    """The same as a Module."""

    def __init__(self):
        super().__init__()
        self.w, self.count, self.scale = nn.Parameter(np.ones(2)), 0, 1.0

    def remember(self, loss):
        self.count += 1

    def learn(self, x):
        return (self.w * x).sum().detach() * self.scale


@pytest.mark.parametrize("make", [Agent, Trainer])
def test_attributes_that_its_code_does_not_name_do_not_matter(make):
    agent = make()
    learn = cr.compile(agent.learn)
    for i in range(5):
        loss = learn(X * i)
        assert float(loss) == 2 * i
        agent.remember(loss)
    assert len(learn.variants) == 1
    agent.scale = 3.0
    assert float(learn(X)) == 6.0
    assert len(learn.variants) == 2


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_large_arrays_that_numpy_computes_with(order):
    large = np.ones((300, 600))[:, ::2] if order == "strided" else np.ones((300, 300), order=order)
    g = cr.compile(cr.grad(lambda x: (x[0] * large).sum()))
    for value in (1.0, 2.0, 3.0):
        large[:] = value
        for _ in range(2):
            np.testing.assert_allclose(g(X), [90_000 * value, 0])


def test_tables_that_are_too_large_and_matrices_in_dicts_are_refused():
    class Table:
        def __init__(self, size):
            self.numbers = np.ones(size)

        def __array__(self, dtype=None, copy=None):
            return self.numbers

        def __getitem__(self, i):
            return float(self.numbers[i])

    large, small, sparse = Table(100_000), Table(3), scipy.sparse.dok_array(np.eye(2))
    for f in (lambda x: x * large[0], lambda x: x * sparse[0, 0]):
        with pytest.raises(cr.errors.CompileError, match=r"cannot follow[\s\S]*help:"):
            cr.compile(f)(X)
    g = cr.compile(lambda x: x * small[0])
    np.testing.assert_array_equal(g(X), X)
    small.numbers[0] = 3.0
    np.testing.assert_array_equal(g(X), 3 * X)
    small.unit = 1.0
    h = cr.compile(lambda x: x * small[0] * small.unit)
    np.testing.assert_array_equal(h(X), 3 * X)
    small.unit = 2.0  # what stands in it is not all that a user's class may hold
    np.testing.assert_array_equal(h(X), 6 * X)


def test_classes_of_programs_that_have_no_name():
    """`exec` in an empty namespace makes classes whose module is said to be `builtins`."""
    space: dict = {}
    exec("class Settings: pass\nsettings = Settings(); settings.scale = 2.0\ndef f(x): return x * settings.scale", space)
    f = cr.compile(space["f"])
    assert f(np.ones(1)) == 2
    space["settings"].scale = 3.0
    assert f(np.ones(1)) == 3
