"""What happened in a training run: plain numbers, to look at, plot, save and compare."""

import csv
import math
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np

from .. import plot
from ..data.files import atomic_write
from ..errors import ChainruleError


class DivergedError(ChainruleError, ArithmeticError):
    """The loss or a gradient became infinite or not a number. `history` holds the run up to there."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


@dataclass(repr=False)
class History:
    """What happened in a training run, as plain numbers.

    Attributes
    ----------
    train_loss, validation_loss, seconds : one number per complete epoch; `validation_loss` is empty without validation, and NaN
        where `validation_freq` left it out
    train_metrics, validation_metrics : for each metric, one number per complete epoch
    batch_loss : one number per batch
    gradient_norms : for each layer, the norm of its gradient (before clipping) in each step of the optimiser
    steps_per_epoch : number of steps of the optimiser in each complete epoch
    stopped : why the run ended early, or None

    Training loss and metrics are means over the batches of an epoch, taken while the parameters still change and
    with layers such as Dropout active; those of the validation set are taken after the epoch.

    Examples
    --------
    >>> import chainrule.train as train
    >>> train.History(train_loss=[0.5, 0.25], seconds=[0.1, 0.1])
    epoch  train loss  seconds
        1      0.5000     0.10
        2      0.2500     0.10
    """

    train_loss: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    train_metrics: dict = field(default_factory=dict)
    validation_metrics: dict = field(default_factory=dict)
    seconds: list = field(default_factory=list)
    batch_loss: list = field(default_factory=list)
    gradient_norms: dict = field(default_factory=dict)
    steps_per_epoch: list = field(default_factory=list)
    stopped: str | None = None
    initial_epoch = 0  # epochs that were done before
    validated = True  # whether the last epoch was
    params = dict[str, int | None]()  # noqa: RUF012 - no field; each run sets its own

    @property
    def history(self):
        """One list for each quantity under Keras's names: loss, accuracy, val_loss, val_accuracy."""
        out = {"loss": self.train_loss, **self.train_metrics}
        held_out = {"val_loss": self.validation_loss} if self.validation_loss else {}
        return out | held_out | {f"val_{name}": values for name, values in self.validation_metrics.items()}

    @property
    def epoch(self):
        """The numbers of the complete epochs, from 0, as in Keras."""
        return list(range(self.initial_epoch, self.initial_epoch + len(self)))

    def __len__(self):
        """Number of complete epochs."""
        return len(self.train_loss)

    def to_dict(self):
        """All of it as dicts, lists and numbers, ready for JSON.

        >>> import chainrule.train as train
        >>> train.History(train_loss=[0.5]).to_dict()["train_loss"]
        [0.5]
        """
        return asdict(self)

    def columns(self):
        """One list per quantity that is one number for every complete epoch, by name."""
        columns = {"epoch": [n + 1 for n in self.epoch], "train_loss": self.train_loss}
        if self.validation_loss:
            columns["validation_loss"] = self.validation_loss
        for part, metrics in (("train", self.train_metrics), ("validation", self.validation_metrics)):
            columns |= {f"{part}_{name}": values for name, values in metrics.items() if _are_numbers(values)}
        return columns | {"seconds": self.seconds}

    def mean_gradient_norms(self):
        """For each layer, the mean norm of its gradient over each complete epoch."""
        ends = np.cumsum([0, *self.steps_per_epoch])
        pairs = list(pairwise(ends))
        return {layer: [float(np.mean(norms[a:b])) for a, b in pairs] for layer, norms in self.gradient_norms.items()}

    def to_csv(self, path, gradient_norms=True):
        """Write one row per complete epoch, with the mean gradient norm of each layer; whole or not at all."""
        columns = self.columns()
        if gradient_norms:
            columns |= {f"gradient_norm {layer}": v for layer, v in self.mean_gradient_norms().items()}
        with atomic_write(path) as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns)
            rows.writerows(zip(*columns.values(), strict=True))

    def plot(self, metric=None, held_out="validation"):
        """The loss, or one metric, of each epoch as a Matplotlib figure. More pictures are in `chainrule.plot`.

        >>> import chainrule.train as train
        >>> train.History(train_loss=[1.0, 0.5]).plot().axes[0].get_ylabel()
        'loss'
        """
        if metric is None:
            return plot.loss_curves(self, held_out)
        return plot.metric_curves(self, metric, held_out)

    def _begin(self, metrics, validated, layers):
        """Make a place for every number that a run will give."""
        self.train_metrics = {name: [] for name in metrics}
        self.validation_metrics = {name: [] for name in metrics} if validated else {}
        self.gradient_norms = {layer: [] for layer in layers}

    def _finish_epoch(self, trained, found, seconds, steps):
        self.train_loss.append(trained.pop("loss"))
        for name, value in trained.items():
            self.train_metrics[name].append(value)
        self.validated = found is None or bool(found)
        if found is not None:  # empty where this epoch was none to validate after
            self.validation_loss.append(found.pop("loss", math.nan))
            for name, values in self.validation_metrics.items():
                values.append(found.get(name, math.nan))
        self.seconds.append(seconds)
        self.steps_per_epoch.append(steps)

    def _last(self):
        """The numbers of the last epoch under Keras's names: loss, accuracy, val_loss, val_accuracy."""
        logs = {"loss": self.train_loss[-1]} | {name: v[-1] for name, v in self.train_metrics.items()}
        if not self.validated:
            return logs
        if self.validation_loss:
            logs["val_loss"] = self.validation_loss[-1]
        return logs | {f"val_{name}": v[-1] for name, v in self.validation_metrics.items()}

    def __repr__(self):
        columns = self.columns()
        names = [name.replace("_", " ") for name in columns]
        rows = [[_number(name, v) for name, v in zip(columns, row)] for row in zip(*columns.values(), strict=True)]
        if len(rows) > 12:
            rows = rows[:3] + [["..."] * len(names)] + rows[-8:]
        widths = [max(map(len, column)) for column in zip(names, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [names, *rows]]
        return "\n".join(lines + ([f"stopped: {self.stopped}"] if self.stopped else []))


def _are_numbers(values):
    return not any(isinstance(v, list) for v in values)


def _number(name, value):
    return str(value) if name == "epoch" else f"{value:.2f}" if name == "seconds" else f"{value:.4f}"
