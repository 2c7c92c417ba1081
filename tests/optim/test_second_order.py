"""L-BFGS, Newton-CG, Gauss-Newton and Levenberg-Marquardt: against dense linear algebra, known minima and SciPy."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.optimize

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError, UnsupportedError
from chainrule.optim.lbfgs import History
from chainrule.optim.line_search import Search, cubic_minimum
from chainrule.optim.newton_cg import newton_direction

RNG = np.random.default_rng(1)
TIMES = np.linspace(0.0, 3.0, 30)
MEASURED = 2.0 * np.exp(-0.7 * TIMES) + 0.3 + 0.01 * np.random.default_rng(2).normal(size=30)


def leaf(x, dtype=float):
    return cr.tensor(np.array(x, dtype), requires_grad=True)


def positive(n):
    a = RNG.normal(size=(n, n))
    return a @ a.T + np.eye(n)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def decay(a, b):
    return a[0] * cr.exp(-b * TIMES) + a[1] - MEASURED


def fitted(start):
    return scipy.optimize.least_squares(lambda p: p[0] * np.exp(-p[2] * TIMES) + p[1] - MEASURED, start, xtol=1e-14).x


METHODS = {
    "LBFGS": (lambda ps: optim.LBFGS(ps, line_search_fn="strong_wolfe"), False),
    "NewtonCG": (optim.NewtonCG, False),
    "GaussNewton": (optim.GaussNewton, True),
    "LevenbergMarquardt": (optim.LevenbergMarquardt, True),
}
methods = pytest.mark.parametrize("make, squares", METHODS.values(), ids=METHODS)


def closure_for(optimizer, squares, residuals):
    """What each method wants to be given, for half the sum of squares."""

    def loss():
        return (residuals() ** 2).sum() / 2

    def with_backward():
        optimizer.zero_grad()
        out = loss()
        out.backward()
        return out

    return residuals if squares else with_backward if isinstance(optimizer, optim.LBFGS) else loss


@methods
@pytest.mark.parametrize("compiled", [False, True])
def test_all_find_the_least_squares(make, squares, compiled):
    a, b = leaf([1.0, 0.0]), leaf(1.0)
    optimizer = make([a, b])
    closure = closure_for(optimizer, squares, lambda: decay(a, b))
    closure = cr.compile(closure) if compiled else closure
    for _ in range(25):
        optimizer.step(closure)
    np.testing.assert_allclose([*a.detach().numpy(), b.item()], fitted([1.0, 0.0, 1.0]), rtol=1e-4)


@methods
def test_all_train_a_module(make, squares):
    cr.manual_seed(0)
    x = np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)
    y = x[:, :1] * x[:, 1:]
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = make(model.parameters())
    closure = closure_for(optimizer, squares, lambda: model(x) - y)
    before = ((model(x) - y) ** 2).mean().item()
    for _ in range(20):
        optimizer.step(closure)
    assert ((model(x) - y) ** 2).mean().item() < 0.02 * before
    assert all(p.dtype == np.float32 and p.requires_grad and p.is_leaf for p in model.parameters())


@methods
def test_complex_parameters(make, squares):
    matrix, target = RNG.normal(size=(4, 2)) + 1j * RNG.normal(size=(4, 2)), RNG.normal(size=4) + 1j * RNG.normal(size=4)
    z = leaf(np.zeros(2), complex)
    optimizer = make([z])

    def residuals():
        r = matrix @ z - target
        return r if squares else cr.stack([r.real, r.imag])

    for _ in range(12):
        optimizer.step(closure_for(optimizer, squares, residuals))
    np.testing.assert_allclose(z.detach(), np.linalg.lstsq(matrix, target, rcond=None)[0], rtol=1e-4)


@methods
def test_a_step_at_the_minimum_changes_nothing(make, squares):
    x = leaf([0.0, 0.0])
    optimizer = make([x])
    for _ in range(2):
        optimizer.step(closure_for(optimizer, squares, lambda: x * 2))
    assert not x.detach().numpy().any()


@methods
def test_parameters_that_nothing_depends_on(make, squares):
    x, unused = leaf([1.0, 2.0]), leaf([3.0])
    optimizer = make([x, unused])
    for _ in range(5):
        optimizer.step(closure_for(optimizer, squares, lambda: x - 4))
    np.testing.assert_allclose(x.detach(), [4.0, 4.0], atol=1e-6)
    assert unused.item() == 3.0


@methods
def test_a_run_goes_on_from_its_state(make, squares):
    def run(params, optimizer, steps):
        for _ in range(steps):
            optimizer.step(closure_for(optimizer, squares, lambda: decay(*params)))
        return [p.detach().numpy().copy() for p in params]

    params = [leaf([1.0, 0.0]), leaf(4.0)]
    optimizer = make(params)
    optimizer.param_groups[0].update({"max_iter": 1} if "max_iter" in optimizer.param_groups[0] else {})
    values, saved = run(params, optimizer, 3), pickle.loads(pickle.dumps(optimizer.state_dict()))
    others = [leaf(v) for v in values]
    twin = make(others)
    twin.load_state_dict(saved)
    for a, b in zip(run(params, optimizer, 3), run(others, twin, 3), strict=True):
        np.testing.assert_array_equal(a, b)


@methods
def test_what_cannot_be(make, squares):
    name, x = make([leaf(1.0)]).__class__.__name__, leaf([1.0, 2.0])
    optimizer = make([x])
    with pytest.raises(ArgumentError, match=f"{name}.step needs a closure(.|\n)*help:"):
        optimizer.step()
    with pytest.raises(ArgumentError, match=r"single group(.|\n)*help:"):
        make([{"params": [x]}, {"params": [leaf(1.0)]}])
    with pytest.raises(UnsupportedError, match=r"compiled program(.|\n)*help: compile the closure"):
        cr.compile(lambda: optimizer.step(closure_for(optimizer, squares, lambda: x * 2)))()


@pytest.mark.parametrize("make", [optim.NewtonCG, optim.GaussNewton, optim.LevenbergMarquardt])
def test_closures_that_make_no_sense(make):
    x = leaf([1.0, 2.0])
    optimizer = make([x])

    def with_backward():
        loss = (x * x).sum()
        loss.backward()
        return loss

    for closure, text in ((with_backward, "has called backward"), (lambda: 1.0, "must return"), (lambda: None, "must return")):
        with pytest.raises(ArgumentError, match=f"{text}(.|\n)*help:"):
            optimizer.step(closure)
    if make is optim.NewtonCG:
        with pytest.raises(ArgumentError, match=r"must return the loss(.|\n)*\(2,\)"):
            optimizer.step(lambda: x * x)


@pytest.mark.parametrize(
    "make, settings",
    [
        (optim.NewtonCG, {"line_search_fn": "golden"}),
        (optim.NewtonCG, {"max_cg": 0}),
        (optim.NewtonCG, {"lr": -1.0}),
        (optim.GaussNewton, {"damping": -1.0}),
        (optim.GaussNewton, {"line_search_fn": "strong_wolfe"}),
        (optim.GaussNewton, {"tolerance": 0.0}),
        (optim.LevenbergMarquardt, {"max_trials": 0}),
        (optim.LevenbergMarquardt, {"max_inner": 0}),
        (optim.LBFGS, {"max_iter": 0}),
    ],
)
def test_settings_that_make_no_sense(make, settings):
    with pytest.raises(ArgumentError, match="help:"):
        make([leaf(1.0)], **settings)


# --- L-BFGS -------------------------------------------------------------------------------------------------------------


def test_lbfgs_goes_on_from_pytorchs_state():
    torch = pytest.importorskip("torch")
    matrix, start = positive(4), RNG.normal(size=4)
    x, y = torch.tensor(start, requires_grad=True), leaf(start)
    options = {"max_iter": 3, "line_search_fn": "strong_wolfe", "lr": 0.5}
    theirs, mine = torch.optim.LBFGS([x], **options), optim.LBFGS([y], **options)

    def closure(optimizer, p, m):
        def evaluate():
            optimizer.zero_grad()
            loss = (p * (m @ p)).sum() + (p**4).sum()
            loss.backward()
            return loss

        return evaluate

    theirs.step(closure(theirs, x, torch.tensor(matrix)))
    y.data = x.detach().numpy().copy()
    mine.load_state_dict(theirs.state_dict())
    for _ in range(3):
        theirs.step(closure(theirs, x, torch.tensor(matrix)))
        mine.step(closure(mine, y, matrix))
        np.testing.assert_allclose(y.detach(), x.detach().numpy(), rtol=1e-8, atol=1e-10)
    with pytest.raises(ArgumentError, match="expected 2 numbers, found 4"):
        optim.LBFGS([leaf([1.0, 2.0])]).load_state_dict(theirs.state_dict())


def test_cubic_minimum():
    def points(a, b, f, slope):
        return (a, f(a), slope(a)), (b, f(b), slope(b))

    cubic = points(0.0, 3.0, lambda t: (t - 1) ** 2 * (t + 2), lambda t: 2 * (t - 1) * (t + 2) + (t - 1) ** 2)
    assert cubic_minimum(*cubic) == pytest.approx(1.0)
    assert cubic_minimum(*reversed(cubic)) == pytest.approx(1.0)
    assert cubic_minimum(*cubic, 2.0, 3.0) == 2.0
    line = points(0.0, 2.0, lambda t: -t, lambda t: -1.0)
    assert cubic_minimum(*line) in (0.0, 1.0, 2.0)


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3),
        (lambda t: t * t - 3 * t, lambda t: 2 * t - 3),
    ],
)
def test_searches_satisfy_both_conditions(f, slope, first):
    """On functions of Moré and Thuente (1994, section 5), from first steps that are far too short and far too long."""
    search = Search(lambda t: (t, f(t), slope(t), None), (0.0, f(0.0), slope(0.0), None), 1.0, 50)
    t, value, at, _ = search(first)
    assert value <= f(0.0) + 1e-4 * t * slope(0.0) and abs(at) <= 0.9 * abs(slope(0.0))


# --- Newton-CG ----------------------------------------------------------------------------------------------------------


def test_newton_directions_solve_the_equations():
    matrix, g = positive(6), 1e-12 * RNG.normal(size=6)
    np.testing.assert_allclose(newton_direction(lambda v: matrix @ v, g, 50), -np.linalg.solve(matrix, g), rtol=1e-5)


def test_newton_directions_lead_down_where_curvature_is_negative():
    q = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    for values in (-np.arange(1.0, 7), np.array([-1.0, 2, 3, -4, 5, 6])):
        matrix, g = q * values @ q.T, RNG.normal(size=6)
        assert newton_direction(lambda v, m=matrix: m @ v, g, 50) @ g < 0
    np.testing.assert_array_equal(newton_direction(lambda v: -v, g, 50), -g)


def test_newton_on_a_quadratic_takes_few_steps():
    matrix, b = positive(5), RNG.normal(size=5)
    x = leaf(np.zeros(5))
    optimizer = optim.NewtonCG([x], max_cg=50)
    for _ in range(6):
        optimizer.step(lambda: x @ matrix @ x / 2 - b @ x)
    np.testing.assert_allclose(x.detach(), np.linalg.solve(matrix, b), rtol=1e-6)


def test_newton_in_many_variables():
    x = leaf(np.tile([-1.2, 1.0], 10))
    optimizer = optim.NewtonCG([x])
    losses = [optimizer.step(lambda: rosenbrock(x)).item() for _ in range(100)]
    np.testing.assert_allclose(x.detach(), np.ones(20), rtol=1e-8)
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_newton_without_search():
    x = leaf([0.5, -0.3])
    optimizer = optim.NewtonCG([x], line_search_fn=None)
    for _ in range(6):
        optimizer.step(lambda: (cr.cosh(x)).sum())
    np.testing.assert_allclose(x.detach(), [0, 0], atol=1e-8)


def test_newton_where_the_loss_is_linear():
    x = leaf([1.0, 2.0])
    optim.NewtonCG([x], lr=0.5, line_search_fn=None).step(lambda: (3 * x).sum())
    np.testing.assert_allclose(x.detach(), [-0.5, 0.5])


# --- least squares ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damping", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_a_gauss_newton_step_by_dense_algebra(shape, damping):
    matrix, target, start = RNG.normal(size=shape), RNG.normal(size=shape[0]), RNG.normal(size=shape[1])
    x = leaf(start)
    optimizer = optim.GaussNewton([x], damping=damping, tolerance=1e-14, line_search_fn=None)
    optimizer.step(lambda: {"first": (matrix @ x - target)[:2], "rest": [(matrix @ x - target)[2:]]})
    r = matrix @ start - target
    n = shape[1]
    rows = np.vstack([matrix, np.sqrt(damping) * np.eye(n)])
    expected = start - np.linalg.lstsq(rows, np.concatenate([r, np.zeros(n)]), rcond=None)[0]
    np.testing.assert_allclose(x.detach(), expected, rtol=1e-8)


def test_a_levenberg_marquardt_step_by_dense_algebra():
    matrix, target, start = RNG.normal(size=(7, 4)), RNG.normal(size=7), RNG.normal(size=4)
    x = leaf(start)
    optimizer = optim.LevenbergMarquardt([x], damping=0.1, tolerance=1e-14)
    optimizer.step(lambda: matrix @ x - target)
    r = matrix @ start - target
    g = matrix.T @ r
    damping = 0.1 * np.sum((matrix @ g) ** 2) / (g @ g)
    np.testing.assert_allclose(x.detach(), start - np.linalg.solve(matrix.T @ matrix + damping * np.eye(4), g), rtol=1e-8)
    # The model is exact, so the gain is 1 and the damping falls by the most.
    assert optimizer.state[x]["damping"].item() == pytest.approx(damping / 3)


def test_levenberg_marquardt_never_climbs():
    x = leaf([-1.2, 1.0])
    optimizer, costs = optim.LevenbergMarquardt([x], damping=1e-8), []
    for _ in range(40):
        r = optimizer.step(lambda: cr.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]]))
        costs.append((r.detach().numpy() ** 2).sum())
    assert all(b <= a for a, b in itertools.pairwise(costs))
    np.testing.assert_allclose(x.detach(), [1, 1], rtol=1e-8)


@pytest.mark.parametrize("make", [optim.GaussNewton, optim.LevenbergMarquardt])
def test_places_without_a_value_are_left_again(make):
    """A step so long that the logarithm is not a number must not be taken."""
    x = leaf(0.05)
    optimizer = make([x], **({"damping": 1e-9} if make is optim.LevenbergMarquardt else {}))
    with np.errstate(invalid="ignore"):
        for _ in range(60):
            optimizer.step(lambda: cr.log(x) * x - 0.5)
            assert np.isfinite(x.item())


def recursion(steps, changes, gradient, scale):
    """The product of the inverse with the gradient by the recursion over pairs (Nocedal and Wright, 2006, algorithm 7.4)."""
    q, weights = gradient.copy(), []
    for s, y in zip(reversed(steps), reversed(changes), strict=True):
        weights.append(s @ q / (y @ s))
        q -= weights[-1] * y
    q *= scale
    for s, y, weight in zip(steps, changes, reversed(weights), strict=True):
        q += (weight - y @ q / (y @ s)) * s
    return q


@pytest.mark.parametrize("most", [1, 3, 5, 20])
def test_lbfgs_pairs_stand_for_the_inverse(most):
    history, matrix, steps, changes = History(most, 12, np.float64), positive(12), [], []
    gradient = RNG.normal(size=12)
    for k in range(9):
        scale = (changes[-1] @ steps[-1]) / (changes[-1] @ changes[-1]) if steps else 1.0
        wanted = recursion(steps[-most:], changes[-most:], gradient, scale)
        np.testing.assert_allclose(-history.direction(gradient), wanted, rtol=1e-8, atol=1e-10)
        step = (1.0, 1e-3)[k % 2] * RNG.normal(size=12)
        gradient = gradient + matrix @ step
        history.add(2 * step, 0.5, matrix @ step, gradient, np.linalg.norm(gradient))
        gradient = gradient - step
        history.add(step, 1.0, -step, gradient, np.linalg.norm(gradient))  # has negative curvature, and is left out
        steps.append(step)
        changes.append(matrix @ step)
        assert len(history) == min(k + 1, most)
    for other, own in itertools.product((most, 4, 30), (True, False)):
        twin, state = History(other, 12, np.float64), history.state()
        twin.load(state if own else {key: state[key] for key in ("old_dirs", "old_stps", "ro", "H_diag")}, gradient)
        kept = min(most, other, 9)
        wanted = recursion(steps[-kept:], changes[-kept:], gradient, history.scale)
        np.testing.assert_allclose(-twin.direction(gradient), wanted, rtol=1e-8, atol=1e-10)
        after = gradient + changes[0]
        twin.add(steps[0], 1.0, changes[0], after, np.linalg.norm(after))
        kept = min(kept + 1, other)
        wanted = recursion([*steps, steps[0]][-kept:], [*changes, changes[0]][-kept:], after, twin.scale)
        np.testing.assert_allclose(-twin.direction(after), wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("shrinking", [0.01, 0.3, 0.7, 0.95, 1.0, 1.3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lbfgs_keeps_its_accuracy_where_products_are_found_from_others(dtype, shrinking):
    """Over many steps, along which gradients shrink or grow by a factor, beside the recursion in twice the digits."""
    n, most, digits = 400, 10, np.finfo(dtype).eps
    wide = np.float64 if dtype == np.float32 else np.longdouble
    curvatures = np.logspace(0, 1, n)
    history, steps, changes = History(most, n, dtype), [], []
    gradient = RNG.normal(size=n).astype(dtype)
    for _ in range(25):
        turn = 0.05 * RNG.normal(size=n) * np.abs(gradient).mean()
        after = (shrinking * gradient + turn).astype(dtype)
        change = after - gradient
        if np.abs(change).max() < 1e-4:
            break
        step = (change / curvatures).astype(dtype)
        history.add(step, 1.0, change, after, np.linalg.norm(after))
        steps, changes, gradient = [*steps, step.astype(wide)][-most:], [*changes, change.astype(wide)][-most:], after
        wanted = recursion(steps, changes, gradient.astype(wide), wide(history.scale))
        wrong = (-history.direction(gradient) - wanted).astype(np.float64)
        error = np.linalg.norm(wrong) / np.linalg.norm(wanted.astype(np.float64))
        assert error < 20 * digits, error / digits
    assert len(steps) > 2


def test_lbfgs_steps_from_values_that_were_set_between_steps():
    x = leaf([3.0, -2.0])
    optimizer = optim.LBFGS([x], max_iter=2, lr=1e-9)

    def closure():
        optimizer.zero_grad()
        loss = ((x - 1) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    x.data = np.array([5.0, 7.0])
    optimizer.step(closure)
    np.testing.assert_allclose(x.detach(), [5.0, 7.0], atol=1e-6)
    with cr.no_grad():
        x[0] = 4.0
    optimizer.step(closure)
    np.testing.assert_allclose(x.detach(), [4.0, 7.0], atol=1e-6)


def test_lbfgs_ends_where_rounding_does():
    x, target = leaf(np.linspace(-1.0, 1.0, 40), np.float32), np.linspace(0.0, 3.0, 40, dtype=np.float32)
    optimizer = optim.LBFGS(
        [x], max_iter=200, max_eval=2000, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = cr.log1p((x - target) ** 2).sum() + 1
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(x.detach(), target, atol=1e-3)
