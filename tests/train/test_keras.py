"""`Trainer` with what Keras users write: arguments, names, callbacks."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim, train
from chainrule.data import DataLoader, TensorDataset
from chainrule.errors import ArgumentError, ShapeError
from chainrule.train import Callback, EarlyStopping, Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 3))).argmax(1)


def trainer(**options):
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    return Trainer(model, **{"loss": nn.CrossEntropyLoss(), "optimizer": "sgd", **options})


def losses(*args, **options):
    return trainer().fit(*args, verbose=0, **options).history["loss"]


def test_inputs_and_targets_in_many_forms():
    wanted = losses((X, Y), seed=1)
    assert losses(X, Y, seed=1) == losses(x=X, y=Y, seed=1) == losses([X], Y, seed=1) == losses(X, Y, seed=1, batch_size=None)
    assert losses(X.tolist(), Y.tolist(), seed=1) == pytest.approx(wanted)
    assert losses(cr.tensor(X), cr.tensor(Y), seed=1) == wanted
    pandas = pytest.importorskip("pandas")
    assert losses(pandas.DataFrame(X), pandas.Series(Y), seed=1) == pytest.approx(wanted)
    with pytest.raises(ArgumentError, match=r"must hold numbers(.|\n)*encode"):
        losses(np.array([["a"]] * 40, object), Y)
    with pytest.raises(ArgumentError, match="targets go with arrays"):
        losses(DataLoader(TensorDataset(X, Y), 8), Y)
    with pytest.raises(ArgumentError, match="another name"):
        losses(X, Y, x=X)


def test_several_inputs():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, a, b):
            return self.layer(a) + b

    model = Both()
    t = Trainer(model, nn.CrossEntropyLoss(), optim.SGD)
    history = t.fit([X[:, :2], X[:, 2:]], Y, epochs=2, validation_data=([X[:, :2], X[:, 2:]], Y), verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(t.evaluate([X[:, :2], X[:, 2:]], Y)["loss"])
    assert t.predict([X[:, :2], X[:, 2:]]).shape == (40, 3)


def test_histories():
    history = trainer(metrics=["acc", "sparse_categorical_accuracy"]).fit(X, Y, epochs=5, initial_epoch=2, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert list(history.history) == ["loss", "acc", "sparse_categorical_accuracy"]
    assert history.history["acc"] == history.history["sparse_categorical_accuracy"]
    assert history.params == {"epochs": 5, "steps": 2}
    assert repr(history).splitlines()[1].split()[0] == "3"


def test_numbers_of_steps():
    def endless():
        n = 0
        while True:
            n += 1
            seen.append(n)
            yield X[:8], Y[:8]

    seen: list = []
    t = trainer()
    history = t.fit(endless(), epochs=3, steps_per_epoch=4, verbose=0)
    assert seen == list(range(1, 13)) and history.steps_per_epoch == [4, 4, 4]
    history = t.fit(X, Y, batch_size=16, steps_per_epoch=5, validation_data=endless(), validation_steps=2, verbose=0)
    assert history.steps_per_epoch == [5] and len(seen) == 14
    history = t.fit(X, Y, shuffle=False, steps_per_epoch=1, batch_size=10, verbose=0)
    t2 = trainer()
    first = t2.evaluate(X[:10], Y[:10])["loss"]
    assert t2.fit(X, Y, shuffle=False, steps_per_epoch=1, batch_size=10, verbose=0).history["loss"] == pytest.approx([first])
    for bad in (0, 2.5, True):
        with pytest.raises(ArgumentError, match="steps_per_epoch must be"):
            t.fit(X, Y, steps_per_epoch=bad)


def test_weights_of_samples_and_classes():
    weights = RNG.uniform(size=40).astype(np.float32)
    t = trainer()
    t.optimizer.lr = 0.0  # which leaves the model alone
    of_each = np.asarray(nn.CrossEntropyLoss(reduction="none")(t.model(X), Y).detach())
    wanted = (of_each * weights).mean()
    assert t.evaluate(X, Y, sample_weight=weights)["loss"] == pytest.approx(wanted, rel=1e-5)
    assert t.test_on_batch(X, Y, weights)["loss"] == pytest.approx(wanted, rel=1e-5)
    found = t.fit(X, Y, sample_weight=weights, validation_data=(X, Y, weights), batch_size=40, verbose=0).history
    assert found["loss"] == pytest.approx([wanted], rel=1e-5) == found["val_loss"]
    found = t.fit(X, Y, sample_weight=weights, validation_split=0.25, batch_size=30, verbose=0).history
    assert found["loss"] == pytest.approx([(of_each * weights)[:30].mean()], rel=1e-5)
    assert found["val_loss"] == pytest.approx([(of_each * weights)[30:].mean()], rel=1e-5)
    found = t.fit(X, Y, class_weight={0: 2.0, 2: 0.5}, batch_size=40, verbose=0).history
    assert found["loss"] == pytest.approx([(of_each * np.array([2.0, 1.0, 0.5])[Y]).mean()], rel=1e-5)
    assert t.fit(X, Y, batch_size=40, verbose=0).history["loss"] == pytest.approx([of_each.mean()], rel=1e-5)
    with pytest.raises(ShapeError, match="one number, not negative"):
        t.evaluate(X, Y, sample_weight=weights[1:])


def test_single_batches():
    t, other = trainer(metrics="accuracy"), trainer()
    before = t.test_on_batch(X, Y)
    assert t.train_on_batch(X, Y) == pytest.approx(before)
    other.fit(X, Y, batch_size=40, verbose=0)
    np.testing.assert_allclose(t.predict_on_batch(X), other.predict(X), rtol=1e-6)
    assert t.evaluate(X, Y, return_dict=False) == list(t.evaluate(X, Y).values())
    np.testing.assert_array_equal(t.predict(X, batch_size=7, steps=2), t.predict(X[:14], batch_size=7))
    np.testing.assert_array_equal(t.predict(DataLoader(TensorDataset(X), 8)), t.predict(X, batch_size=8))
    np.testing.assert_array_equal(t.predict(X.tolist(), batch_size=8), t.predict(X, batch_size=8))


def test_losses_and_optimisers_by_name():
    assert isinstance(trainer(optimizer="AdamW").optimizer, optim.AdamW)
    assert isinstance(trainer(optimizer=optim.Adam).optimizer, optim.Adam)
    assert isinstance(trainer(loss="mae").loss, nn.L1Loss)
    for options, match in (
        ({"loss": "categorical_crossentropy"}, "no softmax"),
        ({"loss": "nonsense"}, "known by name: mse"),
        ({"optimizer": "optimizer"}, "for example 'adam'"),
        ({"optimizer": "nonsense"}, "for example 'adam'"),
        ({"optimizer": "swa_utils"}, "for example 'adam'"),
    ):
        with pytest.raises((ArgumentError, TypeError), match=match):
            trainer(**options)


def test_callbacks_written_for_keras(capsys):
    class Told(Callback):
        def __init__(self):
            self.calls = []

        def on_train_batch_begin(self, batch, logs=None):
            self.calls.append("begin")

        def on_train_batch_end(self, batch, logs=None):
            self.calls.append("end")

        def on_test_begin(self, logs=None):
            self.calls.append("test")

        def on_test_end(self, logs=None):
            self.calls.append(sorted(logs))

        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2
            assert self.params == {"epochs": 9, "steps": 1}

    told = Told()
    t = trainer()
    history = t.fit(X, Y, epochs=9, batch_size=40, callbacks=told, validation_data=(X, Y), verbose=2)
    assert told.calls == ["begin", "end", "test", ["loss"]] * 2
    assert "stop_training" in history.stopped
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Epoch 2/9 - ") and "val_loss: " in lines[1]
    assert len(t.fit(X, Y, epochs=2, callbacks=None, verbose=0)) == 2  # and stops no more


@pytest.mark.parametrize("patience, epochs", [(0, 2), (1, 2), (3, 4)])
def test_patience(patience, epochs):
    history = trainer().fit(X, Y, epochs=9, callbacks=[EarlyStopping("loss", patience, min_delta=1e9)], verbose=0)
    assert len(history) == epochs


@pytest.mark.parametrize("often", [2, [2, 4], {4, 2}])
def test_validation_after_some_epochs(often, tmp_path):
    heard = []

    class Listener(train.Callback):
        def on_epoch_end(self, epoch, logs):
            heard.append("val_loss" in logs and "val_mae" in logs)

    plateau = optim.lr_scheduler.ReduceLROnPlateau
    model, y = nn.Linear(5, 1), np.ones((len(X), 1), np.float32)
    sgd = optim.SGD(model.parameters(), lr=0.0)
    callbacks = [
        Listener(),
        train.EarlyStopping(patience=2),
        train.LearningRateScheduler(plateau(sgd, patience=0)),
        train.ModelCheckpoint(tmp_path / "run", monitor="val_mae"),
        train.CSVLogger(tmp_path / "log.csv"),
    ]
    history = train.Trainer(model, "mse", sgd, metrics="mae").fit(
        X, y, epochs=9, validation_split=0.5, validation_freq=often, callbacks=callbacks, verbose=0
    )
    last = 6 if often == 2 else 9  # two looks without improvement, at epochs 4 and 6
    assert heard == [epoch % 2 == 0 and (often == 2 or epoch <= 4) for epoch in range(1, last + 1)]
    for values in (history.validation_loss, history.validation_metrics["mae"], history.history["val_loss"]):
        assert [not np.isnan(v) for v in values] == heard
    assert (tmp_path / "run" / "best.safetensors").is_file() and "nan" in (tmp_path / "log.csv").read_text()
    pytest.importorskip("matplotlib")
    assert len(history.plot().axes[0].lines[1].get_xdata()) == sum(heard)
    history.plot("mae")


@pytest.mark.parametrize("often", [0, True, 1.5, "all", None])
def test_how_often_to_validate_is_a_number(often):
    with pytest.raises(ArgumentError, match="validation_freq is a number of epochs from 1"):
        train.Trainer(nn.Linear(1, 1), "mse", "sgd").fit(np.ones((4, 1)), np.ones((4, 1)), validation_freq=often, verbose=0)
