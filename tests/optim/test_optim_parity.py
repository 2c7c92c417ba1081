"""What users of PyTorch bring along: calls with arguments in their order, and saved states that go on here."""

import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(3)
OPTIMIZERS = [name for name in dir(torch.optim) if inspect.isclass(getattr(torch.optim, name)) and name != "Optimizer"]
CONTROLLED = {
    "SGD": {"momentum": 0.9, "dampening": 0.2},
    "Adam": {"amsgrad": True},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
    "ASGD": {"t0": 2},
    "RAdam": {"betas": (0.9, 0.99)},
}
TOLERANCE = {"Muon": 3e-2}  # which computes in bfloat16 there


def arguments(function):
    """(name, default, whether by keyword only) of each, without annotations."""
    return [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_take_the_same_arguments(name):
    assert arguments(getattr(optim, name)) == arguments(getattr(torch.optim, name))


@pytest.mark.parametrize("name", torch.optim.lr_scheduler.__all__)
def test_schedules_take_the_same_arguments(name):
    assert arguments(getattr(optim.lr_scheduler, name)) == arguments(getattr(torch.optim.lr_scheduler, name))


@pytest.mark.parametrize("name", torch.optim.swa_utils.__all__)
def test_averages_take_the_same_arguments(name):
    assert arguments(getattr(optim.swa_utils, name)) == arguments(getattr(torch.optim.swa_utils, name))


def run(lib, params, optimizer, matrix, steps, start=0):
    for t in range(start, start + steps):
        optimizer.zero_grad()
        loss = sum(((matrix[: p.shape[0]] @ p - 0.1 * t) ** 2).mean() for p in params)
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n not in ("LBFGS", "SparseAdam")])
def test_states_of_pytorch_go_on(name, named):
    """Two groups, steps there, then the state is loaded here, and both go on alike."""
    torch.set_default_dtype(torch.float64)  # in which it keeps counts
    try:
        matrix, start = RNG.normal(size=(4, 4)), [RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))]
        theirs, mine = [torch.tensor(x, requires_grad=True) for x in start], [cr.tensor(x, requires_grad=True) for x in start]

        def make(lib, params):
            first, second = [("a", params[0])] if named else params[:1], [("b", params[1])] if named else params[1:]
            groups = [{"params": first}, {"params": second, "lr": 0.05}]
            return getattr(lib, name)(groups, lr=0.02, **CONTROLLED.get(name, {}))

        other = make(torch.optim, theirs)
        run(torch, theirs, other, torch.tensor(matrix), 5)
        for p, q in zip(mine, theirs, strict=True):
            p.data = q.detach().numpy().copy()
        ours = make(optim, mine)
        ours.lr = 7.0
        ours.load_state_dict(other.state_dict())
        assert [g["lr"] for g in ours.param_groups] == [0.02, 0.05]
        run(torch, theirs, other, torch.tensor(matrix), 5, 5), run(cr, mine, ours, matrix, 5, 5)
        for p, q in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(
                p.detach(), q.detach().numpy(), rtol=TOLERANCE.get(name, 1e-9), atol=TOLERANCE.get(name, 0)
            )
    finally:
        torch.set_default_dtype(torch.float32)


SCHEDULES = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5, 9]},
    "CosineAnnealingLR": {"T_max": 7},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2},
    "LinearLR": {},
    "PolynomialLR": {"total_iters": 11},
    "ReduceLROnPlateau": {"patience": 1},
}


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_of_pytorch_go_on(name):
    """Its state dicts hold more than ours; what matters is what comes after."""

    def make(lib, array):
        optimizer = lib.SGD([array], lr=0.5)
        return optimizer, getattr(lib.lr_scheduler, name)(optimizer, **SCHEDULES[name])

    other, theirs = make(torch.optim, torch.ones(2, requires_grad=True))
    metric = [(1.0,) if name == "ReduceLROnPlateau" else ()] * 12
    for m in metric[:4]:
        theirs.step(*m)
    ours, mine = make(optim, cr.tensor(np.ones(2), requires_grad=True))
    ours.load_state_dict(other.state_dict()), mine.load_state_dict(theirs.state_dict())
    for m in metric[4:]:
        theirs.step(*m), mine.step(*m)
        assert ours.lr == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        assert mine.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-12)
