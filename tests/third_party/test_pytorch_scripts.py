"""What scripts and layers that were written for PyTorch use on their way."""

import math
from typing import ClassVar

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.nn import functional as F
from chainrule.utils import data

torch = pytest.importorskip("torch")


def test_tensors_by_their_sizes():
    assert cr.Tensor(2, 3).shape == cr.Tensor(cr.zeros(2, 3).size()).shape == (2, 3)
    assert cr.Tensor(4).shape == (4,) and cr.Tensor().shape == (0,) and cr.Tensor(2, 3, 4, 5).shape == (2, 3, 4, 5)
    assert cr.Tensor([1, 2]).tolist() == [1, 2] and cr.Tensor(3.0).shape == () and cr.Tensor([3]).tolist() == [3]
    with pytest.raises(cr.errors.ArgumentError, match="data or the sizes"):
        cr.Tensor([2.0], 3)


def test_a_layer_copied_from_pytorch():
    class Dense(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.weight, self.bias = nn.Parameter(cr.Tensor(n_out, n_in)), nn.Parameter(cr.Tensor(n_out))
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(self.weight)
            nn.init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

        def forward(self, x):
            return F.linear(x, self.weight, self.bias)

    layer = Dense(3, 2)
    assert layer(cr.ones(4, 3)).shape == (4, 2) and 0 < abs(layer.bias).max() <= 3**-0.5
    with pytest.raises(cr.errors.ShapeError, match="eye_ needs a matrix"):
        nn.init.eye_(cr.zeros(3))
    assert nn.Parameter().shape == (0,)


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_extremes_without_indices(name):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    for dim in 0, -1, (0, 2):
        for keepdim in False, True:
            expected = getattr(torch, name)(torch.tensor(x), dim, keepdim).numpy()
            for found in getattr(cr, name)(x, dim=dim, keepdim=keepdim), getattr(cr.tensor(x), name)(dim, keepdim):
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["median", "nanmedian"])
def test_medians_with_indices(name):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    x[0, 1, 2] = x[1, :, 0] = np.nan
    for dim in 0, 1, -1:
        for keepdim in False, True:
            ours, theirs = (getattr(f, name)(t, dim=dim, keepdim=keepdim) for f, t in ((cr, x), (torch, torch.tensor(x))))
            values = theirs.values.numpy()
            np.testing.assert_array_equal(ours.values, values)
            np.testing.assert_array_equal(ours.indices[~np.isnan(values)], theirs.indices.numpy()[~np.isnan(values)])
    assert getattr(cr, name)([1.0, 2.0], 0) == 1.5 and cr.tensor([3, 1, 2, 5]).median(dim=0)[0] == 2
    p = cr.tensor([3.0, 1.0, 2.0, 5.0], requires_grad=True)
    cr.median(p, dim=0)[0].backward()
    assert p.grad.tolist() == [0, 0, 1, 0]


def test_keepdim_asks_for_what_pytorch_means():
    x = cr.tensor([[0.0, 2.0, 1.0], [3.0, 4.0, 5.0]])
    assert x.max(1, keepdim=True)[1].tolist() == [[1], [2]] and cr.min(x, 0, keepdim=False).indices.tolist() == [0, 0, 0]
    assert x.max(1, keepdims=True).tolist() == [[2], [5]] and x.max(keepdim=True).shape == (1, 1)
    assert x.std(-1, keepdim=True).tolist() == [[1], [1]] and x.var(1, keepdims=True)[0, 0] == pytest.approx(2 / 3)


def test_assignment_of_no_data():
    x = cr.ones(2)
    with pytest.raises(cr.errors.ArgumentError, match="cannot be None"):
        x.data = None
    with pytest.raises(ValueError, match=r"diagonal\(dim1=-2, dim2=-1\)"):
        cr.eye(2).diagonal().fill_(3)


def test_scatter_of_a_number():
    ours = cr.zeros(3, 3).scatter_(1, cr.tensor([[0], [1], [2]]), 2, reduce="add")
    assert ours.tolist() == torch.zeros(3, 3).scatter_(1, torch.tensor([[0], [1], [2]]), 2, reduce="add").tolist()


