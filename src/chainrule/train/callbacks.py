"""What may be done besides training: stop early, change the learning rate, write logs, show a bar."""

import math
import sys
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import ArgumentError, explain
from .events import EventWriter
from .metrics import array


class Callback:
    """Something that is told what happens in a run. Override what you need.

    Before the first call, `self.trainer` and `self.model` are set. Epochs count from 1, batches within an epoch too. `logs` are
    the numbers known so far under Keras's names: loss, accuracy, val_loss, val_accuracy. `self.trainer.stop(reason)` ends the
    run after the batch or epoch. What `state_dict` gives goes into checkpoints and comes back through `load_state_dict`.

    Examples
    --------
    >>> from chainrule.train import Callback
    >>> class Report(Callback):
    ...     def on_epoch_end(self, epoch, logs):
    ...         print(epoch, logs)
    """

    trainer: Any = None
    model: Any = None
    params: Any = None  # {"epochs": ..., "steps": ...}

    def on_train_begin(self, logs):
        """Before the first epoch."""

    def on_train_end(self, logs):
        """After the last one, also after Ctrl-C."""

    def on_epoch_begin(self, epoch, logs):
        """Before each epoch."""

    def on_epoch_end(self, epoch, logs):
        """After each epoch and its validation."""

    def on_batch_begin(self, batch, logs):
        """Before each batch; Keras calls it `on_train_batch_begin`."""
        self.on_train_batch_begin(batch, logs)

    def on_batch_end(self, batch, logs):
        """After each batch; Keras calls it `on_train_batch_end`."""
        self.on_train_batch_end(batch, logs)

    def on_train_batch_begin(self, batch, logs):
        """The same as `on_batch_begin`."""

    def on_train_batch_end(self, batch, logs):
        """The same as `on_batch_end`."""

    def on_test_begin(self, logs):
        """Before each validation."""

    def on_test_end(self, logs):
        """After each validation, with its numbers."""

    def state_dict(self):
        """What this needs to go on later."""
        return {}

    def load_state_dict(self, state):
        """Go on from what `state_dict` gave."""


