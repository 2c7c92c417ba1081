"""What scripts ask of PyTorch besides numbers."""

import importlib

import numpy as np
import pytest

import chainrule as cr


def test_devices():
    cpu = cr.device("cpu")
    assert cpu == "cpu" and cpu.type == "cpu" and cpu.index is None and isinstance(cr.zeros(2).device, cr.device)
    assert cr.zeros(2, device=cpu).to(cpu).device.type == "cpu" and cr.get_default_device() == cr.device(type="cpu")
    with cr.device("cpu"):
        assert cr.zeros(2).sum() == 0
    card = cr.device("cuda", 1)  # may be named, as defaults of functions do, but not used
    assert (card, card.type, card.index) == ("cuda:1", "cuda", 1) and cr.device("cpu:0") == cpu and cr.device(1) == card
    layer = cr.nn.Linear(1, 1)
    for wrong in (
        lambda: cr.set_default_device("cuda:0"),
        lambda: cr.rand(2, device="cuda"),
        lambda: cr.tensor(1.0, device=card),
        lambda: cr.zeros(2).to(card),
        lambda: layer.to(card),
        lambda: cr.nn.Linear(1, 1, device=card),
        card.__enter__,
    ):
        with pytest.raises(cr.errors.UnsupportedError, match="computes on the CPU"):
            wrong()
    with pytest.raises(cr.errors.ArgumentError, match="device 'gpu'"):
        cr.device("gpu")
    assert not cr.cuda.is_available() and cr.cuda.device_count() == 0 and not cr.backends.cudnn.is_available()
    cr.backends.cudnn.benchmark = True
    cr.use_deterministic_algorithms(True)
    cr.set_float32_matmul_precision("high")
    assert cr.are_deterministic_algorithms_enabled()


def test_threads():
    before = cr.get_num_threads()
    try:
        cr.set_num_threads(2)
        assert cr.get_num_threads() == 2
        with pytest.raises(cr.errors.ArgumentError, match="number of threads"):
            cr.set_num_threads(0)
    finally:
        cr.set_num_threads(before)


def test_kinds_of_tensors():
    assert cr.FloatTensor([1, 2]).dtype == np.float32 and cr.LongTensor(2, 3).shape == (2, 3)
    assert isinstance(cr.zeros(1).dtype, cr.dtype) and cr.BoolTensor([1, 0]).tolist() == [True, False]
    x = cr.tensor([1.5, -1.0])
    assert (x < 0).type(cr.Tensor).dtype == np.float32 and x.type(cr.LongTensor).tolist() == [1, -1]
    assert x.type(cr.float64).dtype == np.float64 and x.type() == "chainrule.float64"
    for like in cr.zeros_like, cr.ones_like, cr.empty_like, cr.rand_like:
        assert like(x, memory_format=cr.preserve_format).shape == (2,)
    assert x.clone(memory_format=cr.contiguous_format).contiguous(memory_format=cr.channels_last).tolist() == [1.5, -1]
    assert x.new(3).tolist() == [0, 0, 0]


def test_functions_that_change_their_argument():
    x = cr.tensor([1.0, 4.0])
    assert cr.sqrt_(x) is x and x.tolist() == [1, 2]
    assert cr.relu_(x) is x and cr.clamp_(x, max=1.5).tolist() == [1, 1.5]
    out = cr.zeros(2)
    assert cr.mul(x, 2.0, out=out) is out and out.tolist() == [2, 3]
    with pytest.raises(AttributeError):
        cr.nothing_  # noqa: B018
    with pytest.raises(AttributeError):
        cr.__wrong__  # noqa: B018


def test_functions_of_layers():
    assert all(hasattr(cr, name) for name in cr.pytorch.FUNCTIONAL)
    assert cr.layer_norm(cr.ones(2, 3), (3,)).tolist() == [[0] * 3] * 2


