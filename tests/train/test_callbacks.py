"""Callbacks: when they are told what, early stopping, learning rates, logs, bars; TensorBoard's own reader reads our events."""

import csv
import struct

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ArgumentError
from chainrule.train import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ProgressBar,
    TensorBoard,
    Trainer,
)
from chainrule.train.callbacks import as_callbacks
from chainrule.train.events import EventWriter, crc32c

X = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
Y = X[:, :1] * 2


def run(*callbacks, epochs=3, lr=0.05, validation=(X[:8], Y[:8]), compile=False):
    cr.manual_seed(0)
    model = nn.Linear(3, 1)
    trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=lr), metrics="mae", compile=compile)
    trainer.fit((X, Y), epochs=epochs, batch_size=16, callbacks=callbacks, validation=validation, seed=0)
    return trainer


class Told(Callback):
    def __init__(self):
        self.calls = []


for _name in ("train_begin", "train_end", "epoch_begin", "epoch_end", "batch_begin", "batch_end"):

    def _tell(self, *args, name=_name):
        *at, logs = args
        self.calls.append((name, *at, tuple(logs)))

    setattr(Told, f"on_{_name}", _tell)


@pytest.mark.parametrize("compile", [False, "always"])
def test_order_of_calls(compile):
    told = Told()
    trainer = run(told, epochs=2, compile=compile)
    names = ("loss", "mae", "val_loss", "val_mae")
    epoch = [("batch_begin", 1, ()), ("batch_end", 1, ("loss",)), ("batch_begin", 2, ()), ("batch_end", 2, ("loss",))]
    one = [("epoch_begin", 1, ()), *epoch, ("epoch_end", 1, names)]
    two = [("epoch_begin", 2, ()), *epoch, ("epoch_end", 2, names)]
    assert told.calls == [("train_begin", ()), *one, *two, ("train_end", ())]
    assert told.trainer is trainer and told.model is trainer.model and trainer.step_count == 4


def test_a_callback_stops_within_an_epoch():
    class Enough(Callback):
        def on_batch_end(self, batch, logs):
            if self.trainer.step_count == 3:
                self.trainer.stop("three steps are enough")

    h = run(Enough(), epochs=9).history
    assert len(h.batch_loss) == 3 and h.stopped == "three steps are enough"


def test_early_stopping_goes_back_to_the_best_weights():
    seen = []

    class Spoil(Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append(np.array(self.model.weight.detach()))

    logs = iter([3.0, 2.0, 2.5, 1.9, 5.0, 4.0, 3.0])

    class Fake(EarlyStopping):
        def on_epoch_end(self, epoch, logs_):
            super().on_epoch_end(epoch, {"val_loss": next(logs)})

    t = run(Fake("val_loss", patience=2, restore_best_weights=True), Spoil(), epochs=7)
    assert len(t.history) == 6 and t.history.stopped == "val_loss no better since epoch 4"
    np.testing.assert_array_equal(np.asarray(t.model.weight.detach()), seen[3])


@pytest.mark.parametrize("monitor, values, epochs", [
    ("val_loss", [1, 2], 2), ("val_accuracy", [1, 2, 1], 3), ("val_perplexity", [3, 3], 2), ("f1", [0.1, 0.2, 0.3], 3),
])  # fmt: skip
def test_which_way_is_better(monitor, values, epochs):
    stopping = EarlyStopping(monitor)
    stopping.trainer = type("T", (), {"stopping": None, "stop": lambda self, reason: setattr(self, "stopping", reason)})()
    for n, v in enumerate(values, 1):
        stopping.on_epoch_end(n, {monitor: v})
        if stopping.trainer.stopping:
            break
    assert n == epochs


def test_what_is_not_there_cannot_be_watched():
    with pytest.raises(ArgumentError, match=r"nothing is called 'val_loss'\n.*known: loss, mae"):
        run(EarlyStopping(), validation=None)
    with pytest.raises(ArgumentError, match="unknown mode"):
        EarlyStopping(mode="up")
    with pytest.raises(ArgumentError, match="LearningRateScheduler takes"):
        LearningRateScheduler(3)
    with pytest.raises(ArgumentError, match="keep must be"):
        ModelCheckpoint("x", keep=0)


@pytest.mark.parametrize("compile", [False, "always"])
def test_learning_rates(compile):
    rates = []

    class Look(Callback):
        def on_batch_end(self, batch, logs):
            rates.append(float(self.trainer.optimizer.lr))

    run(Look(), LearningRateScheduler(lambda epoch: 0.1 / epoch), compile=compile)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.1 / 3, 0.1 / 3])
    rates.clear()
    run(Look(), LearningRateScheduler(lambda epoch, lr: lr / 2), compile=compile)
    assert rates == pytest.approx([0.025, 0.025, 0.0125, 0.0125, 0.00625, 0.00625])


