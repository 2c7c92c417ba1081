"""Training in one call: `fit`, which is a loop that one could write by hand, `evaluate`, and the `History` of a run."""

import csv
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from time import perf_counter

import numpy as np
from tqdm import tqdm

from .data.dataset import Dataset, TensorDataset
from .data.files import atomic_write
from .data.loader import DataLoader
from .errors import ArgumentError, ChainruleError, ShapeError, explain
from .random import manual_seed
from .tensor import Tensor
from .transforms.scope import no_grad

EVALUATION_BATCH = 1024


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
    train_loss, validation_loss, seconds : one number per complete epoch; `validation_loss` is empty without validation
    train_metrics, validation_metrics : for each metric, one number per complete epoch
    batch_loss : one number per step
    gradient_norms : for each layer, the norm of its gradient (before clipping) in each step
    steps_per_epoch : number of steps in each complete epoch
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
        """One list per quantity that is known for every complete epoch, by name."""
        columns = {"epoch": list(range(1, len(self) + 1)), "train_loss": self.train_loss}
        if self.validation_loss:
            columns["validation_loss"] = self.validation_loss
        for part, metrics in (("train", self.train_metrics), ("validation", self.validation_metrics)):
            columns |= {f"{part}_{name}": values for name, values in metrics.items()}
        return columns | {"seconds": self.seconds}

    def mean_gradient_norms(self):
        """For each layer, the mean norm of its gradient over each complete epoch."""
        ends = np.cumsum([0, *self.steps_per_epoch])
        pairs = list(pairwise(ends))
        return {layer: [float(np.mean(norms[a:b])) for a, b in pairs] for layer, norms in self.gradient_norms.items()}

    def to_csv(self, path):
        """Write one row per complete epoch, with the mean gradient norm of each layer; whole or not at all."""
        columns = self.columns() | {f"gradient_norm {layer}": v for layer, v in self.mean_gradient_norms().items()}
        with atomic_write(path) as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns)
            rows.writerows(zip(*columns.values(), strict=True))

    def __repr__(self):
        columns = self.columns()
        names = [name.replace("_", " ") for name in columns]
        rows = [[_number(name, v) for name, v in zip(columns, row)] for row in zip(*columns.values(), strict=True)]
        if len(rows) > 12:
            rows = rows[:3] + [["..."] * len(names)] + rows[-8:]
        widths = [max(map(len, column)) for column in zip(names, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in [names, *rows]]
        return "\n".join(lines + ([f"stopped: {self.stopped}"] if self.stopped else []))


def _number(name, value):
    return str(value) if name == "epoch" else f"{value:.2f}" if name == "seconds" else f"{value:.4f}"


def accuracy(scores, labels):
    """The share of samples whose highest score is that of their label.

    Parameters
    ----------
    scores : (n, classes), one score per class
    labels : integers (n,)

    Returns
    -------
    float from 0 to 1

    Raises
    ------
    ShapeError
        The shapes are not these.

    Examples
    --------
    >>> import chainrule.train as train
    >>> train.accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    scores, labels = _array(scores), _array(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ShapeError(
            explain(
                "accuracy: expects scores (n, classes) and labels (n,)",
                f"scores: {scores.dtype} {scores.shape}    labels: {labels.dtype} {labels.shape}",
                help="give a metric of your own for other outputs: metrics={'name': lambda output, target: ...}",
            )
        )
    return float((scores.argmax(1) == labels).mean())


METRICS = {"accuracy": accuracy}


def fit(
    model,
    data,
    *,
    loss,
    optimizer,
    epochs,
    validation=None,
    metrics=None,
    clip_norm=None,
    callbacks=(),
    progress=True,
    seed=None,
    batch_size=32,
):
    """Train `model` and tell what happened.

    Parameters
    ----------
    model : Module
    data : DataLoader, or another iterable of batches (input, ..., target); a Dataset; or arrays (inputs, ..., targets),
        which are shuffled anew in each epoch and cut into batches of `batch_size`
    loss : called as loss(output, target), gives the mean over the batch as a scalar Tensor
    optimizer : over the parameters of the model
    epochs : passes over the data
    validation : as `data`; looked at after each epoch
    metrics : names from {"accuracy"}, or a dict of functions (output, target) -> number, averaged over batches
    clip_norm : scale gradients down when the norm of all together is greater
    callbacks : called as callback(history, model) after each epoch; one that returns True ends the run
    progress : show a bar, if the standard error stream is a terminal
    seed : start chainrule's random numbers from here, so that the run can be repeated
    batch_size : for `data` that is not yet in batches

    Returns
    -------
    History
        After Ctrl-C, of the run up to there; `history.stopped` says so.

    Raises
    ------
    DivergedError
        The loss or a gradient is infinite or not a number; the message names epoch, batch and parameter.
    ArgumentError
        The data are not batches of inputs and targets, or there are none.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn, optim
    >>> from chainrule.train import fit
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> sgd = optim.SGD(model.parameters(), lr=0.1)
    >>> history = fit(model, (x, 2 * x + 1), loss=nn.MSELoss(), optimizer=sgd, epochs=30, seed=0)
    >>> len(history), history.train_loss[-1] < 1e-3
    (30, True)
    """
    _check_epochs(epochs)
    if seed is not None:
        manual_seed(seed)
    metrics = _named_metrics(metrics)
    batches = _batches(data, batch_size, True, seed, "data")
    held_out = None if validation is None else _batches(validation, EVALUATION_BATCH, False, None, "validation")
    layers = _layers(model)
    history = History(
        train_metrics={name: [] for name in metrics},
        validation_metrics={name: [] for name in metrics} if held_out is not None else {},
        gradient_norms={layer: [] for layer in layers},
    )
    total = epochs * len(batches) if hasattr(batches, "__len__") else None
    bar = tqdm(total=total, disable=None if progress else True, unit="batch", leave=True)
    try:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"epoch {epoch}/{epochs}")
            began = perf_counter()
            model.train()
            means = _Means(["loss", *metrics])
            steps = 0
            for batch in batches:
                steps += 1
                inputs, target, n = _parts(batch)
                optimizer.zero_grad()
                output = model(*inputs)
                value = loss(output, target)
                value.backward()
                number = value.item()
                norms = {name: _norm(parameters) for name, parameters in layers.items()}
                if not (math.isfinite(number) and all(map(math.isfinite, norms.values()))):
                    raise _diverged(model, number, epoch, steps, history)
                if clip_norm is not None:
                    _clip(layers, math.hypot(*norms.values()), clip_norm)
                optimizer.step()
                history.batch_loss.append(number)
                for name, norm in norms.items():
                    history.gradient_norms[name].append(norm)
                with no_grad():
                    means.add(n, number, *(float(f(output.detach(), target)) for f in metrics.values()))
                bar.update()
                bar.set_postfix(_postfix(means, history), refresh=False)
            if not steps:
                raise _no_batches("data", epoch)
            found = None if held_out is None else _evaluate(model, held_out, loss, metrics)
            _finish_epoch(history, means.values(), found, perf_counter() - began, steps)
            bar.set_postfix(_postfix(means, history))
            answers = [callback(history, model) for callback in callbacks]  # all of them, also after one has said stop
            if any(answer is True for answer in answers):
                history.stopped = f"by a callback after epoch {epoch}"
                break
    except KeyboardInterrupt:
        history.stopped = f"interrupted in epoch {len(history) + 1}"
    finally:
        bar.close()
    return history


def evaluate(model, data, loss=None, metrics=None, *, batch_size=EVALUATION_BATCH):
    """Loss and metrics of `model` on data, without training it; layers such as Dropout are switched off meanwhile.

    Parameters
    ----------
    model, data, loss, metrics : as for `fit`

    Returns
    -------
    dict of floats: "loss", if one is given, and each metric; means over all samples

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> from chainrule.train import evaluate
    >>> evaluate(nn.Identity(), (np.eye(3), np.arange(3)), metrics="accuracy")
    {'accuracy': 1.0}
    """
    return _evaluate(model, _batches(data, batch_size, False, None, "data"), loss, _named_metrics(metrics))


def _evaluate(model, batches, loss, metrics):
    functions = ({} if loss is None else {"loss": loss}) | metrics
    means = _Means(list(functions))
    was_training = getattr(model, "training", False)
    model.eval()
    try:
        with no_grad():
            for batch in batches:
                inputs, target, n = _parts(batch)
                output = model(*inputs)
                means.add(n, *(float(f(output, target)) for f in functions.values()))
    finally:
        model.train(was_training)
    if not means.n:
        raise _no_batches("the data to evaluate on", 1)
    return means.values()


class _Means:
    """Means of several numbers over samples, added batch by batch."""

    def __init__(self, names):
        self.names, self.n = names, 0
        self.sums = [0.0] * len(names)

    def add(self, n, *values):
        self.n += n
        self.sums = [s + n * v for s, v in zip(self.sums, values, strict=True)]

    def values(self):
        return {name: s / self.n for name, s in zip(self.names, self.sums, strict=True)}


def _finish_epoch(history, trained, found, seconds, steps):
    history.train_loss.append(trained.pop("loss"))
    for name, value in trained.items():
        history.train_metrics[name].append(value)
    if found is not None:
        history.validation_loss.append(found.pop("loss"))
        for name, value in found.items():
            history.validation_metrics[name].append(value)
    history.seconds.append(seconds)
    history.steps_per_epoch.append(steps)


def _postfix(means, history):
    shown = {name: f"{value:.4f}" for name, value in means.values().items()}
    if history.validation_loss:
        shown["val loss"] = f"{history.validation_loss[-1]:.4f}"
        shown |= {f"val {name}": f"{values[-1]:.4f}" for name, values in history.validation_metrics.items() if values}
    return shown


# --- data ---------------------------------------------------------------------------------------------------------------


def _batches(data, batch_size, shuffle, seed, name):
    if isinstance(data, Dataset):
        return DataLoader(data, batch_size, shuffle, seed=seed)
    if isinstance(data, (tuple, list)) and len(data) > 1 and all(isinstance(a, (np.ndarray, Tensor)) for a in data):
        return DataLoader(TensorDataset(*data), batch_size, shuffle, seed=seed)
    if isinstance(data, (np.ndarray, Tensor, Mapping, str)) or not hasattr(data, "__iter__"):
        raise ArgumentError(
            explain(
                f"fit: `{name}` must give batches of inputs and targets",
                f"found: {type(data).__name__}",
                help="pass a DataLoader, a Dataset, or arrays (inputs, targets)",
            )
        )
    return data


def _parts(batch):
    """(inputs, target, number of samples) of a batch."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ArgumentError(
            explain(
                "a batch must be a tuple (input, ..., target)",
                f"found: {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""),
                help="TensorDataset(inputs, targets), or a collate_fn that gives such tuples",
            )
        )
    *inputs, target = batch
    return inputs, target, len(target)


