"""PyTorch's own catalogue of optimisers: every entry, with all its settings, and everything that must be refused."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import ChainruleError

torch = pytest.importorskip("torch")
database = pytest.importorskip("torch.testing._internal.common_optimizers").optim_db

RNG = np.random.default_rng(5)
MATRIX = RNG.normal(size=(6, 6)) / 3
START = [RNG.normal(size=(2, 3)), RNG.normal(size=4)]
MATRICES = [RNG.normal(size=(2, 3)), RNG.normal(size=(4, 1))]
STEPS = 50

# Settings that have no counterpart here: {entry: {description: reason}}.
OUT_OF_SCOPE: dict[str, dict[str, str]] = {}
TOLERANCE = {
    ("Muon", "float32"): 3e-2,  # the iteration runs in bfloat16 there, and in the dtype of the parameters here
    ("Muon", "float64"): 3e-2,
    ("LBFGS", "float32"): 1e-3,  # steps without a search are long, and enlarge differences in the last digits of gradients
}


def entry_name(info):
    return info.optim_cls.__name__


def cases():
    for info in database:
        for given in info.optim_inputs_func(device="cpu"):
            yield pytest.param(info, given, id=f"{entry_name(info)}-{given.desc}".replace(" ", "_"))


def ours(value):
    """A setting as it would be given here."""
    if isinstance(value, torch.Tensor):
        return cr.tensor(value.numpy())
    return tuple(ours(v) for v in value) if isinstance(value, tuple) else value


def loss_of(a, b, matrix, t, tanh):
    v = tanh(a.reshape(-1) + 0.1 * t)
    w = b.reshape(-1)
    return ((matrix @ v) ** 2).mean() + (w * w * (1 + t % 3)).sum() - (v[:4] * w).sum()


def convex_loss(a, b, matrix):
    """For a method that goes all the way to the minimum, which has to be the same for both."""
    v, w = a.reshape(-1), b.reshape(-1)
    return ((matrix @ v - 1) ** 2).mean() + (v * v).sum() / 10 + (w**4 + w * w - w).sum()


def trajectories(info, settings, dtype, start):
    """Parameters of ours and of PyTorch's after each step."""
    mine = [cr.tensor(x.astype(dtype), requires_grad=True) for x in start]
    theirs = [torch.tensor(x.astype(dtype), requires_grad=True) for x in start]
    pairs = (
        (cr, mine, getattr(optim, entry_name(info))(mine, **{k: ours(v) for k, v in settings.items()})),
        (torch, theirs, info.optim_cls(theirs, **settings)),
    )
    matrix = MATRIX.astype(dtype)
    for t in range(10 if info.step_requires_closure else STEPS):
        for lib, params, optimizer in pairs:

            def closure(lib=lib, params=params, optimizer=optimizer, t=t):
                optimizer.zero_grad()
                m = matrix if lib is cr else torch.tensor(matrix)
                loss = convex_loss(*params, m) if info.step_requires_closure else loss_of(*params, m, t, lib.tanh)
                loss.backward()
                if entry_name(info) == "Rprop" and lib is torch:  # signs of gradients near zero hang on their last digit
                    for p, q in zip(params, mine, strict=True):
                        p.grad = torch.tensor(q.grad.detach().numpy())
                if entry_name(info) == "SparseAdam" and lib is torch:
                    for p in params:
                        p.grad = p.grad.to_sparse(1)
                return loss

            if info.step_requires_closure:
                optimizer.step(closure)
            else:
                closure()
                optimizer.step()
        yield [p.detach().numpy() for p in mine], [p.detach().numpy() for p in theirs]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("info, given", list(cases()))
def test_every_entry(info, given, dtype):
    reason = OUT_OF_SCOPE.get(entry_name(info), {}).get(given.desc)
    if reason:
        pytest.skip(reason)
    start = MATRICES if entry_name(info) == "Muon" else START
    tolerance = TOLERANCE.get((entry_name(info), dtype.__name__), 1e-6)
    if dtype is np.float64:
        torch.set_default_dtype(torch.float64)  # PyTorch keeps counts in its default dtype
    try:
        for a, b in trajectories(info, given.kwargs, dtype, start):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
    finally:
        torch.set_default_dtype(torch.float32)
    assert any(np.abs(x - s).max() > 1e-4 for x, s in zip(a, start, strict=True))


def test_no_entry_is_forgotten():
    assert len(database) >= 15
    assert all(hasattr(optim, entry_name(info)) for info in database)


# What PyTorch refuses and we do not, with the reason.
ACCEPTED = {
    "lr as Tensor doesn't work with foreach & not capturable": "there is one way to step, which takes Tensors",
    "betas must be either both floats or both Tensors": "each may be either",
    r"betas\[0\] as a Tensor is not supported for capturable=False and foreach=True": "there is one way to step",
    "dense params required": "there are no sparse arrays",
    "dense params required in param_groups": "there are no sparse arrays",
    "complex not supported": "complex rows are pairs of real ones",
}


def refusals():
    for info in database:
        for error in info.optim_error_inputs_func(device="cpu", dtype=torch.float32):
            given = error.optimizer_error_input
            if given.desc not in ACCEPTED:
                yield pytest.param(info, given, id=f"{entry_name(info)}-{given.desc}".replace(" ", "_"))


@pytest.mark.parametrize("info, given", list(refusals()))
def test_what_pytorch_refuses_is_refused(info, given):
    known: dict = {}

    def param(p):
        known.setdefault(id(p), cr.tensor(p.detach().numpy(), requires_grad=True))
        return known[id(p)]

    def params(x):
        if isinstance(x, torch.Tensor):
            return param(x)
        if isinstance(x, dict):
            return {k: params(v) if k == "params" else v for k, v in x.items()}
        return type(x)(params(v) for v in x) if isinstance(x, (list, tuple)) else x

    given_params = params(given.params) if given.params is not None else [cr.tensor(np.ones((2, 2)), requires_grad=True)]
    with pytest.raises(ChainruleError, match="help:"):
        getattr(optim, entry_name(info))(given_params, **{k: ours(v) for k, v in given.kwargs.items()})
