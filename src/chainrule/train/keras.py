"""What Keras users write: data as x and y, losses and optimisers by name, numbers of steps, one line per epoch."""

import itertools

import numpy as np

from .. import nn, optim
from ..errors import ArgumentError, explain
from ..tensor import Tensor
from .callbacks import Callback

LOSSES = {
    "mse": nn.MSELoss,
    "mean_squared_error": nn.MSELoss,
    "mae": nn.L1Loss,
    "mean_absolute_error": nn.L1Loss,
    "huber": nn.HuberLoss,
}
SCORES = {  # in Keras these take probabilities, unless they are told otherwise; no name should leave open what is meant
    "sparse_categorical_crossentropy": "nn.CrossEntropyLoss() for scores and labels; no softmax at the model's end",
    "categorical_crossentropy": "nn.CrossEntropyLoss() for scores and labels or probabilities; no softmax at the model's end",
    "binary_crossentropy": "nn.BCEWithLogitsLoss() for scores, nn.BCELoss() behind a sigmoid",
}


def loss_of(given):
    """A loss from its name, if it is one."""
    if not isinstance(given, str):
        return given
    if given.lower() in LOSSES:
        return LOSSES[given.lower()]()
    known = f"known by name: {', '.join(LOSSES)}"
    raise ArgumentError(
        explain(f"unknown loss {given!r}", known, help=SCORES.get(given.lower(), "or pass a module, such as nn.MSELoss()"))
    )


def optimizer_of(given, model, loss):
    """An optimiser of the model's parameters from its name or its class, if it is one."""
    if isinstance(given, str):
        named = {name.lower(): name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
        found = getattr(optim, named.get(given.lower(), ""), None)
        if found is optim.Optimizer or not (isinstance(found, type) and issubclass(found, optim.Optimizer)):
            raise ArgumentError(
                explain(f"unknown optimizer {given!r}", help="for example 'adam', or optim.Adam(model.parameters(), lr=1e-3)")
            )
        given = found
    if isinstance(given, type):
        return given(model.parameters())
    if given is not None and not hasattr(given, "step"):
        asked = "Trainer: the optimizer is an Optimizer, a class of them, or a name"
        raise ArgumentError(explain(asked, f"found: {type(given).__name__}", help="optim.Adam(model.parameters(), lr=1e-3)"))
    trained = {id(p) for group in getattr(given, "param_groups", ()) for p in group["params"]}
    own = [id(p) for part in (model, loss) if hasattr(part, "parameters") for p in part.parameters()]
    if trained and own and trained.isdisjoint(own):
        asked = "Trainer: the optimizer holds no parameter of the model, which would never change"
        raise ArgumentError(explain(asked, help="make the optimizer for this model: optim.Adam(model.parameters())"))
    return given


def plain(x, name="x"):
    """An array or Tensor of numbers from anything that holds them: lists, data frames."""
    if isinstance(x, Tensor):
        return x
    array = np.asarray(x.to_numpy() if hasattr(x, "to_numpy") else x)
    if array.dtype.kind not in "biufc":
        raise ArgumentError(
            explain(f"fit: `{name}` must hold numbers", f"found: {array.dtype} {array.shape}", help="encode what is text first")
        )
    return array


def inputs_of(x):
    """A list of input arrays: of one, or of several for a model with several arguments."""
    several = isinstance(x, (list, tuple)) and len(x) and all(hasattr(a, "shape") and a.shape for a in x)
    return [plain(a) for a in (x if several else [x])]


def joined(data, y):
    """Arrays (inputs, ..., targets) from inputs and targets; without targets, what was given."""
    if y is None:
        return data
    if data is None or not (hasattr(data, "shape") or isinstance(data, (list, tuple))):
        raise ArgumentError(
            explain(
                "fit: targets go with arrays of inputs",
                f"found: {type(data).__name__} and targets",
                help="pass arrays x and y, or something that gives batches of both, and no y",
            )
        )
    return (*inputs_of(data), plain(y, "y"))


def held_out(data):
    """(data, weights or None) from Keras's `validation_data`: (x, y), (x, y, weights), or what gives batches."""
    if isinstance(data, (tuple, list)) and len(data) in (2, 3):
        return joined(data[0], data[1]), data[2] if len(data) == 3 else None
    return data, None


class FirstBatches:
    """The first batches of each pass, as many as asked for, from several passes if need be; an iterator goes on where it was.

    >>> [list(FirstBatches("abc", 2)), list(FirstBatches("abc", 4))]
    [['a', 'b'], ['a', 'b', 'c', 'a']]
    """

    def __init__(self, batches, steps, name="steps_per_epoch"):
        if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool) or steps < 1:
            raise ArgumentError(explain(f"{name} must be a positive int", f"found: {steps!r}", help="leave it out for all"))
        self.batches, self.steps = batches, int(steps)

    def __len__(self):
        return self.steps

    def __iter__(self):
        left, before = self.steps, -1
        while left and left != before:
            before = left
            for batch in itertools.islice(self.batches, left):
                left -= 1
                yield batch

    def __getattr__(self, name):  # the loader's own: its generator, and which pass this is
        if name == "batches":
            raise AttributeError(name)
        return getattr(self.batches, name)


class EpochLines(Callback):
    """One line on the standard output after each epoch: Keras's `verbose=2`."""

    def on_epoch_end(self, epoch, logs):
        numbers = [f"{name}: {value:.4f}" for name, value in logs.items() if isinstance(value, float)]
        print(" - ".join([f"Epoch {epoch}/{self.trainer.epochs}", f"{self.trainer.history.seconds[-1]:.1f}s", *numbers]))
