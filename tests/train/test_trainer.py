"""Trainer: the same weights as other ways to train; compiled steps; weights, accumulation, averages; evaluate and predict."""

import time
import tracemalloc

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim, train
from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import DivergedError, Trainer, evaluate, fit
from chainrule.train.step import SHAPES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 5))
LABELS = (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int)
Y = np.stack([X[:, 0], X[:, 1] - X[:, 2]], 1)


def network(dtype=np.float64, outputs=2):
    cr.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, outputs))
    return model.to(dtype)


def batches(n=16):
    return [(cr.tensor(X[i : i + n]), cr.tensor(LABELS[i : i + n])) for i in range(0, len(X), n)]


def weights(model):
    return np.concatenate([np.asarray(p.detach()).ravel() for p in model.parameters()])


# --- one model, many ways ---------------------------------------------------------------------------------------------


def by_hand(model, epochs, compiled=False):
    optimizer, loss_of = optim.SGD(model.parameters(), lr=0.1, momentum=0.9), nn.CrossEntropyLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()

    step = cr.compile(step) if compiled else step
    for _ in range(epochs):
        for x, y in batches():
            step(x, y)
    return weights(model)


def by_trainer(model, epochs, compile):
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    Trainer(model, nn.CrossEntropyLoss(), optimizer, compile=compile).fit(batches(), epochs=epochs)
    return weights(model)


def by_grad(model, epochs, compiled=False):
    """The model as a tree: gradients, velocities and new parameters are trees of the same structure."""

    def gradient(model, x, y):
        return cr.grad(lambda model: nn.functional.cross_entropy(model(x), y))(model)

    gradient = cr.compile(gradient) if compiled else gradient
    velocity = None
    for _ in range(epochs):
        for x, y in batches():
            grads = [g.detach() for g in cr.tree_leaves(gradient(model, x, y))]
            velocity = grads if velocity is None else [0.9 * v + g for v, g in zip(velocity, grads, strict=True)]
            for p, v in zip(model.parameters(), velocity, strict=True):
                p.data = np.asarray(p.detach()) - 0.1 * np.asarray(v)
    return weights(model)


WAYS = {
    "hand-written, compiled": lambda m, n: by_hand(m, n, compiled=True),
    "Trainer": lambda m, n: by_trainer(m, n, False),
    "Trainer, compiled": lambda m, n: by_trainer(m, n, "always"),
    "grad over the Module": by_grad,
    "grad over the Module, compiled": lambda m, n: by_grad(m, n, compiled=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_all_ways_to_train_give_the_same_weights(way):
    np.testing.assert_allclose(WAYS[way](network(), 5), by_hand(network(), 5), rtol=1e-9, atol=1e-11)


def test_ways_can_be_mixed_on_one_model():
    """A few epochs each by another way on one model and one optimiser."""
    model, loss_of = network(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    trainer = Trainer(model, loss_of, optimizer, compile="always")

    def epoch_by_hand(model, optimizer):
        for x, y in batches():
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            optimizer.step()

    trainer.fit(batches(), epochs=2)
    epoch_by_hand(model, optimizer)
    trainer.fit(batches(), epochs=1)
    same = network()
    adam = optim.Adam(same.parameters(), lr=0.01)
    for _ in range(4):
        epoch_by_hand(same, adam)
    np.testing.assert_allclose(weights(model), weights(same), rtol=1e-9, atol=1e-11)


# --- compiled steps ---------------------------------------------------------------------------------------------------


def run(compile, **options):
    cr.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    arrays = (X.astype(np.float32), LABELS)
    options = {
        "loss": nn.CrossEntropyLoss(),
        "epochs": 4,
        "batch_size": 20,
        "metrics": ["accuracy"],
        "validation": arrays,
    } | options
    return model, fit(model, options.pop("data", arrays), optimizer=optimizer, seed=5, compile=compile, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_norm": 0.1},
        {"clip_value": 0.01},
        {"accumulate": 2},
        {"accumulate": 3, "clip_norm": 0.1},
        {"ema": 0.9},
        {"class_weight": {1: 3.0}},
        {"sample_weight": np.linspace(0, 2, 48)},
    ],
    ids=lambda o: "-".join(o) or "plain",
)
def test_compiled_is_eager(options):
    a, b = run("always", **options), run(False, **options)
    np.testing.assert_allclose(weights(a[0]), weights(b[0]), rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(a[1].train_loss, b[1].train_loss, rtol=1e-4)
    np.testing.assert_allclose(a[1].validation_loss, b[1].validation_loss, rtol=1e-3)
    for layer, norms in b[1].gradient_norms.items():
        np.testing.assert_allclose(a[1].gradient_norms[layer], norms, rtol=2e-3)
    for (name, x), y in zip(a[0].named_buffers(), b[0].buffers(), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_run_is_the_same_each_time_to_the_last_bit():
    np.testing.assert_array_equal(weights(run("always")[0]), weights(run("always")[0]))


def test_short_runs_are_not_compiled_and_say_so():
    model = network()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    trainer.fit(batches(), epochs=1)
    assert "3 steps" in trainer.uncompiled
    trainer.fit(batches(), epochs=400)
    assert trainer.uncompiled is None and trainer.take_step.known


def test_what_cannot_be_compiled_runs_as_it_stands_and_says_why():
    seen = []

    def loss(output, target):
        seen.append(1)
        return nn.functional.cross_entropy(output, target)

    model = network()
    with pytest.warns(UserWarning, match=r"fit: runs uncompiled\n[\s\S]*compile=False"):
        Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1, momentum=0.9), compile="always").fit(batches(), epochs=5)
    np.testing.assert_allclose(weights(model), by_hand(network(), 5), rtol=1e-9, atol=1e-11)


def test_many_shapes_of_batches():
    sizes = range(1, SHAPES + 4)
    given = [(cr.tensor(X[:n]), cr.tensor(LABELS[:n])) for n in sizes]
    model, same = network(), network()
    with pytest.warns(UserWarning, match=f"more than {SHAPES} shapes"):
        Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), compile="always").fit(given, epochs=2)
    Trainer(same, nn.CrossEntropyLoss(), optim.Adam(same.parameters()), compile=False).fit(given, epochs=2)
    np.testing.assert_allclose(weights(model), weights(same), rtol=1e-8, atol=1e-10)