def test_autocast_and_scaler_train_as_without():
    def train(scaler, context):
        w = cr.nn.Parameter(np.array([1.0]))
        optimizer = cr.optim.SGD([w], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            with context:
                loss = (w * w).sum()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        return w.item()

    old = importlib.import_module("chainrule.cuda.amp")
    found = [train(cr.GradScaler(), cr.autocast("cuda")), train(old.GradScaler(), old.autocast())]
    assert np.allclose(found, 0.8**3)
    assert cr.amp.autocast("cuda", enabled=False)(lambda: 3)() == 3
    with pytest.raises(cr.errors.UnsupportedError, match="bfloat16"):
        cr.autocast("cpu")


def test_places_of_imports():
    places = {
        "autograd.function": "Function once_differentiable",
        "nn.modules.batchnorm": "_BatchNorm",
        "nn.modules.container": "Sequential",
        "nn.modules.loss": "_Loss _WeightedLoss",
        "nn.modules.module": "Module",
        "nn.modules.utils": "_single _pair _triple",
        "optim.optimizer": "Optimizer required",
        "cuda.amp": "autocast GradScaler",
        "amp": "autocast GradScaler",
        "jit": "script ignore",
        "distributions.kl": "kl_divergence register_kl",
    }
    for place, names in places.items():
        module = importlib.import_module(f"chainrule.{place}")
        assert all(hasattr(module, name) for name in names.split()), place
    assert isinstance(cr.nn.BatchNorm2d(3), cr.nn.modules.batchnorm._BatchNorm)
    assert cr.nn.modules.utils._pair(3) == (3, 3) == cr.nn.modules.utils._pair([3, 3])
    assert (
        cr.jit.Final[int] is not None
        and cr.jit.script(len) is len
        and cr.jit.ignore(len) is len
        and cr.jit.ignore(drop=True)(len) is len
    )


def test_a_required_setting():
    class Mine(cr.optim.Optimizer):
        def __init__(self, params, lr=cr.optim.optimizer.required):
            super().__init__(params, {"lr": lr})

    p = cr.nn.Parameter(np.ones(1))
    assert Mine([p], lr=1.0).param_groups[0]["lr"] == 1 and Mine([{"params": [p], "lr": 2.0}]).param_groups[0]["lr"] == 2
    with pytest.raises(ValueError, match="every group needs lr"):
        Mine([p])


def test_generators():
    g = cr.Generator("cpu")
    assert g.manual_seed(7) is g and g.initial_seed() == 7 and cr.Generator(device="cpu") is not None
    cr.manual_seed(3)
    assert cr.initial_seed() == 3


def test_names_of_dtypes():
    x = cr.tensor([1.5])
    for name, dtype in {"torch.FloatTensor": "float32", "chainrule.float64": "float64", "float32": "float32"}.items():
        assert x.type(name).dtype == dtype
    assert x.half().type(x.type()).dtype == x.dtype


def test_tensors_by_their_shape():
    for sizes in (), (3,), (2, 3), (2, 3, 4), (1, 2, 3, 4, 5):
        x = cr.Tensor(*sizes)
        assert x.shape == (sizes or (0,)) and x.dtype == np.float64 and not x.any()
    layer = cr.nn.Parameter(cr.Tensor(2, 3))
    assert cr.nn.init.ones_(layer).sum() == 6 and layer.requires_grad
    assert cr.Tensor([2, 3]).tolist() == [2, 3] and cr.Tensor((2, 3)).tolist() == [2, 3] and cr.Tensor(2.5).item() == 2.5


def test_detach_as_a_function():
    assert not cr.detach(cr.tensor(2.0, requires_grad=True)).requires_grad


def test_small_questions():
    x = cr.tensor([1.0, 2.0])
    assert not (cr.is_conj(x) or cr.is_neg(x) or cr.is_inference(x) or x.is_nested or x.is_shared())
    assert cr.is_signed(x) and cr.is_same_size(x, x) and cr.resolve_conj(x) is x and x.layout == cr.strided
    assert x.storage_offset() == 0 and cr.CharTensor([1]).dtype == np.int8
    cr.set_num_interop_threads(2)
    assert cr.get_num_interop_threads() == 1 and not cr.set_flush_denormal(True)
    start = cr.seed()
    a = cr.rand(3)
    cr.manual_seed(start)
    assert (cr.rand(3) == a).all() and cr.seed() != start


def test_elements_one_by_one():
    x = cr.tensor([[1.0], [2.0]])
    assert x.apply_(lambda v: v + 1) is x and x.tolist() == [[2], [3]]
    assert x.map_(cr.tensor([[5.0], [7.0]]), lambda a, b: a * b).tolist() == [[10], [21]]
    with pytest.raises(cr.errors.NonDifferentiableError, match="no derivative"):
        x.requires_grad_().apply_(abs)


def test_other_sizes():
    x = cr.tensor([1.0, 2.0, 3.0])
    assert x.resize_(2, 2) is x and x.tolist() == [[1, 2], [3, 0]]
    assert x.resize_((2,)).tolist() == [1, 2] and x.resize_as_(cr.zeros(1, 2)).shape == (1, 2)
    y = x[0]
    with pytest.raises(cr.errors.UnsupportedError, match="has views"):
        x.resize_(1)
    assert y.tolist() == [1, 2]


def test_computed_parameters_are_kept_while_cached():
    parametrize = cr.nn.utils.parametrize
    layer = cr.nn.utils.parametrizations.weight_norm(cr.nn.Linear(2, 3))
    assert parametrize.type_before_parametrizations(layer) is cr.nn.Linear and layer.weight is not layer.weight
    with parametrize.cached():
        w = layer.weight
        assert w is layer.weight
        with parametrize.cached():
            (layer.weight * layer.weight).sum().backward()
        layer.weight = np.ones((3, 2))
        assert layer.weight is not w and np.allclose(layer.weight.detach(), 1)
    assert layer.weight is not layer.weight and layer.parametrizations.weight.original1.grad is not None


def test_what_is_named_and_has_no_effect():
    x = cr.tensor([1.0, 2.0])
    assert x.dtype not in (cr.float16, cr.bfloat16)
    with pytest.raises(TypeError, match="bfloat16"):
        x.to(cr.bfloat16)
    with pytest.raises(cr.errors.UnsupportedError, match="cuda"):
        x.cuda()
    double = cr.compile(lambda x: x * 2, fullgraph=True, dynamic=True, mode="max-autotune", backend="inductor", options={})
    assert double(x).tolist() == [2, 4] and double.variants
    assert cr.compile(mode="default")(len)([1]) == 1 and cr.compile(len, disable=True) is len
    assert cr.jit.trace(double, (x,)) is double and not isinstance(double, cr.jit.ScriptFunction | cr.jit.ScriptModule)
    stream = cr.random.Generator(3)
    assert stream.seed() == stream.initial_seed() != stream.seed()
    assert cr.default_generator.device.type == "cpu" and cr.rand(2, dtype=cr.complex64).dtype == np.complex64
    assert np.array_equal(cr.einsum("ij->i", [cr.ones(2, 3)]), [3, 3])  # a list of operands
    assert np.array_equal(cr.einsum("kij->i", [np.ones((2, 3))]), [3, 3])  # one operand, a list
    assert cr.broadcast_shapes((2, 1), (3,)).numel() == 6
    m = cr.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.array_equal(m.transpose(0, -1), m.T) and np.array_equal(m.transpose(-2, -1), m.T)


def test_uniform_complex_numbers():
    z = cr.rand(2000, dtype=cr.complex128)
    for part in (z.real, z.imag):
        assert (part >= 0).all() and (part < 1).all() and abs(part.mean() - 0.5) < 0.05
    assert cr.rand_like(z).dtype == np.complex128 and abs(np.corrcoef(z.real.numpy(), z.imag.numpy())[0, 1]) < 0.1


def test_shapes_that_do_not_fit_are_runtime_errors_too():
    for wrong in (lambda: cr.zeros(2, 3).expand(3), lambda: cr.zeros(2) @ cr.zeros(3), lambda: cr.zeros(4).reshape(3)):
        with pytest.raises(RuntimeError) as caught:
            wrong()
        assert isinstance(caught.value, ValueError) and "help:" in str(caught.value)


def test_an_element_set_to_a_vector_of_one():
    def f(x):
        out = cr.zeros(2, 2)
        out[0, 1] = x[:1] ** 2
        out[1] = x[None, None, 1:] * 3
        return (out * np.arange(1.0, 5).reshape(2, 2)).sum()

    x = np.array([2.0, 5.0])
    assert np.array_equal(cr.grad(f)(x), [8, 21]) and np.array_equal(cr.grad(cr.compile(f))(x), [8, 21])
    with pytest.raises(ValueError, match="do not fit"):
        cr.zeros(2)[0] = cr.ones(2)
