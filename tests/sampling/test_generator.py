"""One stream, whatever runs it: eager, recorded, compiled, mapped, in another process; and the signatures are NumPy's."""

import copy
import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import chainrule as cr

DRAWS = {
    "random": lambda g: g.random((2, 3)),
    "normal": lambda g: g.normal(1.0, 2.0, 3),
    "gamma": lambda g: g.gamma(1.5, size=4),
    "vonmises": lambda g: g.vonmises(0.5, 2.0, 4),
    "wald": lambda g: g.wald(0.5, 2.0, 4),
    "beta": lambda g: g.beta(1.5, 0.5, 4),
    "dirichlet": lambda g: g.dirichlet([1.5, 0.5], 2),
    "integers": lambda g: g.integers(-3, 1000, (2, 2)),
    "poisson": lambda g: g.poisson([3.0, 40.0]),
    "multinomial": lambda g: g.multinomial(5, [0.2, 0.8], 3),
    "choice": lambda g: g.choice(np.arange(5.0), 3, p=np.ones(5) / 5),
    "choice without replacement": lambda g: g.choice(5, 3, replace=False, p=[0.1, 0.2, 0.3, 0.3, 0.1]),
    "permuted": lambda g: g.permuted(np.arange(6.0).reshape(2, 3), axis=1),
    "categorical": lambda g: g.categorical(np.zeros(4), 3),
    "standard_cauchy": lambda g: g.standard_cauchy(),
}


def several(g):
    return [draw(g) for draw in DRAWS.values()]


def plain(xs):
    return [np.asarray(x.detach() if isinstance(x, cr.Tensor) else x) for x in xs]


def same(found, expected):
    for a, b in zip(plain(found), plain(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-13)


# --- the same numbers -------------------------------------------------------------------------------------------------


def test_recorded_and_compiled_programs_draw_what_eager_ones_do():
    def program(x):
        return [x + d for d in several(cr.random.default_generator)]

    cr.manual_seed(1)
    expected = [plain(program(2.0)) for _ in range(3)]
    end = cr.get_rng_state()
    for make in (lambda f: cr.graph(f)(np.array(2.0)), cr.compile):
        f = make(program)
        cr.manual_seed(1)
        for now in expected:
            same(f(np.array(2.0)), now)
        np.testing.assert_array_equal(cr.get_rng_state(), end)


def test_other_processes_draw_the_same():
    code = "import chainrule as cr; print(cr.random.default_rng([3, 4]).gamma(1.5, size=3).tolist())"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)
    }
    assert outputs == {f"{cr.random.default_rng([3, 4]).gamma(1.5, size=3).tolist()}\n"}


def test_the_stream_is_pinned():
    """These numbers may not change from one release to the next without a note in the decisions."""
    g = cr.random.default_rng(12345)
    np.testing.assert_array_equal(plain([g.bits((2,))])[0], np.random.Philox(key=_key(12345)).random_raw(2))
    assert plain([g.integers(0, 1000, 4)])[0].tolist() == PINNED_INTEGERS
    np.testing.assert_allclose(plain([g.normal(size=2)])[0], PINNED_NORMALS, rtol=1e-12)


def _key(seed):
    return np.random.SeedSequence(seed).generate_state(2, np.uint64)


PINNED_INTEGERS = [703, 204, 2, 298]
PINNED_NORMALS = [0.0032637659658746126, -0.80342007258399]


@pytest.mark.parametrize("again", [lambda g: pickle.loads(pickle.dumps(g)), copy.deepcopy, copy.copy])
def test_copies_go_on_where_the_generator_is(again):
    g = cr.random.default_rng(3)
    g.normal(size=5)
    other = again(g)
    same([g.random(3)], [other.random(3)])


def test_states_and_seeds():
    g = cr.random.default_rng(3)
    before = g.get_state()
    first = g.random(3)
    g.set_state(before)
    same([g.random(3)], [first])
    same([g.manual_seed(3).random(3)], [first])
    same([cr.random.default_rng(np.random.SeedSequence(3)).random(3)], [first])
    assert cr.random.default_rng(g) is g
    assert (cr.random.default_rng().random() != cr.random.default_rng().random()).item()
    children = cr.random.default_rng(3).spawn(2)
    assert len({float(c.random()) for c in (*children, cr.random.default_rng(3))}) == 3
    same([c.random() for c in cr.random.default_rng(3).spawn(2)], [c.random() for c in cr.random.default_rng(3).spawn(2)])


