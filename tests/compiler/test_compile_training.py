"""Whole training steps: after a compiled one, everything is as the eager one would have left it."""

import warnings

import numpy as np
import pytest
from agreement import agree, close, plain, state_of

import chainrule as cr
from chainrule import nn, optim
from chainrule.optim.closures import ClosureOptimizer

X = np.random.default_rng(0).normal(size=(6, 4, 5)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, size=(6, 4))


def network(*middle):
    return nn.Sequential(nn.Linear(5, 8), *(middle or (nn.ReLU(),)), nn.Linear(8, 3))


def batch(i):
    return X[i % 6], Y[i % 6]


def trainer(make_optimizer, make_model=network, zero="start", extra=None):
    """For `agree`: a training step of the usual form."""

    def make():
        model = make_model()
        optimizer = make_optimizer(model)
        loss_fn = nn.CrossEntropyLoss()

        def step(x, y):
            if zero == "start":
                optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            if extra is not None:
                extra(model)
            optimizer.step()
            if zero in ("none", "zeros"):
                optimizer.zero_grad(set_to_none=zero == "none")
            return loss.detach()

        return step, batch, (model, optimizer)

    return make


OPTIMIZERS = {
    "sgd": lambda m: optim.SGD(m.parameters(), lr=0.1),
    "sgd momentum": lambda m: optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd nesterov": lambda m: optim.SGD(m.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    "sgd dampening": lambda m: optim.SGD(m.parameters(), lr=0.1, momentum=0.9, dampening=0.1, maximize=True),
    "adam": lambda m: optim.Adam(m.parameters(), lr=0.01),
    "adam amsgrad": lambda m: optim.Adam(m.parameters(), lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda m: optim.AdamW(m.parameters(), lr=0.01, weight_decay=0.1),
    "rmsprop": lambda m: optim.RMSprop(m.parameters(), lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda m: optim.Adagrad(m.parameters(), lr=0.01, lr_decay=0.1),
    "groups": lambda m: optim.Adam([{"params": m[0].parameters(), "lr": 0.1}, {"params": m[2].parameters()}], lr=0.01),
}


@pytest.mark.parametrize("zero", ["start", "none", "zeros", "never"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, zero):
    f = agree(trainer(OPTIMIZERS[name], zero=zero))
    assert len(f.variants) <= 3


FOR_EVERY_LAYER = [
    name
    for name, kind in vars(optim).items()
    if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
    if not issubclass(kind, ClosureOptimizer) and name != "Muon"  # need a closure; matrices only
]


@pytest.mark.parametrize("name", FOR_EVERY_LAYER)
def test_every_optimizer_by_its_defaults(name):
    f = agree(trainer(lambda m: getattr(optim, name)(m.parameters(), lr=0.05)))
    assert len(f.variants) <= 2


def test_learning_rate_changes_between_calls_without_a_new_variant():
    def between(i, things):
        things[1].lr = 0.1 / (i + 1)

    assert len(agree(trainer(OPTIMIZERS["adam"]), 5, between).variants) <= 2


SCHEDULERS = {
    "step": lambda o: optim.lr_scheduler.StepLR(o, 2, 0.1),
    "cosine": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 10),
    "exponential": lambda o: optim.lr_scheduler.ExponentialLR(o, 0.9),
    "lambda": lambda o: optim.lr_scheduler.LambdaLR(o, lambda n: 1 / (n + 1)),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("optimizer", ["sgd momentum", "groups"])
def test_schedulers(name, optimizer):
    schedulers: dict = {}

    def between(i, things):
        scheduler = schedulers.setdefault(id(things[1]), SCHEDULERS[name](things[1]))
        if i:
            scheduler.step()

    assert len(agree(trainer(OPTIMIZERS[optimizer]), 5, between).variants) <= 2


def test_other_settings_of_an_optimizer_make_variants():
    def between(i, things):
        things[1].param_groups[0]["momentum"] = 0.9 if i < 2 else 0.5

    agree(trainer(OPTIMIZERS["sgd momentum"]), 5, between)


def test_a_group_added_between_calls():
    def make():
        w, v = cr.tensor(np.ones(3), requires_grad=True), cr.tensor(np.ones(3), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = cr.sum((w * v - x) ** 2)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, lambda i: (np.arange(3.0) + i,), (w, v, optimizer)

    def between(i, things):
        if i == 2:
            things[2].add_param_group({"params": [things[1]], "lr": 0.01})

    agree(make, 5, between)


CLIPPING = {
    "norm": lambda m: nn.utils.clip_grad_norm_(m.parameters(), 0.5),
    "value": lambda m: nn.utils.clip_grad_value_(m.parameters(), 0.01),
}


@pytest.mark.parametrize("name", CLIPPING)
@pytest.mark.parametrize("zero", ["start", "never"])
def test_gradient_clipping(name, zero):
    agree(trainer(OPTIMIZERS["adam"], extra=CLIPPING[name], zero=zero))


def test_gradients_accumulate_over_calls():
    def make():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def accumulate(x, y):
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss.detach()

        return accumulate, batch, (model, optimizer)

    def between(i, things):
        if i in (3, 6):
            things[1].step()
            things[1].zero_grad()

    assert len(agree(make, 8, between).variants) == 2


def test_two_compiled_functions_share_a_model():
    def make():
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        wrap = cr.compile if make.compiled else lambda f: f

        @wrap
        def forward_backward(x, y):
            nn.functional.cross_entropy(model(x), y).backward()

        @wrap
        def update():
            optimizer.step()
            optimizer.zero_grad()

        def step(x, y):
            assert forward_backward(x, y) is None
            update()

        return step, model, optimizer

    found = []
    for make.compiled in (False, True):
        cr.manual_seed(0)
        step, model, optimizer = make()
        for i in range(4):
            step(*batch(i))
        found.append([state_of(model), state_of(optimizer)])
    close(found[1], found[0])


def test_closures():
    def make():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            def closure():
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                return loss

            return optimizer.step(closure).detach()

        return step, batch, (model, optimizer)

    agree(make)


@pytest.mark.parametrize("freeze", ["before", "between", "both ways"])
def test_frozen_parameters(freeze):
    def between(i, things):
        model = things[0]
        if freeze == "before" or (freeze == "between" and i >= 2):
            model[0].weight.requires_grad_(False)
        elif freeze == "both ways":
            model[0].weight.requires_grad_(i % 2 == 0)

    agree(trainer(OPTIMIZERS["adam"]), 5, between)


def test_gradients_set_or_forgotten_from_outside():
    def between(i, things):
        for n, p in enumerate(things[0].parameters()):
            if i == 2:
                p.grad = None
            elif i == 3:
                p.grad = np.full(p.shape, 0.5, np.float32)
            elif i == 4 and n % 2:
                p.grad = None

    agree(trainer(OPTIMIZERS["sgd momentum"], zero="never"), 6, between)


@pytest.mark.parametrize(
    "layer", [lambda: nn.Dropout(0.4), lambda: nn.BatchNorm1d(8), lambda: nn.BatchNorm1d(8, momentum=None)]
)
def test_modes(layer):
    def between(i, things):
        things[0].train(i % 3 != 2)

    f = agree(trainer(OPTIMIZERS["sgd"], lambda: network(layer(), nn.ReLU()) if layer else None), 7, between)
    assert len(f.variants) <= 4


def test_random_numbers_are_those_of_the_eager_run():
    def make():
        def f(x):
            return x + cr.randn(3), cr.rand(2, 2), cr.random.bernoulli(np.full(5, 0.3)), cr.randperm(5)

        return f, lambda i: (np.ones(3),), ()

    f = agree(make, 4)
    cr.manual_seed(1)
    a = f(np.ones(3))
    b = f(np.ones(3))
    cr.manual_seed(1)
    close(f(np.ones(3)), a)
    assert not np.array_equal(plain(a[1]), plain(b[1]))


def test_a_generator_of_the_users_own():
    def make():
        generator = cr.random.Generator(5)
        return (lambda x: x + generator.normal(3)), lambda i: (np.ones(3),), (generator.state,)

    agree(make, 4, lambda i, things: None)


@pytest.mark.parametrize("what", ["data", "state dict", "parameter", "copy_", "numpy", "item"])
def test_parameters_changed_from_outside(what):
    def between(i, things):
        model = things[0]
        new = np.full((8, 5), 0.1 * i, np.float32)
        if i % 2 == 0:
            return
        if what == "data":
            model[0].weight.data = new
        elif what == "state dict":
            model.load_state_dict({k: v * 0.5 for k, v in model.state_dict().items()})
        elif what == "parameter":
            model[0].weight = nn.Parameter(new)
            things[1].param_groups[0]["params"][0] = model[0].weight
        elif what == "copy_":
            with cr.no_grad():
                model[0].weight.copy_(new)
        elif what == "numpy":
            model[0].weight.detach().numpy()[...] = new
        else:
            with cr.no_grad():
                model[0].weight[0, 0] = 3.0

    agree(trainer(OPTIMIZERS["sgd momentum"]), 6, between)


def test_a_layer_replaced_between_calls():
    def make():
        model = network()

        def f(x):
            return model(x).detach()

        return f, lambda i: (X[i],), (model,)

    def between(i, things):
        if i == 2:
            things[0][1] = nn.Tanh()
        elif i == 4:
            things[0][0] = nn.Linear(5, 8, bias=False)

    assert len(agree(make, 6, between).variants) == 3


def test_state_of_an_optimizer_loaded_or_cleared():
    saved: dict = {}

    def between(i, things):
        optimizer = things[1]
        if i == 2:
            saved["state"] = optimizer.state_dict()
        elif i == 4:
            optimizer.load_state_dict(saved["state"])
        elif i == 6:
            optimizer.state.clear()

    for name in ("adam", "sgd momentum", "adam amsgrad"):
        agree(trainer(OPTIMIZERS[name]), 9, between)


def test_tied_parameters():
    def model():
        m = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Linear(5, 3))
        m[2].weight = m[0].weight
        return m

    agree(trainer(OPTIMIZERS["adam"], model))


def test_modules_and_optimizers_as_arguments():
    def make():
        model = network()
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def step(model, optimizer, x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, lambda i: (model, optimizer, *batch(i)), (model, optimizer)

    def between(i, things):
        things[1].lr = 0.1 / (i + 1)
        things[0].train(i < 4)

    f = agree(make, 6, between)
    assert len(f.variants) <= 3


def test_another_model_as_argument():
    def make():
        models = network(), network()

        def f(model, x):
            return model(x).detach()

        return f, lambda i: (models[i % 2], X[i]), models

    agree(make, 6)


def test_the_loss_itself_is_returned():
    def make():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, batch, (model, optimizer)

    agree(make)


def test_returned_loss_walked_outside():
    def make():
        model = network(nn.BatchNorm1d(8), nn.Tanh())
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        loss_fn = nn.CrossEntropyLoss()
        inner = lambda x, y: loss_fn(model(x), y)  # noqa: E731
        forward = cr.compile(inner) if make.compiled else inner

        def step(x, y):
            optimizer.zero_grad()
            loss = forward(x, y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, model, optimizer

    found = []
    for make.compiled in (False, True):
        cr.manual_seed(0)
        step, model, optimizer = make()
        losses = [step(*batch(i)) for i in range(4)]
        found.append([losses, state_of(model), state_of(optimizer)])
    close(found[1], found[0])


# --- what others hold stays what it is ----------------------------------------------------------------------------------------


def test_snapshots_keep_their_values():
    def run(wrap):
        cr.manual_seed(0)
        model = network(nn.BatchNorm1d(8))
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.5)

        @wrap
        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        kept, copies = [], []
        for i in range(6):
            loss = step(*batch(i))
            p = model[0].weight
            now = [p.detach(), p.detach().numpy(), p.grad, p.grad.numpy(), loss, model[1].running_mean.detach()]
            now += [optimizer.state[p]["momentum_buffer"].detach(), p.detach()[1:3], *model.state_dict().values()]
            now += [p.detach().numpy()[:, ::2], p.detach().numpy().T]
            if i % 2:
                now = now[:3]
            kept.append(now)
            copies.append([plain(x) for x in now])
        for a, b in zip(kept, copies, strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(plain(x), y)
        return copies

    close(run(cr.compile), run(lambda f: f))


def test_eager_writing_through_a_view_and_compiled_reading():
    weights = np.ones(3)
    p = cr.tensor(weights, requires_grad=True)

    @cr.compile
    def step():
        p.grad = None
        cr.sum(p * p).backward()
        with cr.no_grad():
            p.sub_(0.1 * p.grad)

    for _ in range(4):
        step()
    np.testing.assert_array_equal(weights, 1)
    assert np.allclose(p.detach(), 0.8**4)


def test_arguments_that_are_parameters():
    def make():
        p = cr.tensor(np.arange(3.0), requires_grad=True)
        optimizer = optim.SGD([p], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = cr.sum((p - x.detach() * 2) ** 2)
            loss.backward()
            optimizer.step()
            return loss.detach(), x

        return step, lambda i: (p,), (p, optimizer)

    agree(make)


def test_arguments_that_share_memory_with_parameters():
    def make():
        p = cr.tensor(np.arange(3.0), requires_grad=True)
        optimizer = optim.SGD([p], lr=0.1, momentum=0.5)

        def step(x):
            optimizer.zero_grad()
            loss = cr.sum((p - x * 2) ** 2)
            loss.backward()
            optimizer.step()
            return loss.detach() + cr.sum(x)

        return step, lambda i: (p.detach().numpy() if i % 2 else p.detach(),), (p, optimizer)

    agree(make, 8)


def test_argument_updated_in_place():
    def make():
        t = cr.tensor(np.ones(4))

        def f(x, y):
            x += y
            x[0] = 7
            return cr.sum(x)

        return f, lambda i: (t, np.arange(4.0)), (t,)

    agree(make)


def test_two_arguments_that_are_one():
    def make():
        t = cr.tensor(np.ones(4))

        def f(x, y):
            x += 1
            return cr.sum(x * y)

        return f, lambda i: (t, t) if i % 2 else (t, cr.tensor(np.full(4, 2.0))), (t,)

    agree(make, 6)


def test_an_update_nobody_computes_from_the_old_value():
    def make():
        t, u = cr.tensor(np.ones(4)), cr.tensor(np.zeros(4))

        def f(x):
            t.data = x
            u.data = t.detach()
            return t

        return f, lambda i: (np.arange(4.0) + i,), (t, u)

    agree(make)


def test_swapped_tensors():
    def make():
        t, u = cr.tensor(np.ones(4)), cr.tensor(np.zeros(4))

        def f(x):
            a, b = t.detach(), u.detach()
            t.data, u.data = b + x, a
            return cr.sum(t)

        return f, lambda i: (np.arange(4.0) + i,), (t, u)

    agree(make, 5)


@pytest.mark.parametrize("channels", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("images", [1, 2])
def test_convolutions_of_single_numbers(channels, images):
    a, b = channels
    x = np.random.default_rng(0).normal(size=(images, a, 4, 4)).astype(np.float32)

    def make():
        cr.manual_seed(0)
        squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(a, b, 1), nn.SiLU(), nn.Conv2d(b, a, 1), nn.Sigmoid())
        optimizer = optim.SGD(squeeze.parameters(), lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = (squeeze(x) * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step

    eager, compiled = make(), cr.compile(make())
    for _ in range(3):
        close(compiled(x), eager(x))


def test_warnings_are_none():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agree(trainer(OPTIMIZERS["sgd"]), 30)


@pytest.mark.parametrize("width", [16, 400])
def test_large_updates_are_kernels_of_their_own(width):
    """Beside a product that goes through its result block by block, what does not fit into the cache is read out of order."""
    layer = cr.nn.Linear(width, width)
    adam = optim.Adam(layer.parameters())

    def step(x):
        adam.zero_grad()
        loss = (layer(x) ** 2).mean()
        loss.backward()
        adam.step()
        return loss.detach()

    x = cr.tensor(np.random.default_rng(0).normal(size=(32, width)).astype(np.float32))
    kernels = cr.compile(step).explain(x).kernels
    updates = [k.kind for k in kernels for w in k.writes if w.shape == (width, width) and k.in_place]
    assert set(updates) == ({"loops"} if width == 400 else {"product"})


def test_an_update_after_a_decision_stays_in_place():
    """Gradients that are finite are stepped with; what decides about that is not computed together with the step."""
    layer = cr.nn.Linear(100, 80)
    sgd = optim.SGD(layer.parameters(), lr=0.1)

    def step(x):
        sgd.zero_grad()
        loss = (layer(x) ** 2).mean()
        loss.backward()
        if cr.isfinite(sum((p.grad.detach() ** 2).sum() for p in layer.parameters())):
            sgd.step()
        return loss.detach()

    x = cr.tensor(np.random.default_rng(0).normal(size=(32, 100)).astype(np.float32))
    report = cr.compile(step).explain(x)
    assert len(report.in_place) >= 2
    assert sorted(v for k in report.kernels for v in k.in_place.values()) == sorted(report.in_place)


def test_products_of_products_of_small_matrices():
    def inverse(x):
        z = x.T / 20
        for _ in range(8):  # each turn has four products, which must not all be unrolled into each other
            y = x @ z
            z = 0.25 * z @ (13 * np.eye(4) - y @ (15 * np.eye(4) - y @ (7 * np.eye(4) - y)))
        return z

    x = np.eye(4) * 3 + np.random.default_rng(0).normal(size=(4, 4)) / 4
    close(cr.compile(cr.grad(lambda x: (inverse(x) ** 2).sum()))(x), cr.grad(lambda x: (inverse(x) ** 2).sum())(x))
