"""fit, evaluate and History."""

import csv
import json
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, nn, optim
from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import DivergedError, History, accuracy, evaluate, fit

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = (X @ np.array([1.0, -2.0, 0.5], np.float32))[:, None]
LABELS = (Y[:, 0] > 0).astype(int)


def classifier():
    return nn.Sequential({"hidden": nn.Linear(3, 8), "relu": nn.ReLU(), "output": nn.Linear(8, 2)})


def train(model=None, data=(X, LABELS), epochs=3, loss=None, lr=0.05, **options):
    cr.manual_seed(0)
    model = classifier() if model is None else model
    optimizer = optim.Adam(model.parameters(), lr=lr)
    options = {"loss": loss or nn.CrossEntropyLoss(), "optimizer": optimizer, "epochs": epochs, "progress": False} | options
    return model, fit(model, data, **options)


def test_history_has_one_entry_per_epoch_and_step():
    _, h = train(validation=(X[:20], LABELS[:20]), metrics=["accuracy"], batch_size=10, epochs=4)
    assert len(h) == 4 and h.stopped is None
    for column in h.train_loss, h.validation_loss, h.seconds, h.train_metrics["accuracy"], h.validation_metrics["accuracy"]:
        assert len(column) == 4 and all(type(v) is float for v in column)
    assert h.steps_per_epoch == [7] * 4 and len(h.batch_loss) == 28
    assert list(h.gradient_norms) == ["hidden", "output"]
    assert all(len(v) == 28 and min(v) > 0 for v in h.gradient_norms.values())
    assert h.train_loss[-1] < h.train_loss[0] and h.validation_metrics["accuracy"][-1] > 0.8


def test_epoch_loss_weighs_batches_by_size():
    _, h = train(data=data.DataLoader(data.TensorDataset(X, LABELS), batch_size=60), epochs=1)
    assert h.train_loss[0] == pytest.approx((60 * h.batch_loss[0] + 4 * h.batch_loss[1]) / 64)


def test_gradient_norms_are_those_of_a_loop_written_by_hand():
    _, h = train(epochs=1, batch_size=64, data=data.DataLoader(data.TensorDataset(X, LABELS), batch_size=64))
    cr.manual_seed(0)
    same = classifier()
    nn.CrossEntropyLoss()(same(cr.tensor(X)), cr.tensor(LABELS)).backward()
    for layer in "hidden", "output":
        m = getattr(same, layer)
        expected = np.hypot(np.linalg.norm(m.weight.grad), np.linalg.norm(m.bias.grad))
        assert h.gradient_norms[layer] == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.parametrize("source", ["arrays", "dataset", "loader", "list"])
def test_kinds_of_data(source):
    batches = [(cr.tensor(X[i : i + 16]), cr.tensor(LABELS[i : i + 16])) for i in range(0, 64, 16)]
    given = {
        "arrays": (X, LABELS),
        "dataset": data.TensorDataset(X, LABELS),
        "loader": data.DataLoader(data.TensorDataset(X, LABELS), batch_size=16),
        "list": batches,
    }[source]
    _, h = train(data=given, validation=given, metrics="accuracy", batch_size=16)
    assert h.steps_per_epoch == [4, 4, 4] and h.train_metrics["accuracy"][-1] > 0.7


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 1), nn.Linear(1, 1)

        def forward(self, x, y):
            return self.a(x) + self.b(y)

    _, h = train(Two(), (X[:, :2], X[:, 2:], Y), loss=nn.MSELoss(), epochs=20)
    assert h.train_loss[-1] < 0.2 * h.train_loss[0]


