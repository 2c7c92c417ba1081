"""Optimisers that users write, in two methods or as for PyTorch, and hooks around steps."""

import copy

import numpy as np
import pytest
from optim_tools import descend, leaf

import chainrule as cr
from chainrule import optim
from chainrule.errors import UnsupportedError
from chainrule.optim import lr_scheduler


def test_a_new_algorithm_is_two_methods():
    class SignDescent(optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        def init_one(self, param, hyper):
            return {"count": param.new_zeros(())}

        def step_one(self, param, grad, state, hyper):
            return param - hyper["lr"] * cr.sign(grad), {"count": state["count"] + 1}

    x = leaf([1.0, -1.0])
    optimizer = SignDescent([x])
    descend(optimizer, [x], 3)
    np.testing.assert_allclose(x.detach(), [0.7, -0.7])
    assert optimizer.state[x]["count"].item() == 3


class SignedMomentum(optim.Optimizer):
    def __init__(self, params, lr=1e-2, beta=0.9, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @cr.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with cr.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["mean"] = cr.zeros_like(p)
                mean = state["mean"]
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                mean.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p.add_(mean.sign(), alpha=-group["lr"])
        return loss


@pytest.mark.parametrize("wrap", [lambda f: f, cr.compile], ids=["eager", "compiled"])
def test_an_optimizer_written_as_for_pytorch(wrap):
    x = leaf([1.0, -2.0])
    optimizer = SignedMomentum([x], lr=0.1, weight_decay=0.5)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)

    def step():
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    mean, value, lr = np.zeros(2), np.array([1.0, -2.0]), 0.1
    for i in range(8):
        assert step().item() == pytest.approx((value**2).sum())
        mean = 0.9 * mean + 0.1 * 2 * value
        value = value * (1 - 0.5 * lr) - lr * np.sign(mean)
        np.testing.assert_allclose(x.detach(), value, rtol=1e-12)
        scheduler.step()
        lr = 0.1 * 0.5 ** ((i + 1) // 3)
    saved = optimizer.state_dict()
    np.testing.assert_allclose(saved["state"][0]["mean"], mean, rtol=1e-12)


def test_an_optimizer_without_algorithm():
    class Nothing(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    x = leaf(1.0)
    optimizer = Nothing([x])
    (x * x).backward()
    with pytest.raises(UnsupportedError, match="Nothing has no algorithm"):
        optimizer.step()


def test_settings_of_classes_with_a_step_of_their_own_are_theirs():
    class Mine(optim.Optimizer):
        def __init__(self, params, lr):
            self.lr = lr
            super().__init__(params, {"lr": lr / 10, "betas": (0.9, 1.0)})

        def step(self, closure=None):
            for group in self.param_groups:
                group["lr"] *= 2

    optimizer = Mine([cr.nn.Parameter(np.ones(1))], 1.0)
    optimizer.step()
    assert optimizer.lr == 1.0 and optimizer.param_groups[0]["lr"] == 0.2


@pytest.mark.parametrize(
    "make", [lambda p: optim.SGD(p, lr=0.25), lambda p: optim.LBFGS(p, lr=0.25, max_iter=1)], ids=["SGD", "LBFGS"]
)
def test_step_hooks(make):
    x = leaf(1.0)
    optimizer, seen = make([x]), []

    def closure():
        optimizer.zero_grad()
        loss = x * x
        loss.backward()
        return loss

    def before(found, args, kwargs):
        assert found is optimizer and kwargs == {}
        seen.append(("before", x.item(), args))
        return (closure,), {}

    first = optimizer.register_step_pre_hook(before)
    second = optimizer.register_step_post_hook(lambda *found: seen.append(("after", x.item(), found[1])))
    assert optimizer.step().item() == 1.0
    after = x.item()
    assert after < 1 and seen == [("before", 1.0, ()), ("after", after, (closure,))]
    assert copy.deepcopy(optimizer)._step_hooks == ({}, {})
    first.remove()
    second.remove()
    optimizer.step(closure)
    assert len(seen) == 2


def test_step_hooks_of_steps_that_users_write():
    class Twice(SignedMomentum):
        def step(self, closure=None):
            super().step(closure)
            return super().step()

    x, seen = leaf([1.0, -2.0]), []
    optimizer = Twice([x], lr=0.25)
    x.grad = np.ones(2)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("before", args))),
        optimizer.register_step_post_hook(lambda *found: seen.append(("after", x.tolist()))),
        optim.optimizer.register_optimizer_step_pre_hook(lambda o, args, kwargs: ((o, None), {})),
        optim.optimizer.register_optimizer_step_post_hook(lambda o, *found: seen.append(o is optimizer)),
    ]
    optimizer.step()
    assert seen == [("before", (None,)), True, ("after", [0.5, -2.5])]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 3


def test_hooks_of_states():
    def make():
        return optim.SGD([leaf(1.0)], lr=0.5, momentum=0.9)

    optimizer, seen = make(), []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("last"))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, states: {**states, "epoch": 3})
    saved = optimizer.state_dict()
    assert seen == ["first", "last"] and saved["epoch"] == 3
    other = make()

    def rename(o, states):
        states["param_groups"] = [{**states["param_groups"][0], "lr": 0.125}]

    handles = [
        other.register_load_state_dict_pre_hook(rename),
        other.register_load_state_dict_post_hook(lambda o: seen.append(o.lr)),
    ]
    other.load_state_dict(saved)
    assert seen[2:] == [0.125] and saved["param_groups"][0]["lr"] == 0.5
    for handle in handles:
        handle.remove()
    other.load_state_dict(saved)
    assert other.lr == 0.5 and len(seen) == 3
    copy.deepcopy(optimizer).state_dict()  # a copy has none of the hooks
    assert len(seen) == 3


def test_hooks_of_all_optimizers_in_programs():
    x = leaf(1.0)
    optimizer = optim.SGD([x], lr=0.25)

    @cr.compile
    def step():
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()

    def twice(optimizer, args, kwargs):
        x.grad = 2 * x.grad

    step()
    step()
    handle = optim.optimizer.register_optimizer_step_pre_hook(twice)
    x.data = 1.0
    step()
    assert x.item() == 0.0
    handle.remove()
    x.data = 1.0
    step()
    assert x.item() == 0.5
