"""Modules that PyTorch's scripts import, such as func, autograd.functional and utils.checkpoint: the numbers are PyTorch's."""

import copy
import importlib
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn

torch = pytest.importorskip("torch")
X, V = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])


def plain(x):
    if isinstance(x, (tuple, list)):
        return [plain(v) for v in x]
    return np.asarray(x.detach() if hasattr(x, "detach") else x)


def same(a, b):
    a, b = plain(a), plain(b)
    if isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def tensors(library, *arrays):
    return tuple(library.tensor(a, dtype=library.float64) for a in arrays)


def both(call):
    """The results of `call(library, x, v)` with chainrule and with PyTorch."""
    same(call(cr, *tensors(cr, X, V)), call(torch, *tensors(torch, X, V)))


FUNCTIONAL = {
    "jacobian": lambda t, x, v: t.autograd.functional.jacobian(lambda x: t.exp(x) * x.sum(), x),
    "jacobian, several": lambda t, x, v: t.autograd.functional.jacobian(lambda x, y: (x * y, y.sum()), (x, v)),
    "hessian": lambda t, x, v: t.autograd.functional.hessian(lambda x: (t.exp(x) * x).sum() ** 2, x),
    "hessian, several": lambda t, x, v: t.autograd.functional.hessian(lambda x, y: (x * x * y).sum(), (x, v)),
    "vjp": lambda t, x, v: t.autograd.functional.vjp(lambda x: t.sin(x) * 2, x, v),
    "vjp, several": lambda t, x, v: t.autograd.functional.vjp(lambda x, y: (x * y).sum(), (x, v)),
    "jvp": lambda t, x, v: t.autograd.functional.jvp(lambda x: t.sin(x) * 2, x, v),
    "hvp": lambda t, x, v: t.autograd.functional.hvp(lambda x: (t.exp(x) * x).sum(), x, v),
    "vhp": lambda t, x, v: t.autograd.functional.vhp(lambda x: (t.exp(x) * x).sum(), x, v),
    "hvp, several": lambda t, x, v: t.autograd.functional.hvp(lambda x, y: (x * x * y).sum(), (x, v), (v, x)),
}
FUNC = {
    "grad": lambda t, x, v: t.func.grad(lambda x: (t.sin(x) * v).sum())(x),
    "grad_and_value": lambda t, x, v: t.func.grad_and_value(lambda x: (t.sin(x) * v).sum())(x),
    "grad_and_value, aux": lambda t, x, v: t.func.grad_and_value(lambda x: ((x * v).sum(), x * 2), has_aux=True)(x),
    "vmap": lambda t, x, v: t.func.vmap(lambda a, b: a * b.sum(), in_dims=(0, None))(x, v),
    "vmap, out_dims": lambda t, x, v: t.func.vmap(lambda a: t.outer(v, a), in_dims=1, out_dims=2)(t.outer(x, v)),
    "vmap, chunks": lambda t, x, v: t.func.vmap(lambda a: (a.sum(), a * 2), chunk_size=2)(t.outer(x, v)),
    "jacrev, hessian": lambda t, x, v: (
        t.func.jacrev(t.sin)(x),
        t.func.hessian(lambda x: (x**3).sum())(x),
        t.func.jacfwd(t.cos)(x),
    ),
    "vjp": lambda t, x, v: t.func.vjp(t.sin, x)[1](v),
    "jvp": lambda t, x, v: t.func.jvp(t.sin, (x,), (v,)),
    "linearize": lambda t, x, v: t.func.linearize(t.sin, x)[1](v),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_autograd_functional(name):
    both(FUNCTIONAL[name])


@pytest.mark.parametrize("name", FUNC)
@pytest.mark.filterwarnings("ignore")
def test_func(name):
    both(FUNC[name])


def test_backward_of_several():
    def run(t, x, v):
        x.requires_grad_()
        y = x * 2
        t.autograd.backward([(y * y).sum(), y], [None, v])
        return x.grad

    both(run)
    assert cr.autograd.Variable([1.0], requires_grad=True).requires_grad


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(cr.tanh(self.norm(self.first(x))))


def test_functional_call():
    net = Net().double().eval()
    x = np.random.default_rng(0).normal(size=(4, 3))
    own, out = dict(net.named_parameters()), net(x).detach().numpy()
    other = {name: 2 * p.detach() for name, p in own.items()}
    found = cr.func.functional_call(net, other, (x,))
    assert not np.allclose(found.detach(), out) and np.array_equal(net(x).detach(), out)
    assert net.first.weight is net.last.weight is own["first.weight"]
    with cr.no_grad():
        for p in net.parameters():
            p.data = 2 * p.detach()
    np.testing.assert_allclose(net(x).detach(), found.detach())
    shifted = cr.func.functional_call(net, ({"norm.running_mean": np.ones(3)}, {"norm.running_var": np.full(3, 4.0)}), x)
    assert not np.allclose(shifted.detach(), net(x).detach())

    def loss(p):
        return (cr.func.functional_call(net, p, (x,)) ** 2).sum()

    (net(x) ** 2).sum().backward()
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    for gradient in cr.grad(loss)(parameters), cr.compile(cr.grad(loss))(parameters):
        for name, p in net.named_parameters():
            np.testing.assert_allclose(plain(gradient[name]), p.grad, rtol=1e-9, atol=1e-12)
    for wrong, strict in (({"second.weight": np.ones(3)}, False), ({}, True)):
        with pytest.raises(nn.MissingNameError, match="names differ"):
            cr.func.functional_call(net, wrong, (x,), strict=strict)


def test_an_ensemble():
    models = [nn.Sequential(nn.Linear(3, 4, dtype=float), nn.ReLU(), nn.Linear(4, 2, dtype=float)) for _ in range(5)]
    parameters, buffers = cr.func.stack_module_state(models)
    x = np.random.default_rng(1).normal(size=(7, 3))
    out = cr.func.vmap(lambda p, b: cr.func.functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    np.testing.assert_allclose(out.detach(), np.stack([m(x).detach() for m in models]), rtol=1e-12)


def test_checkpoint_of_utils():
    w = cr.tensor(np.random.default_rng(2).normal(size=(3, 3)), requires_grad=True)
    layers = [lambda x: cr.tanh(x @ w)] * 5
    expected = cr.autograd.grad(layers[4](layers[3](layers[2](layers[1](layers[0](cr.eye(3)))))).sum(), w)
    for segments in 1, 2, 5:
        from chainrule.utils.checkpoint import checkpoint_sequential

        same(cr.autograd.grad(checkpoint_sequential(layers, segments, cr.eye(3)).sum(), w), expected)


@pytest.mark.parametrize(
    "module, names",
    [
        ("autograd", "Function Variable backward grad gradcheck no_grad enable_grad set_grad_enabled functional"),
        ("autograd.functional", "jacobian hessian hvp vhp jvp vjp"),
        ("func", "grad vmap vjp jvp jacrev jacfwd hessian linearize functional_call stack_module_state grad_and_value"),
        (
            "utils.data",
            "DataLoader Dataset TensorDataset Subset ConcatDataset IterableDataset RandomSampler random_split",
        ),
        ("utils.checkpoint", "checkpoint checkpoint_sequential"),
        ("nn.functional", "relu softmax cross_entropy conv2d"),
        ("nn.utils.rnn", "pack_padded_sequence pad_sequence"),
        ("nn.init", "xavier_uniform_ kaiming_normal_"),
        ("optim.lr_scheduler", "StepLR OneCycleLR"),
    ],
)
def test_imports_of_scripts(module, names):
    ours, theirs = (importlib.import_module(f"{library}.{module}") for library in ("chainrule", "torch"))
    for name in names.split():
        assert hasattr(theirs, name) and callable(getattr(ours, name)) == callable(getattr(theirs, name)), name


class Wrapper(cr.nn.Module):
    """Hands on what it lacks to the module inside."""

    def __init__(self, module):
        super().__init__()
        self.module = module
        self._register_load_state_dict_pre_hook(self.before)
        self.register_load_state_dict_post_hook(after)

    def before(self, *args):
        self.loads = 1

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.module, name)


def after(module, keys):
    assert not keys.missing_keys
    module.loads += 1


def test_modules_that_hand_on_attributes():
    model = Wrapper(cr.nn.Linear(2, 3))
    assert model.weight is model.module.weight and model.__getattr__("module") is model.module
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'gone'"):
        getattr(model, "gone")  # noqa: B009
    for again in pickle.loads(pickle.dumps(model)), copy.deepcopy(model):  # hooks included
        again.load_state_dict(model.state_dict())
        assert again.loads == 2 and np.array_equal(again.weight.detach(), model.weight.detach())
    run = cr.compile(lambda x: model.module(x).sum() * model.in_features)
    assert run(cr.ones(2)).item() == pytest.approx(2 * model.module(cr.ones(2)).sum().item(), rel=1e-6)


class Failing(cr.nn.Module):
    @property
    def size(self):
        raise AttributeError("the cause")


def test_errors_of_properties_of_modules_stay():
    with pytest.raises(AttributeError, match="the cause"):
        getattr(Failing(), "size")  # noqa: B009