def test_lbfgs():
    model = network(outputs=2)
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=10)
    trainer = Trainer(model, nn.MSELoss(), optimizer)
    h = trainer.fit([(cr.tensor(X), cr.tensor(Y))], epochs=15)
    assert h.train_loss[-1] < 1e-3 and "L-BFGS" in trainer.uncompiled
    with pytest.raises(ArgumentError, match="L-BFGS"):
        Trainer(model, nn.MSELoss(), optimizer, clip_norm=1.0).fit([(cr.tensor(X), cr.tensor(Y))], epochs=1)


# --- what a step may do besides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [12, 10])
def test_accumulated_gradients_are_those_of_one_batch(n):
    """Four batches of 12, and four of 10 with eight samples left, which are a step of their own."""
    a, b = network(), network()
    Trainer(a, nn.CrossEntropyLoss(), optim.SGD(a.parameters(), lr=0.5), accumulate=4, compile=False).fit(batches(n), epochs=2)
    optimizer = optim.SGD(b.parameters(), lr=0.5)
    for _ in range(2):
        for part in (slice(0, 4 * n), slice(4 * n, 48)):
            if len(X[part]):
                optimizer.zero_grad()
                nn.CrossEntropyLoss()(b(cr.tensor(X[part])), cr.tensor(LABELS[part])).backward()
                optimizer.step()
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-9)


def test_weights_of_samples_and_classes():
    def loss(model, w):
        output = model(cr.tensor(X))
        each = nn.functional.cross_entropy(output, cr.tensor(LABELS), reduction="none")
        return (each * cr.tensor(w)).mean()

    w = RNG.uniform(size=48).astype(np.float32)
    by_class = np.where(LABELS == 1, 4.0, 1.0)
    for options, fitting, expected in (
        ({}, {"sample_weight": w}, w.astype(float)),
        ({"class_weight": {1: 4.0}}, {}, by_class),
        ({"class_weight": [1.0, 4.0]}, {"sample_weight": w}, w * by_class),
    ):
        model, same = network(), network()
        trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=1.0), **options)
        loader = (X, LABELS)
        trainer.fit(loader, epochs=1, batch_size=48, **fitting)
        optimizer = optim.SGD(same.parameters(), lr=1.0)
        loss(same, expected).backward()
        optimizer.step()
        np.testing.assert_allclose(weights(model), weights(same), rtol=1e-6)