def test_activations_in_place():
    for name in ["relu", "leaky_relu", "elu", "celu", "selu", "hardtanh", "rrelu"]:
        x = np.array([-2.0, 0.5, 3.0])
        ours, theirs = cr.tensor(x), torch.tensor(x)
        assert getattr(F, f"{name}_")(ours) is ours
        np.testing.assert_allclose(ours, getattr(torch.nn.functional, f"{name}_")(theirs), rtol=1e-12)
    assert F.threshold_(cr.tensor([1.0, 3.0]), 2, 0.5).tolist() == [0.5, 3]


def test_comparisons_of_tests():
    close = cr.testing.assert_close
    close([cr.ones(2), {"a": 1.0}], [np.ones(2), {"a": 1.0 + 1e-9}])
    close(cr.tensor([np.nan]), cr.tensor([np.nan]), equal_nan=True)
    close(cr.ones(1), cr.ones(1, dtype=cr.float32), check_dtype=False)
    for wrong, message in (
        (([1.0], [2.0]), r"arrays\[0\] are not close"),
        ((cr.ones(2), cr.ones(3)), r"shapes \(2,\) and \(3,\)"),
        ((cr.ones(1), cr.ones(1, dtype=cr.float32)), "dtypes float64 and float32"),
        ((cr.tensor([np.nan]), cr.ones(1)), "1 of 1 elements differ"),
        (({"a": 1}, {"b": 1}), "keys"),
        (([1], [1, 2]), "1 and 2 entries"),
        (([None], [1]), "None and 1"),
    ):
        with pytest.raises(AssertionError, match=message):
            close(*wrong)
    with pytest.raises(AssertionError, match=r"^mine$"):
        close(1, 2, msg="mine")
    with pytest.raises(AssertionError, match=r"^but: arrays"):
        close(1, 2, msg=lambda text: f"but: {text}")


def test_random_numbers_in_between():
    cr.manual_seed(3)
    with cr.random.fork_rng():
        first = cr.rand(3)
    assert (cr.rand(3) == first).all()


def test_recurrent_layers_and_packed_sequences():
    lstm = nn.LSTM(3, 4, 2, bidirectional=True)
    lstm.flatten_parameters()
    assert [[p.shape for p in ps] for ps in lstm.all_weights] == [
        [tuple(p.shape) for p in ps] for ps in torch.nn.LSTM(3, 4, 2, bidirectional=True).all_weights
    ]
    packed = nn.utils.rnn.pack_sequence([np.ones((2, 3)), np.ones((1, 3))])
    assert packed.float().data.dtype == np.float32 and packed.to("cpu").cpu().double().data.dtype == np.float64
    assert lstm(packed.to(cr.float32))[0].data.shape == (3, 8) and not packed.is_cuda


def test_modules_at_their_paths():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()))
    model.set_submodule("0.1", nn.Sigmoid())
    assert repr(model[0]) == "Sequential(\n  (0): ReLU()\n  (1): Sigmoid()\n)"
    with pytest.raises(AttributeError, match="no_such"):
        model.set_submodule("0.no_such", nn.Tanh())


