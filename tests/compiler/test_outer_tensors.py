"""Compiled functions beneath transforms: what they compute of Tensors from outside follows these, and what they leave behind
is what the function itself would leave."""

import copy
import types

import numpy as np
import pytest
from agreement import close, state_of

import chainrule as cr
from chainrule import nn
from chainrule.errors import LeakedTensorError, LostDerivativeError

TABLE = np.arange(3.0)


@cr.custom_vjp
def cubed(q):
    return q**3


cubed.defvjp(lambda q: (q**3, q), lambda q, g: (5 * q * g,))


def filled(w, x):
    t = cr.zeros(3)
    t += w
    t[0] = 2.0
    return t.sum() * x


def without_gradient(w, x):
    with cr.no_grad():
        total = w.sum()
    return total * x


def caught(w, x):
    try:
        return float(w[0]) * x
    except TypeError:
        return -x


READS = {
    "sum": lambda w, x: w.sum() * x,
    "numpy": lambda w, x: np.sin(w).sum() * x,
    "detach": lambda w, x: cr.sum(w.detach() * x),
    "data": lambda w, x: cr.sum(w.data * x),
    "clone": lambda w, x: w.clone().sum() * x,
    "copy": lambda w, x: copy.deepcopy(w).sum() * x,
    "parameter": lambda w, x: nn.Parameter(w).sum() * x,
    "view": lambda w, x: w[1:].sum() * x,
    "mask": lambda w, x: w[w > 2].sum() * x,
    "stacked": lambda w, x: cr.tensor([w[0], 1.0]).sum() * x,
    "iterated": lambda w, x: sum(v for v in w) * x,
    "float": lambda w, x: float(w[0]) * x,
    "item": lambda w, x: w[0].item() * x,
    "array": lambda w, x: np.asarray(w.detach()).sum() * x,
    "list": lambda w, x: w.tolist()[0] * x,
    "caught": caught,
    "branch": lambda w, x: 2 * x if w[0] > 3 else x,
    "equal": lambda w, x: x if w.sum() == 6.0 else 3 * x,
    "range": lambda w, x: sum(x for _ in range(int(w[0]))),
    "table": lambda w, x: TABLE[cr.argsort(-w)][0] * x + x,
    "loop": lambda w, x: cr.fori_loop(0, 3, lambda i, c: c * w.sum(), x),
    "scan": lambda w, x: cr.scan(lambda c, v: (c + v, c), 0.0, w)[0] * x,
    "cond": lambda w, x: cr.cond(w[0] > 3, lambda q: q * 2, lambda q: q, x),
    "gradient": lambda w, x: cr.grad(lambda q: cr.sum(q * q))(w).sum() * x,
    "mapped": lambda w, x: cr.vmap(lambda q: q * q)(w).sum() * x,
    "compiled": lambda w, x: cr.compile(lambda q: q * 2)(w).sum() * x,
    "checkpoint": lambda w, x: cr.checkpoint(lambda q: q * 2)(w).sum() * x,
    "rule": lambda w, x: cubed(w).sum() * x,
    "random": lambda w, x: (cr.random.normal(size=3) * w).sum() * x,
    "filled": filled,
    "no_grad": without_gradient,
}
WAYS = {
    "grad": lambda f: cr.grad(f)(2.0),
    "jvp": lambda f: cr.jvp(f, (2.0,), (1.0,)),
    "vmap": lambda f: cr.vmap(f)(np.array([1.0, 2.0])),
    "hessian": lambda f: cr.hessian(lambda x: f(x) ** 2)(2.0),
}
AS_ARRAYS = ("float", "item", "array", "list", "caught")  # of level 0: refused where a whole program is recorded


@pytest.mark.filterwarnings("ignore::chainrule.errors.ZeroGradientWarning")
@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("way", [*WAYS, "call"])
@pytest.mark.parametrize("name", READS)
def test_tensors_from_outside_that_change(name, way, requires_grad):
    if way == "call" and name in (*AS_ARRAYS, "parameter"):  # a leaf that only the function knows
        return

    def history(compile):
        w = cr.tensor([1.0, 2.0, 3.0], requires_grad=requires_grad)
        cr.manual_seed(3)
        f = compile(lambda x: READS[name](w, x))
        run = WAYS.get(way, lambda f: f(np.array(2.0)))
        for k in range(4):
            if k == 2:
                with cr.no_grad():
                    w[0] = 4.0
            if k == 3:
                w.data = cr.tensor([5.0, 1.0, 1.0])
            yield state_of(run(f))

    for k, (found, expected) in enumerate(zip(*(list(history(c)) for c in (cr.compile, lambda f: f)), strict=True)):
        close(found, expected, f"call {k}")