class EpochFunction(Callback):
    """A function (history, model) called after each epoch; if it returns True, the run ends."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, epoch, logs):
        if self.function(self.trainer.history, self.model) is True:
            self.trainer.stop(f"by a callback after epoch {epoch}")


class Best:
    """The best value of a quantity so far, and how many looks ago that was."""

    def __init__(self, monitor, mode="auto", min_delta=0.0):
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(explain("unknown mode", f"mode: {mode!r}", help="'min', 'max', or 'auto' to go by the name"))
        small = ("loss", "mse", "mae", "perplexity")
        self.monitor, self.min_delta = monitor, abs(min_delta)
        self.sign = {"min": -1, "max": 1, "auto": -1 if monitor.endswith(small) else 1}[mode]
        self.value, self.looks = -math.inf, 0

    def look(self, logs, asked):
        """Whether the quantity is better than ever before."""
        if self.monitor not in logs:
            raise ArgumentError(
                explain(
                    f"{asked}: nothing is called {self.monitor!r}",
                    f"known: {', '.join(logs)}",
                    help="pass validation= for val_loss, and metrics= for others",
                )
            )
        value = self.sign * float(logs[self.monitor])
        if value > self.value + self.min_delta:
            self.value, self.looks = value, 0
            return True
        self.looks += 1
        return False


class EarlyStopping(Callback):
    """End the run when a quantity has not become better for `patience` epochs.

    Parameters
    ----------
    monitor : as in `logs`: 'loss', 'val_loss', 'val_accuracy', ...
    patience : epochs without improvement, one after the other, that end the run; 0 means 1, as in Keras
    min_delta : by how much better counts as better
    mode : 'min' if smaller is better, 'max' if larger is; 'auto' goes by the name
    restore_best_weights : leave the model with the weights of its best epoch

    Examples
    --------
    >>> from chainrule.train import EarlyStopping
    >>> stopping = EarlyStopping("val_accuracy", patience=3)
    """

    def __init__(self, monitor="val_loss", patience=0, min_delta=0.0, mode="auto", restore_best_weights=False):
        self.best = Best(monitor, mode, min_delta)
        self.patience, self.restore_best_weights = patience, restore_best_weights
        self.weights: dict | None = None

    def on_epoch_end(self, epoch, logs):
        if self.best.monitor not in logs and self.trainer.lacks(self.best.monitor):
            return
        if self.best.look(logs, "EarlyStopping"):
            if self.restore_best_weights:
                self.weights = {name: np.array(array(x)) for name, x in self.model.state_dict().items()}
        elif self.best.looks >= self.patience:
            self.trainer.stop(f"{self.best.monitor} no better since epoch {epoch - self.best.looks}")

    def on_train_end(self, logs):
        if self.weights is not None:
            self.model.load_state_dict(self.weights)

    def state_dict(self):
        return {"best": self.best.value, "looks": self.best.looks, "weights": self.weights}

    def load_state_dict(self, state):
        self.best.value, self.best.looks, self.weights = state["best"], state["looks"], state["weights"]


class LearningRateScheduler(Callback):
    """Change the learning rate after each epoch or batch.

    Parameters
    ----------
    schedule : a schedule of `optim.lr_scheduler`, or a function epoch -> rate, or (epoch, rate) -> rate, as in Keras (epochs
        count from 1; it is called before the epoch)
    every : 'epoch' or 'batch', when to step a schedule
    monitor : what `ReduceLROnPlateau` looks at

    Examples
    --------
    >>> from chainrule import nn, optim
    >>> from chainrule.train import LearningRateScheduler
    >>> sgd = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    >>> halving = LearningRateScheduler(optim.lr_scheduler.StepLR(sgd, 10, 0.5))
    >>> decaying = LearningRateScheduler(lambda epoch: 0.1 / epoch)
    """

    def __init__(self, schedule, every="epoch", monitor="val_loss"):
        if every not in ("epoch", "batch") or not (hasattr(schedule, "step") or callable(schedule)):
            raise ArgumentError(
                explain(
                    "LearningRateScheduler takes a schedule or a function, and every='epoch' or 'batch'",
                    f"schedule: {type(schedule).__name__}    every: {every!r}",
                    help="for example optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)",
                )
            )
        self.schedule, self.every, self.monitor = schedule, every, monitor
        self.steps = hasattr(schedule, "step")

    def on_epoch_begin(self, epoch, logs):
        if not self.steps:
            optimizer = self.trainer.optimizer
            more = self.schedule.__code__.co_argcount > 1 if hasattr(self.schedule, "__code__") else False
            optimizer.lr = self.schedule(epoch, float(optimizer.lr)) if more else self.schedule(epoch)

    def on_batch_end(self, batch, logs):
        if self.steps and self.every == "batch":
            self.schedule.step()

    def on_epoch_end(self, epoch, logs):
        if not self.steps or self.every != "epoch":
            return
        if type(self.schedule).__name__ == "ReduceLROnPlateau":
            if self.monitor not in logs:
                if self.trainer.lacks(self.monitor):
                    return
                raise ArgumentError(
                    explain(
                        f"LearningRateScheduler: nothing is called {self.monitor!r}",
                        f"known: {', '.join(logs)}",
                        help="monitor='loss' looks at the training loss",
                    )
                )
            self.schedule.step(logs[self.monitor])
        else:
            self.schedule.step()

    def state_dict(self):
        return {"schedule": self.schedule.state_dict()} if self.steps else {}

    def load_state_dict(self, state):
        if self.steps:
            self.schedule.load_state_dict(state["schedule"])


class CSVLogger(Callback):
    """Write a table with one row per epoch, whole or not at all; after each epoch it is up to date.

    Examples
    --------
    >>> from chainrule.train import CSVLogger
    >>> log = CSVLogger("runs/history.csv")
    """

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, epoch, logs):
        self.trainer.history.to_csv(self.path, gradient_norms=False)


class TensorBoard(Callback):
    """Write what TensorBoard shows: numbers of each epoch and, if wanted, of each few batches, and histograms of parameters.

    All stand at the number of steps of the optimiser so far. Neither TensorFlow nor TensorBoard is needed to write.
    `tensorboard --logdir FOLDER` shows it.

    Parameters
    ----------
    folder : where to write; one file for each start of a run
    every : also write the loss, the learning rate and the gradient norms of every so many batches; 0 for none
    histograms : whether to write a histogram of each parameter after each epoch

    Examples
    --------
    >>> from chainrule.train import TensorBoard
    >>> board = TensorBoard("runs/first", every=10)
    """

    def __init__(self, folder, every=0, histograms=False):
        self.folder, self.every, self.histograms = folder, every, histograms
        self.writer: Any = None

    def on_train_begin(self, logs):
        self.writer = EventWriter(self.folder, self.trainer.step_count)

    def on_batch_end(self, batch, logs):
        trainer = self.trainer
        if self.every and trainer.step_count % self.every == 0:
            history = trainer.history
            numbers = {"batch/loss": history.batch_loss[-1], "batch/learning_rate": float(trainer.optimizer.lr)}
            numbers |= {f"gradient_norm/{layer}": norms[-1] for layer, norms in history.gradient_norms.items() if norms}
            self.writer.scalars(numbers, trainer.step_count)

    def on_epoch_end(self, epoch, logs):
        numbers = {f"epoch/{name}": value for name, value in logs.items() if not isinstance(value, list)}
        self.writer.scalars(numbers, self.trainer.step_count)
        if self.histograms:
            for name, p in self.model.named_parameters():
                self.writer.histogram(f"parameters/{name}", array(p), self.trainer.step_count)
        self.writer.flush()

    def on_train_end(self, logs):
        self.writer.close()


class ProgressBar(Callback):
    """A bar over all batches of a run on the standard error stream; none if that is not a terminal, unless it is asked for.

    Parameters
    ----------
    show : True, False, or None for "if there is a terminal"
    """

    SHOW_EVERY = 0.1  # seconds between changes of the numbers beside the bar

    def __init__(self, show=None):
        self.show = show
        self.bar: Any = None

    def on_train_begin(self, logs):
        t = self.trainer
        shown = sys.stderr.isatty() if self.show is None else self.show
        if shown:
            epochs = t.epochs - t.history.initial_epoch
            total = None if t.batches_per_epoch is None else epochs * t.batches_per_epoch
            self.bar = tqdm(total=total, initial=len(t.history.batch_loss), unit="batch", leave=True)

    @property
    def quiet(self):
        """Whether there is no bar, so that nobody needs to be told of batches."""
        return self.bar is None

    def on_epoch_begin(self, epoch, logs):
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}/{self.trainer.epochs}")

    def on_batch_end(self, batch, logs):
        if self.bar is not None and self.bar.update():
            self._numbers(self.trainer.so_far())

    def on_epoch_end(self, epoch, logs):
        if self.bar is not None:
            self._numbers(logs)

    def _numbers(self, logs):
        shown = {name.replace("_", " "): f"{v:.4f}" for name, v in logs.items() if isinstance(v, float)}
        self.bar.set_postfix(shown)

    def on_train_end(self, logs):
        if self.bar is not None:
            self.bar.close()


def as_callbacks(given, progress):
    """Callbacks in the order in which they are told: the bar first, those that save the state of the run last."""
    callbacks = list(given) if isinstance(given, (list, tuple)) else [given]
    for c in callbacks:
        if not isinstance(c, Callback) and (not callable(c) or isinstance(c, type)):
            raise ArgumentError(
                explain(
                    "fit: a callback is a Callback or a function (history, model)",
                    f"found: {'the class ' + c.__name__ if isinstance(c, type) else type(c).__name__}",
                    help="derive from chainrule.train.Callback, and make one: EarlyStopping(patience=3)",
                )
            )
    made = [c if isinstance(c, Callback) else EpochFunction(c) for c in callbacks]
    bar = [ProgressBar()] if progress and not any(isinstance(c, ProgressBar) for c in made) else []
    return bar + sorted(made, key=lambda c: getattr(c, "comes_last", False))


def overrides(callback, name):
    """Whether a callback does anything at this point."""
    names = name, name.replace("on_batch", "on_train_batch")
    return any(getattr(type(callback), n) is not getattr(Callback, n) for n in names)