class Counting(optim.Optimizer):
    """As PyTorch's users write them: with any state."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(step=0, seen=[], mean=cr.zeros_like(p))
                state["step"] += 1
                state["seen"].append(p.grad.sum().item())
                state["mean"].add_(p.grad)
                p.data.add_(p.grad, alpha=-group["lr"])


def test_states_of_optimizers_of_users():
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    optimizer = Counting([x], 0.1)
    x.grad = cr.ones(2)
    optimizer.step()
    saved = optimizer.state_dict()
    optimizer.step()
    y = cr.ones(2, dtype=cr.float32).requires_grad_()
    other = Counting([y], 0.5)
    other.load_state_dict(saved)
    state = other.state[y]
    assert (
        state["step"] == 1 and state["seen"] == [2] and state["mean"].dtype == np.float32 and other.param_groups[0]["lr"] == 0.1
    )
    state["seen"].append(3)
    assert saved["state"][0]["seen"] == [2]


def test_schedules_of_one_optimizer():
    first, second = (Counting([cr.ones(1).requires_grad_()], 0.1) for _ in range(2))
    schedules = [optim.lr_scheduler.StepLR(o, 1) for o in (first, second)]
    with pytest.raises(cr.errors.ArgumentError, match="schedule 1, StepLR, is of another optimiser"):
        optim.lr_scheduler.SequentialLR(first, schedules, [2])
    assert issubclass(optim.lr_scheduler.StepLR, optim.lr_scheduler._LRScheduler)


class Whole(data.Dataset):
    asked: ClassVar[list] = []

    def __len__(self):
        return 4

    def __getitems__(self, indices):
        self.asked.append(indices)
        return [10 * i for i in indices]


def test_datasets_that_give_lists_of_samples():
    assert [b.tolist() for b in data.DataLoader(Whole(), 3)] == [[0, 10, 20], [30]] and Whole.asked == [[0, 1, 2], [3]]
    assert [b.tolist() for b in data.DataLoader(data.Subset(Whole(), [3, 1]), 2)] == [[30, 10]]
    both = data.ConcatDataset([[1, 2], [3]])
    assert both.cumulative_sizes == [2, 3] and not hasattr(data.Subset(both, [0]), "__getitems__")


def test_datasets_side_by_side():
    a, b = data.TensorDataset(np.arange(3)), ["x", "y", "z"]
    assert data.StackDataset(a, b)[1] == ((cr.tensor(1),), "y") and len(data.StackDataset(a, b)) == 3
    assert data.StackDataset(first=a, second=b)[2]["second"] == "z"
    for wrong, message in (
        (lambda: data.StackDataset(a, b[:2]), "differ in length"),
        (data.StackDataset, "by position or by name"),
    ):
        with pytest.raises(cr.errors.ArgumentError, match=message):
            wrong()


def test_numbers_in_the_place_of_switches():
    for wrong in (
        lambda: data.RandomSampler(range(9), 3),
        lambda: data.WeightedRandomSampler([1.0], 1, 4),
        lambda: data.BatchSampler(range(9), 2, 5),
    ):
        with pytest.raises(cr.errors.ArgumentError, match="must be True or False"):
            wrong()


def sgd(module):
    return module.optim.SGD([module.nn.Parameter(module.ones(1))], lr=0.1)


def of_schedules(module, optimizer):
    s = module.optim.lr_scheduler
    two = s.ConstantLR(optimizer, factor=0.5, total_iters=2), s.ExponentialLR(optimizer, gamma=0.9)
    return {
        "sequence": lambda: s.SequentialLR(optimizer, list(two), milestones=[2]),
        "chain": lambda: s.ChainedScheduler(list(two)),
        "lambda": lambda: s.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
    }


def rates(scheduler, n):
    found = []
    for _ in range(n):
        found.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sequence", "chain"])
def test_schedules_of_schedules(kind):
    """Within a sequence they begin as they do in PyTorch, which takes a step more."""
    theirs, ours = (
        module.optim.lr_scheduler.SequentialLR(o, [of_schedules(module, o)[kind]()], milestones=[])
        for module, o in ((torch, sgd(torch)), (cr, sgd(cr)))
    )
    assert rates(ours, 6) == pytest.approx(rates(theirs, 6))


def test_a_sequence_that_comes_later():
    one, two = sgd(cr), sgd(cr)
    later = of_schedules(cr, one)["sequence"]()
    before = cr.optim.lr_scheduler.ConstantLR(one, factor=0.1, total_iters=9)
    late = cr.optim.lr_scheduler.SequentialLR(one, [before, later], milestones=[2])
    assert rates(late, 8)[2:] == pytest.approx(rates(of_schedules(cr, two)["sequence"](), 6))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sequence", "chain", "lambda"])
def test_schedules_go_on_from_pytorch(kind):
    theirs, ours = sgd(torch), sgd(cr)
    before, after = of_schedules(torch, theirs)[kind](), of_schedules(cr, ours)[kind]()
    for _ in range(3):
        theirs.step()
        before.step()
    after.load_state_dict(before.state_dict())
    ours.param_groups[0]["lr"] = theirs.param_groups[0]["lr"]
    found = []
    for scheduler, optimizer in (before, theirs), (after, ours):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    assert found[0] == pytest.approx(found[1])


def test_schedules_of_objects():
    class Times:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, epoch):
            return self.factor * epoch

    first, second = (optim.lr_scheduler.LambdaLR(sgd(cr), Times(factor)) for factor in (10, 20))
    second.load_state_dict(first.state_dict())
    assert second.lr_lambdas[0].factor == 10 and first.state_dict()["lr_lambdas"] == [{"factor": 10}]


def test_state_dicts_of_other_times():
    norm = nn.BatchNorm1d(2)
    states = {f"module.{name}": x for name, x in norm.state_dict().items() if name != "num_batches_tracked"}
    nn.modules.utils.consume_prefix_in_state_dict_if_present(states, "module.")
    assert str(norm.load_state_dict(states)) == "<All keys matched successfully>" and norm.num_batches_tracked == 0


def test_hooks_that_return_too_few_gradients():
    layer = nn.Sigmoid()
    layer.register_full_backward_hook(lambda module, gi, go: ())
    with pytest.raises(cr.errors.ArgumentError, match="expected: 1    found: 0"):
        layer(cr.ones(2, requires_grad=True)).sum().backward()


@pytest.mark.parametrize(
    ("one", "other", "dim"),
    [
        ((2, 3), (1, 3), 0),
        ((3,), (2, 3), 0),
        ((3,), (2, 3), 1),
        ((2, 1, 3), (1, 4, 3), 1),
        ((2, 1, 3), (4, 3), -3),
        ((0, 3), (1, 3), 0),
    ],
)
def test_cosines_of_vectors_that_broadcast(one, other, dim):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=one), rng.normal(size=other)
    expected = torch.nn.functional.cosine_similarity(torch.tensor(x), torch.tensor(y), dim=dim).numpy()
    found = F.cosine_similarity(x, y, dim=dim)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert found.shape == expected.shape


@pytest.mark.parametrize("name", ["std", "var", "std_mean", "var_mean"])
def test_spread_by_a_switch(name):
    x = np.random.default_rng(0).normal(size=(3, 4))
    for unbiased in True, False:
        expected = getattr(torch, name)(torch.tensor(x), unbiased)
        np.testing.assert_allclose(getattr(cr, name)(x, unbiased), expected, rtol=1e-12)
        if "mean" not in name:
            np.testing.assert_allclose(getattr(cr.tensor(x), name)(unbiased), expected, rtol=1e-12)


def test_probabilities_of_binary_cross_entropy():
    for wrong in [2.0, 0.5], [0.5, -0.1]:
        with pytest.raises(cr.errors.ArgumentError, match="binary_cross_entropy_with_logits, or apply sigmoid"):
            F.binary_cross_entropy(np.array(wrong), np.ones(2))
    p = np.array([0.25, 1.0])
    loss = lambda p: F.binary_cross_entropy(p, np.ones(2))  # noqa: E731
    for f in loss, cr.compile(loss), cr.vmap(lambda p: loss(p[None] * np.ones(2)) / 1):
        assert np.sum(f(p)) > 0
    losses = cr.scan(lambda c, x: (c, loss(x)), 0.0, np.stack([p, p]))[1]
    np.testing.assert_allclose(losses, -np.log([0.5, 0.5]))
    assert F.binary_cross_entropy(np.zeros((0, 2)), np.zeros((0, 2)), reduction="sum") == 0


def test_datasets_see_changes_of_their_tensors():
    x = cr.zeros(3)
    dataset = data.TensorDataset(x)
    assert dataset[0][0].item() == 0
    x[0] = 5.0
    assert dataset[0][0].item() == 5 and next(iter(data.DataLoader(dataset, 3)))[0].tolist() == [5, 0, 0]


def test_words_that_choose_nothing(tmp_path):
    x = cr.tensor([1.0, 2.0], requires_grad=True)
    (g,) = cr.autograd.grad((x * x).sum(), x, None, True, True, only_inputs=True)
    assert g.tolist() == [2, 4]
    cr.save({"epoch": 3, "w": x.detach()}, tmp_path / "a.pt")
    found = cr.load(tmp_path / "a.pt", map_location="cpu", weights_only=True)
    assert found["epoch"] == 3 and found["w"].tolist() == [1, 2]


def test_what_is_registered():
    layer = nn.Linear(2, 3)
    layer.register_buffer("seen", cr.zeros(1))
    model = nn.Sequential(layer, nn.ReLU())
    assert list(layer._parameters) == ["weight", "bias"] and list(layer._buffers) == ["seen"] and layer._modules == {}
    assert model._modules["0"] is layer and len(model._modules) == 2 and "2" not in model._modules
    model._modules["1"] = nn.Tanh()
    assert isinstance(model[1], nn.Tanh)
    model._modules["2"] = nn.ReLU()
    assert len(model) == 3 and model._modules.pop("2") is not None and len(model) == 2
    del layer._parameters["bias"]
    assert not hasattr(layer, "bias") and [name for name, _ in layer.named_parameters()] == ["weight"]
    with pytest.raises(KeyError):
        del layer._parameters["seen"]