def test_schedules_of_optim():
    model = nn.Linear(3, 1)
    sgd = optim.SGD(model.parameters(), lr=1e-3)
    steps = LearningRateScheduler(optim.lr_scheduler.ExponentialLR(sgd, 0.5), every="batch")
    reduce = optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.1, patience=0, threshold=1e9)  # never better
    plateau = LearningRateScheduler(reduce, monitor="loss")
    Trainer(model, nn.MSELoss(), sgd, compile=False).fit((X, Y), epochs=3, batch_size=16, callbacks=[steps, plateau])
    assert float(sgd.lr) == pytest.approx(1e-3 * 0.5**6 * 0.1**3)


def test_csv_log(tmp_path):
    t = run(CSVLogger(tmp_path / "log" / "run.csv"))
    with (tmp_path / "log" / "run.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["train_loss"]) for r in rows] == t.history.train_loss
    assert [float(r["validation_mae"]) for r in rows] == t.history.validation_metrics["mae"]


def test_bar(capsys):
    run(ProgressBar(True), epochs=2)
    err = capsys.readouterr().err
    assert "epoch 2/2" in err and "4/4" in err and "val loss" in err
    run(ProgressBar(False))
    assert capsys.readouterr().err == ""
    assert len(as_callbacks([ProgressBar(True)], progress=True)) == 1


# --- TensorBoard ------------------------------------------------------------------------------------------------------


def records(path):
    """The messages of an event file, with their checksums checked."""
    content, out = path.read_bytes(), []

    def masked(data):
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    while content:
        (n,) = struct.unpack("<Q", content[:8])
        assert content[8:12] == masked(content[:8]) and content[12 + n : 16 + n] == masked(content[12 : 12 + n])
        out.append(content[12 : 12 + n])
        content = content[16 + n :]
    return out


def test_checksums_of_the_standard():
    """RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E and crc32c(b"") == 0


def test_records_are_whole(tmp_path):
    run(TensorBoard(tmp_path, every=1, histograms=True))
    (path,) = tmp_path.iterdir()
    found = records(path)
    assert b"brain.Event:2" in found[0] and any(b"epoch/val_loss" in m for m in found)
    assert sum(b"batch/loss" in m for m in found) == 6 and sum(b"parameters/weight" in m for m in found) == 3


def test_tensorboard_reads_it(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    t = run(TensorBoard(tmp_path, every=2, histograms=True))
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [e.value for e in read.Scalars("epoch/val_loss")] == pytest.approx(t.history.validation_loss, rel=1e-6)
    assert [e.step for e in read.Scalars("epoch/val_loss")] == [2, 4, 6] == [e.step for e in read.Scalars("batch/loss")]
    assert [e.value for e in read.Scalars("batch/loss")] == pytest.approx(t.history.batch_loss[1::2], rel=1e-6)
    assert read.Scalars("gradient_norm/Linear")[0].value == pytest.approx(t.history.gradient_norms["Linear"][1], rel=1e-6)
    histogram = read.Histograms("parameters/weight")[-1].histogram_value
    w = np.asarray(t.model.weight.detach())
    assert histogram.num == w.size and histogram.min == w.min() and sum(histogram.bucket) == w.size


def test_a_resumed_run_replaces_what_it_does_again(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = EventWriter(tmp_path)
    for step in (1, 2, 3, 4):
        first.scalars({"a": step}, step)
    first.close()
    second = EventWriter(tmp_path, step=2)
    for step in (3, 4, 5):
        second.scalars({"a": 10 * step}, step)
    second.close()
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("a")] == [(1, 1), (2, 2), (3, 30), (4, 40), (5, 50)]