def _no_batches(name, epoch):
    help = "check the size of the dataset, and drop_last" if epoch == 1 else "an iterator ends for good; pass a DataLoader"
    return ArgumentError(explain(f"{name}: no batches in epoch {epoch}", "batches: 0", help=help))


def _check_epochs(epochs):
    if not isinstance(epochs, (int, np.integer)) or isinstance(epochs, bool) or epochs < 0:
        raise ArgumentError(explain("fit: epochs must be an int, at least 0", f"epochs: {epochs!r}", help="for example 10"))


def _named_metrics(metrics):
    if metrics is None:
        return {}
    if isinstance(metrics, str):
        metrics = [metrics]
    named = dict(metrics) if isinstance(metrics, Mapping) else {m if isinstance(m, str) else m.__name__: m for m in metrics}
    for name, function in named.items():
        if isinstance(function, str):
            named[name] = function = METRICS.get(function, function)
        if not callable(function) or name == "loss":
            raise ArgumentError(
                explain(
                    f"unknown metric {name!r}",
                    f"known by name: {', '.join(METRICS)}",
                    help="or give a function: metrics={'name': lambda output, target: ...}; 'loss' is taken",
                )
            )
    return named


# --- gradients ----------------------------------------------------------------------------------------------------------


def _array(x):
    return np.asarray(x.detach() if isinstance(x, Tensor) else x)