def test_average_of_the_weights_is_what_counts():
    model = network()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.5), ema=0.8, compile="always")
    path = []
    for _ in range(4):
        trainer.fit([batches()[0]], epochs=1)
        path.append(weights(model))
    expected = path[0]
    for w in path[1:]:
        expected = 0.8 * expected + 0.2 * w
    np.testing.assert_allclose(weights(trainer.averaged.module), expected, rtol=1e-9)
    np.testing.assert_allclose(trainer.predict(X), np.asarray(trainer.averaged.module(cr.tensor(X)).detach()), rtol=1e-9)


def test_validation_split_holds_out_the_end():
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

        def forward(self, x):
            seen.append((self.training, sorted(np.asarray(x.detach())[:, 0].tolist())))
            return self.layer(x)

    x = np.arange(10.0, dtype=np.float32)[:, None]
    model = Watch()
    fit(
        model,
        (x, x),
        loss=nn.MSELoss(),
        optimizer=optim.SGD(model.parameters(), lr=1e-4),
        epochs=1,
        validation_split=0.3,
        batch_size=7,
    )
    assert seen == [(True, [0, 1, 2, 3, 4, 5, 6]), (False, [7, 8, 9])]


@pytest.mark.parametrize("given, error", [
    ({"validation_split": 1.5}, "between 0 and 1"),
    ({"validation_split": 0.001}, "one part empty"),
    ({"validation_split": 0.5, "validation": (X, LABELS)}, "several kinds"),
    ({"sample_weight": np.ones(3)}, "one number, not negative"),
    ({"sample_weight": -np.ones(48)}, "one number, not negative"),
    ({"epochs": -1}, "epochs"),
    ({"callbacks": [3]}, "a callback is"),
    ({"resume": True}, "ModelCheckpoint"),
])  # fmt: skip
def test_bad_arguments_of_fit(given, error):
    model = network()
    with pytest.raises((ArgumentError, ShapeError), match=error):
        Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1)).fit((X, LABELS), **{"epochs": 1} | given)


