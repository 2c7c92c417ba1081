"""Which globals a compiled function is taken to use."""

import numpy as np
import pytest

import chainrule as cr

generator = np.random.default_rng(0)
factor = 2.0


class Holder:
    generator = 3.0


def test_an_attribute_is_no_global_of_the_same_name():
    holder = Holder()
    assert cr.compile(lambda x: x * holder.generator)(np.ones(2)).tolist() == [3, 3]


def test_globals_of_inner_functions_count(monkeypatch):
    def f(x):
        def inner(y):
            return y * factor

        return inner(x)

    compiled = cr.compile(f)
    assert compiled(np.ones(1)).tolist() == [2]
    monkeypatch.setitem(globals(), "factor", 5.0)
    assert compiled(np.ones(1)).tolist() == [5]
    with pytest.raises(cr.errors.CompileError, match="generator"):
        cr.compile(lambda x: next(x + generator.normal() for _ in range(1)))(np.ones(2))


def draw(x):
    return x + np.random.normal()


def double(x):
    return 2 * x


TABLE = {"draw": draw, "double": double}
LIST = [np.random.default_rng(0), 3.0]


def test_what_else_stands_in_a_table_may_draw_random_numbers():
    compiled = cr.compile(lambda x, name: TABLE[name](x))
    for _ in range(2):
        assert compiled(np.ones(2), "double").tolist() == [2, 2]
    with pytest.raises(cr.errors.CompileError, match="draws random numbers"):
        compiled(np.ones(2), "draw")
    assert cr.compile(lambda x: x * LIST[1])(np.ones(1)).tolist() == [3]
    with pytest.raises(cr.errors.CompileError, match="cannot follow"):
        cr.compile(lambda x: x * LIST[0].normal())(np.ones(1))