def _layers(model):
    """The trained parameters of each module that has some of its own, by path."""
    layers: dict = {}
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(path.rpartition(".")[0] or type(model).__name__, []).append(parameter)
    return layers


def _norm(parameters):
    """The Euclidean norm of the gradients of `parameters` together; those without one count as 0."""
    total = 0.0
    for p in parameters:
        if p.grad is not None:
            g = _array(p.grad).ravel()
            squares = float(np.vdot(g, g).real)
            if not math.isfinite(squares) and np.isfinite(g).all():  # only the square is too large for float32
                squares = float(np.linalg.norm(g.astype(np.result_type(g, np.float64)))) ** 2
            total += squares
    return math.sqrt(total)


def _clip(layers, norm, limit):
    if norm > limit:
        for parameters in layers.values():
            for p in parameters:
                if p.grad is not None:
                    p.grad = p.grad.detach() * (limit / norm)


def _diverged(model, number, epoch, batch, history):
    wrong = [name for name, p in model.named_parameters() if p.grad is not None and not np.isfinite(_array(p.grad)).all()]
    spoilt = [name for name, p in model.named_parameters() if not np.isfinite(_array(p)).all()]
    found = [f"loss: {number}    first parameter with a non-finite gradient: {wrong[0] if wrong else 'none'}"]
    if spoilt:
        found.append(f"first parameter with a non-finite value: {spoilt[0]}")
    elif epoch == 1 and batch == 1:
        found.append("all parameters are finite: the data, or a function at the edge of its domain, brought it in")
    history.stopped = f"diverged in epoch {epoch}, batch {batch}"
    return DivergedError(
        explain(
            f"fit: not finite in epoch {epoch}, batch {batch}",
            *found,
            help="look for NaN in the data, lower the learning rate, or set clip_norm=1.0",
        ),
        history,
    )