def test_what_is_left_behind_belongs_to_no_transform():
    def history(compile):
        place = types.SimpleNamespace(w=cr.tensor(1.0), d={}, log=[])

        def f(x, y, t):
            place.w = cr.tanh(place.w + y.sum())
            place.d["y"] = y * 2
            place.log.append(y.sum())
            t += y
            return cr.sum(x * place.w * t)

        f, y, t = compile(f), np.ones(2), cr.tensor([1.0, 2.0])
        for transform in (cr.grad, lambda f: lambda x, *rest: cr.jvp(lambda q: f(q, *rest), (x,), (x,)), cr.grad):
            result = transform(f)(y, y, t)
            yield state_of([result, t, place.w, place.d, place.log])
        yield state_of([cr.vmap(f, in_axes=(0, None, None))(np.ones((3, 2)), y, t), t, place.w, place.d, place.log])

    for found, expected in zip(*(list(history(c)) for c in (cr.compile, lambda f: f)), strict=True):
        close(found, expected)


def test_tensors_that_are_assigned_to_beneath_transforms():
    @cr.compile
    def f(x, t):
        t += 1
        return cr.sum(x * t), t.sum() * 2

    t = cr.tensor([1.0, 2.0])
    gradient, twice = cr.grad(f, has_aux=True)(np.ones(2), t)
    close(gradient, np.array([2.0, 3.0]))
    assert float(twice) == 10 and t.tolist() == [2.0, 3.0]
    close(cr.vmap(f, in_axes=(0, None))(np.ones((2, 2)), t)[0], np.array([7.0, 7.0]))
    assert t.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("both", [False, True])
def test_tangents_pass_no_grad(both):
    """As in eager code, where only tapes do not record."""

    def f(x):
        with cr.no_grad():
            v = x * x
        return cr.sum(v * x)

    def steps(x):
        return cr.fori_loop(0, 2, lambda i, c: c + f(x * c), 1.0)

    x = np.array([1.0, 2.0])
    for g in (f, steps):
        compiled = (lambda g: cr.compile(cr.compile(g))) if both else cr.compile
        for transform in (cr.grad, cr.hessian, cr.jacrev, lambda g: lambda x: cr.jvp(g, (x,), (x,))):
            close(transform(compiled(g))(x), transform(g)(x))
            close(cr.compile(transform(g))(x), transform(g)(x))


def test_results_that_need_no_gradient():
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    f = cr.compile(lambda x: [cubed(w) * x, x * 2, cr.zeros_like(w)])
    for _ in range(3):
        assert [r.requires_grad for r in f(cr.tensor([1.0, 2.0]))] == [True, False, False]


def test_numbers_among_the_results():
    f = cr.compile(lambda x: {"y": cr.sum(x * x), "n": 2, "z": (1.5, len(x))})
    for _ in range(2):
        out, aux = cr.vjp(lambda x: (lambda r: (r["y"], r))(f(x)), np.ones(2), has_aux=True)[::2]
        assert float(out) == 2.0 and type(aux["n"]) is int and aux["z"] == (1.5, 2) and type(aux["z"][0]) is float


def masked(x, t):
    t[x > 1.5] = 0.0
    return cr.sum(x * t)


def stopped(x, t):
    np.add(cr.stop_gradient(x), 1.0, out=t)
    return cr.sum(x * t)


def followed(x, t):
    t += x
    return cr.sum(x * t)


def pushed(f):
    return lambda x, t: cr.jvp(lambda q: f(q, t), (x,), (np.ones(3),))


def mapped(f):
    return lambda x, t: cr.vmap(f, (0, None))(x[None], t)


@pytest.mark.parametrize("transform", [cr.grad, pushed, cr.hessian])
@pytest.mark.parametrize("kind", [np.array, cr.tensor])
@pytest.mark.parametrize("f", [masked, stopped])
def test_what_has_no_derivative_is_assigned_inside_of_a_transform(f, kind, transform):
    def history(compile):
        g, t, x = compile(transform(f)), kind([3.0, 6.0, 9.0]), np.arange(1.0, 4.0)
        for _ in range(3):
            yield state_of([g(x, t), t])

    for found, expected in zip(*(list(history(c)) for c in (cr.compile, lambda f: f)), strict=True):
        close(found, expected)


@pytest.mark.parametrize("transform", [cr.grad, pushed, cr.hessian, mapped])
def test_what_has_one_does_not_get_out(transform):
    x = np.ones(3)
    for wrap in (lambda f: f, cr.compile):
        with pytest.raises(LostDerivativeError, match=r"is a plain array|, an array, what carries a derivative"):
            wrap(transform(followed))(x, np.ones(3))
        t = cr.tensor(np.ones(3))
        with pytest.raises(LeakedTensorError):
            wrap(transform(followed))(x, t)
            t + 1