def test_seed_repeats_the_run_with_dropout():
    def run(seed):
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        for p in model.parameters():
            nn.init.constant_(p, 0.1)
        cr.rand(3)
        return fit(
            model, (X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=2, seed=seed
        ).batch_loss

    assert run(1) == run(1) != run(2)


def test_clipping_limits_the_update_and_leaves_the_record():
    model = classifier()
    before = [np.array(p.detach()) for p in model.parameters()]
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    h = fit(model, (100 * X, LABELS), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=1, batch_size=64, clip_norm=0.25)
    moved = np.sqrt(sum(((np.asarray(p.detach()) - b) ** 2).sum() for p, b in zip(model.parameters(), before, strict=True)))
    assert moved == pytest.approx(0.25, rel=1e-4)
    assert np.hypot(*(v[0] for v in h.gradient_norms.values())) > 1


def test_training_mode_and_after():
    seen = []

    class Watcher(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            seen.append((self.training, cr.is_grad_enabled()))
            return self.layer(x)

    model, _ = train(Watcher(), epochs=1, batch_size=64, validation=(X, LABELS))
    assert seen == [(True, True), (False, False)] and model.training
    model.eval()
    evaluate(model, (X, LABELS))
    assert not model.training


def test_evaluate_is_the_mean_over_all_samples():
    model = classifier()
    whole = evaluate(model, (X, LABELS), nn.CrossEntropyLoss(), "accuracy")
    parts = evaluate(model, (X, LABELS), nn.CrossEntropyLoss(), {"accuracy": accuracy, "twice": lambda a, b: 2}, batch_size=7)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6) and parts["accuracy"] == pytest.approx(whole["accuracy"])
    assert parts["twice"] == 2.0
    scores = np.asarray(model(cr.tensor(X)).detach())
    assert whole["accuracy"] == (scores.argmax(1) == LABELS).mean()


def test_callbacks_see_every_epoch_and_can_stop():
    lengths = []
    callbacks = [lambda history, model: len(history) == 3, lambda history, model: lengths.append(len(history))]
    _, h = train(epochs=9, callbacks=callbacks)
    assert lengths == [1, 2, 3] and len(h) == 3 and h.stopped == "by a callback after epoch 3"


def test_interrupt_gives_the_history_so_far():
    calls = []

    def loss(output, target):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return nn.functional.cross_entropy(output, target)

    model, h = train(batch_size=16, loss=loss)
    assert h.stopped == "interrupted in epoch 2" and len(h) == 1 and len(h.batch_loss) == 5
    assert all(len(v) == 5 for v in h.gradient_norms.values())
    assert "stopped: interrupted in epoch 2" in repr(h)
    assert 0 < evaluate(model, (X, LABELS), metrics="accuracy")["accuracy"] <= 1


def test_nan_in_the_data_names_epoch_batch_and_parameter():
    x = X.copy()
    x[40, 1] = np.nan
    model = classifier()
    with pytest.raises(DivergedError, match="epoch 1, batch 3") as caught:
        train(model, data.DataLoader(data.TensorDataset(x, LABELS), batch_size=16))
    message = str(caught.value)
    assert "first parameter with a non-finite gradient: hidden.weight" in message and "help:" in message
    assert "all parameters are finite" not in message
    assert len(caught.value.history.batch_loss) == 2
    assert all(np.isfinite(np.asarray(p.detach())).all() for p in model.parameters())  # the step was not taken


def test_infinite_gradient_of_a_finite_loss():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(np.zeros(1))

        def forward(self, x):
            return x * self.w

    model = Scale()
    model.w.register_hook(lambda g: g * np.inf)
    with np.errstate(invalid="ignore"), pytest.raises(DivergedError, match=r"loss: 1\.0\n.*gradient: w\n"):
        train(model, (np.ones((4, 1)), np.ones((4, 1))), loss=nn.MSELoss())


def test_huge_but_finite_gradients_are_no_divergence():
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    h = fit(model, (X[:, :1], Y), loss=lambda o, t: (o * np.float32(1e25)).sum(), optimizer=optimizer, epochs=1)
    assert h.gradient_norms["Linear"][0] > 1e24


@pytest.mark.parametrize("given", [X, cr.tensor(X), {"x": X}, "data.csv", 3, None])
def test_data_that_are_no_batches(given):
    with pytest.raises(ArgumentError, match="`data` must give batches of inputs and targets"):
        train(data=given)


def test_batches_that_are_no_pairs():
    with pytest.raises(ArgumentError, match=r"found: tuple of 1"):
        train(data=data.TensorDataset(X))
    with pytest.raises(ArgumentError, match="found: Tensor"):
        train(data=[cr.tensor(X)])


def test_no_batches():
    with pytest.raises(ArgumentError, match=r"no batches in epoch 1"):
        train(data=data.DataLoader(data.TensorDataset(X, LABELS), batch_size=100, drop_last=True))
    with pytest.raises(ArgumentError, match=r"no batches in epoch 2[\s\S]*iterator"):
        train(data=iter(data.DataLoader(data.TensorDataset(X, LABELS), batch_size=8)))
    with pytest.raises(ArgumentError, match="to evaluate on"):
        evaluate(classifier(), [])


@pytest.mark.parametrize("metrics", ["dice", ["accuracy", "bleu"], {"loss": accuracy}, {"a": 3}])
def test_unknown_metrics(metrics):
    with pytest.raises(ArgumentError, match=r"unknown metric[\s\S]*known by name: accuracy"):
        train(metrics=metrics)


@pytest.mark.parametrize("epochs", [-1, 2.5, "3", True])
def test_bad_epochs(epochs):
    with pytest.raises(ArgumentError, match="epochs: "):
        train(epochs=epochs)


def test_accuracy_refuses_other_shapes():
    with pytest.raises(ShapeError, match=r"scores: float64 \(4,\)"):
        accuracy(np.zeros(4), np.zeros(4))


def test_no_bar_without_a_terminal(capsys):
    train(progress=True, epochs=1)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(progress=True, epochs=2, validation=(X, LABELS), metrics="accuracy")
    assert "epoch 2/2" in (err := capsys.readouterr().err) and "val accuracy" in err and "4/4" in err
    train(progress=False, epochs=2)
    assert capsys.readouterr().err == ""


def test_history_as_data(tmp_path):
    _, h = train(validation=(X, LABELS), metrics="accuracy", epochs=2)
    assert History(**json.loads(json.dumps(h.to_dict()))) == h
    h.to_csv(tmp_path / "a" / "history.csv")
    with (tmp_path / "a" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["train_loss"]) for r in rows] == h.train_loss
    assert [float(r["validation_accuracy"]) for r in rows] == h.validation_metrics["accuracy"]
    assert float(rows[1]["gradient_norm output"]) == pytest.approx(np.mean(h.gradient_norms["output"][2:]))
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["history.csv"]


def test_repr_is_a_table():
    h = History(train_loss=[1 / n for n in range(1, 31)], seconds=[0.5] * 30)
    lines = repr(h).split("\n")
    assert len(lines) == 13 and len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["epoch", "train", "loss", "seconds"] and lines[-1].split() == ["30", "0.0333", "0.50"]
    assert repr(History()).split() == ["epoch", "train", "loss", "seconds"]