# --- under vmap -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAWS)
def test_vmap_draws_for_each_entry_or_for_all(name):
    draw = DRAWS[name]
    g = cr.random.default_rng(5)
    found = np.asarray(cr.vmap(lambda x: draw(g) + x)(np.zeros(200)))
    assert found.shape[0] == 200 and len(np.unique(found.reshape(200, -1), axis=0)) > 3
    g = cr.random.default_rng(5)
    shared = np.asarray(cr.vmap(lambda x: draw(g) + x, randomness="same")(np.zeros(3)))
    np.testing.assert_allclose(shared, np.stack([np.asarray(draw(cr.random.default_rng(5)))] * 3))


def test_entries_take_parts_of_one_draw():
    first, second = cr.random.default_rng(5), cr.random.default_rng(5)
    same(cr.vmap(lambda x: (first.normal(size=2), first.random()))(np.zeros(3)), _whole(second, 3))
    np.testing.assert_array_equal(first.get_state(), second.get_state())
    same([cr.vmap(cr.vmap(lambda x: first.random(4)))(np.zeros((2, 3)))], [second.random((2, 3, 4))])
    outer_same = cr.vmap(cr.vmap(lambda x: first.random(4)), randomness="same")(np.zeros((2, 3)))
    same([outer_same], [np.stack([np.asarray(second.random((3, 4)))] * 2)])


def _whole(g, n):
    """Normal numbers in pairs of the method of Box and Muller, within each entry."""
    u = np.asarray(g.random((n, 2, 1)))
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, 0])), 2 * np.pi * u[:, 1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1), g.random(n)


def test_vmap_of_loops_and_branches():
    def walk(x):
        return cr.scan(lambda c, _: (c + cr.randn(), cr.rand(2)), x, length=3)

    def eager(x):
        rows = []
        for _ in range(3):
            x = x + cr.randn()
            rows.append(cr.rand(2))
        return x, cr.stack(rows)

    results = []
    for f in (eager, walk):
        for make in (lambda f: f, lambda f: cr.graph(f)(np.zeros(4)), cr.compile):
            mapped = make(cr.vmap(f))
            cr.manual_seed(2)
            results.append([plain(mapped(np.zeros(4))) for _ in range(2)])
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            same(a, b)


def test_entries_that_take_different_branches():
    def f(x):
        return cr.cond(x > 0, lambda: cr.rand(5).sum(), lambda: cr.rand() * 0)

    cr.manual_seed(2)
    state = cr.get_rng_state()
    cr.vmap(f)(np.array([-1.0, 1.0, 1.0]))
    assert cr.get_rng_state()[2] >= state[2] + 4  # no later draw repeats what an entry has had


def test_randomness_can_be_forbidden():
    with pytest.raises(cr.errors.ArgumentError, match="randomness='different'"):
        cr.vmap(lambda x: x + cr.rand(), randomness="error")(np.zeros(2))
    with pytest.raises(cr.errors.ArgumentError, match="unknown randomness"):
        cr.vmap(lambda x: x, randomness="some")


def test_columns_of_a_jacobian_are_of_one_function():
    x = np.arange(1.0, 4.0)

    def f(x):
        return cr.random.default_rng(1).normal(size=(2, 3)) @ cr.sin(x)

    w = np.asarray(cr.random.default_rng(1).normal(size=(2, 3)))
    for jacobian in (cr.jacfwd, cr.jacrev):
        np.testing.assert_allclose(jacobian(f)(x), w * np.cos(x))
        np.testing.assert_allclose(jacobian(lambda x: f(x) + cr.rand())(x), w * np.cos(x))
        g = cr.random.default_rng(1)
        np.testing.assert_allclose(jacobian(cr.checkpoint(lambda x, g=g: g.normal(size=(2, 3)) @ cr.sin(x)))(x), w * np.cos(x))


