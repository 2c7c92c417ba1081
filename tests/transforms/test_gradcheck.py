"""`gradcheck`: what it compares, and what it sees."""

import numpy as np
import pytest
from custom_rules import by_both

import chainrule as cr

close = np.testing.assert_allclose

X = np.random.default_rng(0).uniform(0.5, 1.5, 3)


def test_gradcheck_compares_the_two_rules():
    g = by_both()
    g.defvjp(lambda x, y: (cr.sin(x) * y, (x, y)), lambda r, g: (g * 1.01 * cr.cos(r[0]) * r[1], g * cr.sin(r[0])))
    with pytest.raises(cr.GradcheckError, match="transpose"):
        cr.gradcheck(g, (X, X))
    g = by_both()
    g.defjvp(lambda p, t: (cr.sin(p[0]) * p[1], t[0] * cr.cos(p[0]) * p[1]))
    with pytest.raises(cr.GradcheckError, match="forward mode"):
        cr.gradcheck(g, (X, X))
    assert not cr.gradcheck(g, (X, X), raise_exception=False)


def test_gradcheck_uses_complex_step_where_it_can():
    from chainrule.gradcheck import slope

    s = slope(lambda v: [np.exp(v[0]) * np.sin(v[0])], [np.array(0.7)], [np.array(1.0)])
    assert s.method == "complex"
    close(s.value[0], np.exp(0.7) * (np.sin(0.7) + np.cos(0.7)), rtol=1e-14)
    s = slope(lambda v: [np.abs(v[0]) ** 1.5], [np.array(0.7)], [np.array(1.0)])
    assert s.method == "richardson"
    close(s.value[0], 1.5 * 0.7**0.5, rtol=1e-9)


def test_gradcheck_accepts_trees_complex_and_float32():
    assert cr.gradcheck(lambda d: {"y": d["a"] * cr.sin(d["b"])}, ({"a": X, "b": X},), order=2)
    assert cr.gradcheck(lambda z: cr.real(z * z * cr.conj(z)), (X + 1j * X[::-1],))
    assert cr.gradcheck(lambda x: cr.tanh(x).sum(), (X.astype(np.float32),))
    with pytest.raises(cr.errors.NonDifferentiableError, match="int64"):
        cr.gradcheck(cr.sin, (np.arange(3),))


def test_gradcheck_sees_a_rule_that_is_wrong_in_the_cotangent():
    @cr.custom_vjp
    def same(x):
        return x

    same.defvjp(lambda x: (x, None), lambda _, g: (g * 1.001,))

    @cr.custom_vjp
    def twice(x):
        return 2.0 * x

    twice.defvjp(lambda x: (2.0 * x, None), lambda _, g: (2.0 * same(g),))
    point = (np.array([1.0, 2.0]),)
    assert cr.gradcheck(twice, point, modes=("reverse",))
    with pytest.raises(cr.GradcheckError, match="derivative of the gradient"):
        cr.gradcheck(twice, point, order=2, modes=("reverse",))