def test_other_bad_arguments():
    model = network()
    sgd = optim.SGD(model.parameters(), lr=0.1)
    for options in ({"accumulate": 0}, {"compile": "yes"}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            Trainer(model, nn.CrossEntropyLoss(), sgd, **options)
    with pytest.raises(ArgumentError, match="needs a loss and an optimizer"):
        Trainer(model).fit((X, LABELS), epochs=1)
    with pytest.raises(ArgumentError, match="with `reduction`"):
        Trainer(model, lambda o, t: o.sum(), sgd, class_weight=[1, 2]).fit((X, LABELS), epochs=1)
    with pytest.raises(ArgumentError, match="whole numbers"):
        Trainer(model, nn.MSELoss(), sgd, class_weight=[1, 2]).fit((X, Y), epochs=1)
    with pytest.raises(ArgumentError, match="arrays or a Dataset"):
        Trainer(model, nn.CrossEntropyLoss(), sgd).fit(batches(), epochs=1, validation_split=0.5)
    with pytest.raises(ArgumentError, match="as arrays"):
        Trainer(model, nn.CrossEntropyLoss(), sgd).fit(batches(), epochs=1, sample_weight=np.ones(48))


# --- using a model ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compile", [False, "always"])
def test_evaluate_and_predict(compile):
    model = nn.Sequential(network(), nn.Dropout(0.5))
    trainer = Trainer(model, nn.CrossEntropyLoss(), metrics=["accuracy", "confusion_matrix"], compile=compile)
    expected = np.asarray(network()(cr.tensor(X)).detach())
    for given in (X, cr.tensor(X), [X], data.DataLoader(data.TensorDataset(X, LABELS), 7), data.TensorDataset(X, LABELS)):
        out = trainer.predict(given, batch_size=10)
        assert type(out) is np.ndarray
        np.testing.assert_allclose(out, expected, rtol=1e-9)
    found = trainer.evaluate((X, LABELS), batch_size=10)
    assert found["accuracy"] == (expected.argmax(1) == LABELS).mean() and np.sum(found["confusion_matrix"]) == 48
    assert found["loss"] == pytest.approx(evaluate(model, (X, LABELS), nn.CrossEntropyLoss())["loss"])
    assert model.training
    with pytest.raises(ArgumentError, match="no batches"):
        trainer.predict([])


def test_predict_of_several_outputs():
    class Two(nn.Module):
        def forward(self, x):
            return x + 1, x * 2

    a, b = Trainer(Two()).predict(X, batch_size=9)
    np.testing.assert_array_equal(a, X + 1)
    np.testing.assert_array_equal(b, X * 2)


# --- what went wrong --------------------------------------------------------------------------------------------------


class Logs(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Linear(5, 4), nn.Linear(4, 2)

    def forward(self, x):
        masked = cr.where(x > 0, x, -np.inf)  # an infinity that does no harm
        x = self.first(cr.where(x > 0, masked, 0.0))
        return self.second(cr.log(x))  # the culprit


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("compile", [False, "always"])
def test_the_first_culprit_is_named(compile):
    cr.manual_seed(0)
    model = Logs()
    before = weights(model)
    with pytest.raises(DivergedError) as caught:
        fit(
            model, (X.astype(np.float32), LABELS), loss=nn.CrossEntropyLoss(), epochs=3, compile=compile,
            optimizer=optim.Adam(model.parameters()), batch_size=12,
        )  # fmt: skip
    message = str(caught.value)
    with open(__file__) as file:
        line = next(n for n, text in enumerate(file, 1) if text.endswith("# the culprit\n"))
    assert f"first operation with a non-finite result: log at test_trainer.py:{line}: nan" in message
    assert "first layer with a non-finite output: second (Linear)" in message
    assert "epoch 1, batch 1" in message and "data and parameters are finite" in message
    np.testing.assert_array_equal(weights(model), before)  # the step was not taken


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_that_overflows_on_the_way_back():
    model = nn.Linear(5, 1)

    def loss(output, target):
        return (
            cr.sqrt(cr.abs(output * 0.0)).sum() + cr.power(output * 1e-30, 0.25).sum() * 0 + (output - target).square().mean()
        )

    with pytest.raises(DivergedError, match=r"first operation with a non-finite result: \w+ at test_trainer.py"):
        fit(
            model, (X[:, :5].astype(np.float32), Y[:, :1].astype(np.float32)), loss=loss, epochs=1,
            optimizer=optim.SGD(model.parameters(), lr=0.1),
        )  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_parameters_that_were_spoilt_are_named():
    model = network()
    model[2].bias.data = np.array([0.0, np.inf])
    with pytest.raises(DivergedError, match=r"first parameter with a non-finite value: 2.bias \(inf at \[1\]\)"):
        fit(model, (X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=1)


# --- large data -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_is_flat_on_sixty_thousand_images():
    """Of the size of Fashion-MNIST: 20 epochs need no more memory than two. How long loading takes is printed (`pytest -s`)."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60_000, 784), dtype=np.uint8).astype(np.float32) / 255
    labels = rng.integers(0, 10, 60_000)
    loader = data.DataLoader(data.TensorDataset(images, labels), batch_size=256, shuffle=True, seed=0)
    waited, peaks = [], []

    class Timed:
        def __len__(self):
            return len(loader)

        def __iter__(self):
            batches = iter(loader)
            while True:
                began = time.perf_counter()
                batch = next(batches, None)
                waited.append(time.perf_counter() - began)
                if batch is None:
                    return
                yield batch

    def memory(history, model):
        peaks.append(tracemalloc.get_traced_memory()[0])

    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = optim.Adam(model.parameters())
    began = time.perf_counter()
    fit(model, Timed(), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=3, metrics="accuracy")
    share = sum(waited) / (time.perf_counter() - began)
    tracemalloc.start()
    try:
        fit(model, Timed(), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=20, metrics="accuracy", callbacks=[memory])
    finally:
        tracemalloc.stop()
    print(f"loading takes {100 * share:.1f} % of the time; memory after 2 and 20 epochs: {peaks[1]:,} and {peaks[-1]:,} bytes")
    assert peaks[-1] - peaks[1] < 2e6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": nn.Linear}, "the model is a Module(.|\\n)*the class Linear"),
        ({"model": lambda x: x}, "the model is a Module(.|\\n)*function"),
        ({"optimizer": lambda params: optim.SGD(params, lr=0.1)}, "the optimizer is an Optimizer"),
        ({"optimizer": optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)}, "holds no parameter of the model"),
        ({"loss": lambda output, target: None}, "the loss gave None"),
        ({"callbacks": [train.EarlyStopping]}, "the class EarlyStopping"),
    ],
)
def test_what_is_no_part_of_a_training_run(change, said):
    options = {"model": nn.Linear(2, 1), "loss": "mse", "optimizer": "sgd", "callbacks": (), **change}
    callbacks = options.pop("callbacks")
    with pytest.raises(ArgumentError, match=said):
        train.Trainer(**options).fit((np.ones((4, 2)), np.ones((4, 1))), callbacks=callbacks, progress=False)