def test_mapped_gradients_of_checkpointed_functions():
    def noisy(w, g):
        return cr.checkpoint(lambda w: (w * g.normal(size=3)).sum())(w)

    ws = np.ones((4, 3))
    a, b = cr.random.default_rng(2), cr.random.default_rng(2)
    found = cr.vmap(cr.grad(lambda w: noisy(w, a)))(ws)
    expected = cr.vmap(lambda w: b.normal(size=3) + 0 * w)(ws)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected))
    same([a.random()], [b.random()])


def test_mapped_pullbacks_of_a_checkpoint_see_the_draws_of_its_first_run():
    g = cr.random.default_rng(2)
    _, pull = cr.vjp(cr.checkpoint(lambda x: x * g.random(3)), np.ones(3))
    found = np.asarray(cr.vmap(pull)(np.eye(3))[0])
    np.testing.assert_allclose(found, np.diag(np.asarray(cr.random.default_rng(2).random(3))))


def test_checkpoint_of_what_an_inner_vmap_owns():
    xs = np.arange(1.0, 4.0)
    assert cr.grad(lambda w: cr.vmap(lambda x: cr.checkpoint(lambda w: w * x)(w))(xs).sum())(2.0) == 6
    g, h = cr.random.default_rng(0), cr.random.default_rng(0)
    found = cr.grad(lambda w: cr.vmap(lambda x: cr.checkpoint(lambda w: w * g.random())(w) * x)(xs).sum())(2.0)
    np.testing.assert_allclose(np.asarray(found), np.asarray((h.random(3) * xs).sum()))


def test_functions_with_derivatives_of_their_own():
    @cr.custom_vjp
    def noisy(x):
        return x + cr.rand()

    noisy.defvjp(lambda x: (x + cr.rand(), None), lambda _, g: (2 * g,))
    cr.manual_seed(0)
    direct = cr.vmap(noisy)(np.zeros(3))
    nested = cr.vmap(cr.vmap(noisy))(np.zeros((2, 3)))
    cr.manual_seed(0)
    same([direct, nested], [cr.rand(3), cr.rand(2, 3)])
    cr.manual_seed(0)
    values, slopes = cr.vmap(cr.value_and_grad(noisy))(np.zeros(3))
    cr.manual_seed(0)
    same([values], [cr.rand(3)])
    np.testing.assert_array_equal(np.asarray(slopes), [2, 2, 2])


def test_own_generators_in_loops_that_are_written_down():
    def f(x, g):
        return cr.scan(lambda c, _: (c + g.random(), None), x, length=3)[0]

    g, h = cr.random.default_rng(7), cr.random.default_rng(7)
    program = cr.graph(lambda x: f(x, g))(np.zeros(2))
    g.manual_seed(7)
    same(list(program(np.zeros(2))), list(f(np.zeros(2), h)))
    same([g.random()], [h.random()])


# --- choices ----------------------------------------------------------------------------------------------------------


def test_permutations():
    g = cr.random.default_rng(0)
    x = np.arange(12.0).reshape(3, 4)
    assert sorted(g.permutation(7).tolist()) == list(range(7))
    rows = np.asarray(g.permutation(x))
    assert sorted(rows.tolist()) == x.tolist()
    columns = np.asarray(g.permutation(x, axis=1))
    assert sorted(columns.T.tolist()) == x.T.tolist()
    mixed = np.asarray(g.permuted(np.tile(np.arange(50), (3, 1)), axis=1))
    assert (np.sort(mixed, 1) == np.arange(50)).all() and len(np.unique(mixed, axis=0)) == 3
    assert sorted(np.asarray(g.permuted(x)).ravel()) == x.ravel().tolist()
    out = np.empty_like(x)
    assert g.permuted(x, axis=0, out=out) is out and (np.sort(out, 0) == x).all()


def test_shuffles_in_place():
    g = cr.random.default_rng(0)
    array, tensor, things = np.arange(20), cr.tensor(np.arange(20.0)), list("abcdefgh")
    for x in (array, tensor, things):
        before = list(np.asarray(x))
        assert g.shuffle(x) is None
        assert sorted(np.asarray(x).tolist()) == sorted(before) and list(np.asarray(x)) != before
    x = cr.tensor(np.arange(6.0), requires_grad=True) * 1
    y = x * 2
    g.shuffle(x)
    assert sorted((x * 2).tolist()) == sorted(y.tolist())


def test_derivatives_flow_through_what_is_chosen():
    x = np.arange(1.0, 6.0)

    def f(x):
        return (cr.random.default_rng(3).choice(x, 4) ** 2).sum()

    chosen = np.asarray(cr.random.default_rng(3).choice(5, 4))
    np.testing.assert_allclose(cr.grad(f)(x), np.bincount(chosen, minlength=5) * 2 * x)
    np.testing.assert_allclose(cr.grad(lambda x: (cr.random.default_rng(3).permutation(x) * x).sum())(x).sum(), 2 * x.sum())


def test_choice_without_replacement_is_sequential():
    """Of three with probabilities 0.6, 0.3, 0.1: each pair as often as drawing one after the other gives it."""
    p = np.array([0.6, 0.3, 0.1])
    g = cr.random.default_rng(1)
    pairs = np.asarray(cr.vmap(lambda _: g.choice(3, 2, replace=False, p=p))(np.zeros(20_000)))
    for i in range(3):
        for j in range(3):
            expected = 0 if i == j else p[i] * p[j] / (1 - p[i])
            assert abs(((pairs[:, 0] == i) & (pairs[:, 1] == j)).mean() - expected) < 0.012
    assert g.choice(np.ones((2, 5, 3)), (4, 2), axis=1).shape == (2, 4, 2, 3)
    assert np.asarray(g.choice(3, 50, p=[0.0, 1.0, 0.0])).tolist() == [1] * 50
    assert g.choice(0, 0).shape == (0,)


def test_bytes():
    g = cr.random.default_rng(0)
    assert [len(g.bytes(n)) for n in (0, 1, 8, 9)] == [0, 1, 8, 9]
    assert g.bytes(16) != g.bytes(16)


# --- signatures, sizes, errors ----------------------------------------------------------------------------------------

OURS = {"dtype": "keyword"}
OTHER_DEFAULTS = {("standard_gamma", "dtype"), ("standard_exponential", "method")}


@pytest.mark.parametrize("name", [n for n in dir(np.random.Generator) if not n.startswith("_") and n != "bit_generator"])
def test_signatures_are_those_of_numpy(name):
    theirs = inspect.signature(getattr(np.random.Generator(np.random.PCG64()), name)).parameters
    ours = inspect.signature(getattr(cr.random.default_rng(0), name)).parameters
    extra = [n for n in ours if n not in theirs]
    assert extra in ([], ["dtype"]) and [n for n in ours if n not in extra] == list(theirs)
    for key, p in theirs.items():
        if (name, key) not in OTHER_DEFAULTS and p.default is not inspect.Parameter.empty:
            assert ours[key].default == p.default, key
        assert ours[key].kind == p.kind


def test_sizes():
    g = cr.random.default_rng(0)
    assert g.normal().shape == () and g.normal(size=()).shape == ()
    assert g.normal(np.zeros((2, 1)), np.ones(3)).shape == (2, 3)
    assert g.normal(np.zeros(3), size=(4, 3)).shape == (4, 3)
    assert g.gamma(np.ones((2, 0))).shape == (2, 0)
    assert g.poisson(np.ones(0)).shape == (0,)
    assert g.integers(0, 5, (0, 3)).shape == (0, 3)
    assert g.integers([1, 2], [[5], [7]]).shape == (2, 2)
    assert g.dirichlet(np.ones((4, 3))).shape == (4, 3)
    assert g.multinomial([3, 4], np.ones((5, 1, 2)) / 2).shape == (5, 2, 2)
    assert g.multivariate_normal(np.zeros((4, 2)), np.eye(2)).shape == (4, 2)
    with pytest.raises(ValueError, match="do not broadcast to size"):
        g.normal(np.zeros(3), size=2)


def test_out():
    g, h = cr.random.default_rng(0), cr.random.default_rng(0)
    for name, args in (("random", ()), ("standard_normal", ()), ("standard_exponential", ()), ("standard_gamma", (2.0,))):
        out = np.empty((2, 3))
        assert getattr(g, name)(*args, out=out) is out
        same([out], [getattr(h, name)(*args, (2, 3))])
    tensor = cr.zeros((2,))
    assert g.random(out=tensor) is tensor and tensor.all()
    with pytest.raises(ValueError, match="does not match the shape of out"):
        g.random(3, out=np.empty(2))
    with pytest.raises(ValueError, match="must have the shape and dtype"):
        g.random(dtype=np.float32, out=np.empty(2))


ERRORS = {
    "negative scale": (lambda g: g.normal(0, -1), ValueError, "`scale` must be 0 or positive"),
    "NaN": (lambda g: g.gamma(np.nan), ValueError, "`shape` must be positive"),
    "array with a bad number": (lambda g: g.beta([1.0, 0.0], 2.0), ValueError, "`a` must be positive"),
    "probability": (lambda g: g.binomial(3, 1.2), ValueError, "between 0 and 1"),
    "empty interval": (lambda g: g.integers(5, 5), ValueError, "no number from low to high"),
    "out of bounds": (lambda g: g.integers(300, dtype=np.uint8), ValueError, "high is out of bounds for uint8"),
    "turned interval": (lambda g: g.uniform(2.0, 1.0), ValueError, "high - low"),
    "dtype": (lambda g: g.random(dtype=np.int64), TypeError, "Unsupported dtype 'int64' for random"),
    "dtype of integers": (lambda g: g.integers(3, dtype=float), TypeError, "Unsupported dtype 'float64' for integers"),
    "complex": (lambda g: g.normal(np.array(1j)), TypeError, "parameters must be real"),
    "too many": (lambda g: g.choice(3, 4, replace=False), ValueError, "larger sample than population"),
    "none": (lambda g: g.choice(0, 1), ValueError, "a cannot be empty"),
    "no probabilities": (lambda g: g.choice(2, p=[0.5, 0.6]), ValueError, "do not sum to 1"),
    "wrong probabilities": (lambda g: g.choice(2, p=[0.5, 0.2, 0.3]), ValueError, "must have same size"),
    "few probabilities": (lambda g: g.choice(2, 2, replace=False, p=[1.0, 0.0]), ValueError, "Fewer non-zero"),
    "covariance": (lambda g: g.multivariate_normal([0, 0], np.eye(3)), cr.errors.ShapeError, "a matrix for each"),
    "indefinite": (
        lambda g: g.multivariate_normal([0, 0], [[1, 2], [2, 1]], check_valid="raise"),
        ValueError,
        "not symmetric positive-semidefinite",
    ),
    "axis": (lambda g: g.permutation(np.zeros(3), axis=1), np.exceptions.AxisError, "out of bounds"),
    "categorical": (lambda g: g.categorical(1.0), cr.errors.ShapeError, "needs an axis"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    draw, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        draw(cr.random.default_rng(0))


def test_a_matrix_that_is_no_covariance_warns():
    with pytest.warns(RuntimeWarning, match="positive-semidefinite"):
        cr.random.default_rng(0).multivariate_normal([0, 0], [[1, 2], [2, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cr.random.default_rng(0).multivariate_normal([0, 0], [[1, 2], [2, 1]], check_valid="ignore")


def test_uniform_numbers_stay_below_the_open_end():
    for dtype in (np.float16, np.float32, np.float64):
        x = cr.random.default_rng(0).random(20_000, dtype)
        assert x.dtype == dtype and bool((x < 1).all()) and bool((x >= 0).all())


def test_bernoulli_keeps_the_dtype_of_its_probabilities_as_in_pytorch():
    p = np.array([0.0, 1.0, 1.0])
    for dtype in (np.float32, np.float64):
        drawn = cr.bernoulli(p.astype(dtype))
        assert drawn.dtype == dtype and np.array_equal(drawn, p)
    assert cr.bernoulli([0.0, 1.0]).dtype == np.float64
