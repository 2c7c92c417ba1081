"""Checkpoints: files from which a run goes on, to the last bit as if it had never been interrupted."""

import re
import warnings
from pathlib import Path

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, explain
from ..saving import load, save
from .callbacks import Best, Callback
from .history import History
from .keeping import random_states, set_random_states
from .metrics import array

FORMAT = 1
ENDING = ".safetensors"


class ModelCheckpoint(Callback):
    """Save the state of the run after epochs, or every so many batches, so that `fit(..., resume=True)` goes on from there.

    A file is written beside its place and then moved there, so that a run may be killed at any moment. It holds everything that
    the rest of the run depends on: the model, the optimiser, averages, callbacks with their schedules, random generators, the
    place in the data, and the history.

    Parameters
    ----------
    folder : made if missing
    every : epochs between checkpoints
    every_batches : batches between further ones, within epochs; None for none
    keep : how many of the last checkpoints to keep
    monitor : as in `logs`; if given, weights go to `best.safetensors` whenever this is better than ever before
    mode : 'min', 'max' or 'auto'

    Examples
    --------
    >>> import tempfile
    >>> from chainrule import nn, optim
    >>> from chainrule.train import ModelCheckpoint, fit
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> def run(epochs, folder):
    ...     model = nn.Linear(1, 1)
    ...     nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    ...     sgd = optim.SGD(model.parameters(), lr=0.1)
    ...     history = fit(model, (x, 2 * x), loss=nn.MSELoss(), optimizer=sgd, epochs=epochs, seed=0,
    ...                   callbacks=[ModelCheckpoint(folder)], resume=True)
    ...     return model.weight.item(), len(history)
    >>> with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
    ...     _ = run(2, one)  # and then on, from the second epoch to the fourth
    ...     run(4, one) == run(4, other)
    True
    """

    comes_last = True  # after all callbacks whose state it saves

    def __init__(self, folder, every=1, every_batches=None, keep=3, monitor=None, mode="auto"):
        for name, value in (("every", every), ("every_batches", every_batches), ("keep", keep)):
            if not (isinstance(value, (int, np.integer)) and value >= 1) and not (name == "every_batches" and value is None):
                raise ArgumentError(
                    explain(f"ModelCheckpoint: {name} must be a positive int", f"found: {value!r}", help="for example 1")
                )
        self.folder, self.every, self.every_batches, self.keep = Path(folder), every, every_batches, keep
        self.best = None if monitor is None else Best(monitor, mode)

    def on_train_begin(self, logs):
        self.folder.mkdir(parents=True, exist_ok=True)
        for torn in self.folder.glob(".*.part"):  # what a kill in the middle of writing has left behind
            torn.unlink(missing_ok=True)

    def on_batch_end(self, batch, logs):
        if self.every_batches and len(self.trainer.history.batch_loss) % self.every_batches == 0:
            self.save()

    def on_epoch_end(self, epoch, logs):
        best = None if self.best is None or self.trainer.lacks(self.best.monitor) else self.best
        if best is not None and best.look(logs, "ModelCheckpoint"):
            save(weights_of(self.trainer), self.folder / f"best{ENDING}")
        if epoch % self.every == 0 or self.trainer.stopping or epoch == self.trainer.epochs:
            self.save()

    def save(self):
        """Write a checkpoint now, and remove the oldest."""
        save(capture(self.trainer), self.folder / f"batch-{len(self.trainer.history.batch_loss):09d}{ENDING}")
        for old in checkpoints_in(self.folder)[: -self.keep]:
            old.unlink(missing_ok=True)

    def state_dict(self):
        return {} if self.best is None else {"best": self.best.value, "looks": self.best.looks}

    def load_state_dict(self, state):
        if self.best is not None and state:
            self.best.value, self.best.looks = state["best"], state["looks"]


def checkpoints_in(folder):
    """The checkpoints in a folder, oldest first."""
    return sorted(p for p in Path(folder).glob(f"batch-*{ENDING}") if re.fullmatch(r"batch-\d+", p.stem))


def weights_of(trainer):
    """The weights to predict with, as a state dict."""
    return (trainer.model if trainer.averaged is None else trainer.averaged.module).state_dict()


def capture(trainer):
    """Everything that the rest of a run depends on, as a tree."""
    t = trainer
    return {
        "format": FORMAT,
        "model": {"parameters": _values(t.model.named_parameters()), "buffers": _values(t.model.named_buffers())},
        "gradients": {n: array(p.grad) for n, p in t.model.named_parameters() if p.grad is not None},
        "optimizer": t.optimizer.state_dict(),
        "averaged": None if t.averaged is None else _averaged(t.averaged),
        "random": random_states(t.generators),
        "place": t.place | {"epoch": t.epoch, "batch": t.batch},
        "steps": t.step_count,
        "waiting": t.waiting,
        "so_far": [m.state_dict() for m in (t.mean_loss, *t.metrics.values())],
        "seconds": t.seconds,
        "history": _compact(t.history.to_dict()),
        "stopping": t.stopping,
        "callbacks": [(type(c).__name__, c.state_dict()) for c in t.callbacks],
    }


def restore(trainer, tree):
    """Put everything back; what there is must have been built as it was then."""
    t = trainer
    if tree.get("format") != FORMAT:
        raise DataError(
            explain(
                "fit: this file is no checkpoint of a run, or of another version",
                f"format: {tree.get('format')!r}    expected: {FORMAT}",
                help="cr.load reads weights; let the run begin anew",
            )
        )
    own = {**dict(t.model.named_parameters()), **dict(t.model.named_buffers())}
    saved = tree["model"]["parameters"] | tree["model"]["buffers"]
    _check_names(own, saved)
    for name, x in own.items():
        x.data = saved[name]
    for name, p in t.model.named_parameters():
        p.grad = tree["gradients"].get(name)
    t.optimizer.load_state_dict(tree["optimizer"])
    if t.averaged is not None and tree["averaged"] is not None:
        t.averaged.n_averaged.data = tree["averaged"]["n"]
        for name, x in (*t.averaged.module.named_parameters(), *t.averaged.module.named_buffers()):
            x.data = tree["averaged"]["values"][name]
    t.epoch, t.batch = tree["place"]["epoch"], tree["place"]["batch"]
    t.place = {k: v for k, v in tree["place"].items() if k not in ("epoch", "batch")}
    t.step_count, t.waiting, t.seconds = tree["steps"], tree["waiting"], tree["seconds"]
    for m, state in zip((t.mean_loss, *t.metrics.values()), tree["so_far"], strict=False):
        m.load_state_dict(state)
    before, t.history = t.history, History(**_listed(tree["history"]))
    t.history.initial_epoch, t.history.params = before.initial_epoch, before.params
    t.stopping = tree["stopping"]
    _restore_callbacks(t.callbacks, tree["callbacks"])
    set_random_states(t.generators, tree["random"])


def _restore_callbacks(callbacks, saved):
    """By kind and order: a bar or a log may be added or left out."""
    for c in callbacks:
        at = next((i for i, (name, _) in enumerate(saved) if name == type(c).__name__), None)
        if at is not None:
            c.load_state_dict(saved[at][1])
            saved = saved[:at] + saved[at + 1 :]


def _check_names(own, saved):
    wrong = {
        "missing": [n for n in own if n not in saved],
        "unexpected": [n for n in saved if n not in own],
        "wrong shape": [
            f"{n}: expected {x.shape}, found {saved[n].shape}"
            for n, x in own.items()
            if n in saved and saved[n].shape != x.shape
        ],
    }
    if any(wrong.values()):
        raise ArgumentError(
            explain(
                "fit: the checkpoint is of another model",
                *(f"{what}: {', '.join(names)}" for what, names in wrong.items() if names),
                help="build the model as it was, or use another folder",
            )
        )


def _values(named):
    return {name: array(x) for name, x in named}


def _compact(tree):
    """Long lists of numbers as arrays."""
    if isinstance(tree, dict):
        return {k: _compact(v) for k, v in tree.items()}
    return np.array(tree) if isinstance(tree, list) and len(tree) > 64 and type(tree[0]) is float else tree


def _listed(tree):
    if isinstance(tree, dict):
        return {k: _listed(v) for k, v in tree.items()}
    return tree.tolist() if isinstance(tree, np.ndarray) else tree


def _averaged(averaged):
    named = (*averaged.module.named_parameters(), *averaged.module.named_buffers())
    return {"n": array(averaged.n_averaged), "values": _values(named)}


def find(resume, callbacks):
    """The state to go on from, or None: `resume` is True (the folder of a ModelCheckpoint), a folder, or a file."""
    if resume is True:
        folders = [c.folder for c in callbacks if isinstance(c, ModelCheckpoint)]
        if not folders:
            raise ArgumentError(
                explain(
                    "fit: resume=True needs a ModelCheckpoint among the callbacks",
                    help="callbacks=[ModelCheckpoint('runs/first')], or resume='folder'",
                )
            )
        resume = folders[0]
    path = Path(resume)
    if path.is_file():
        return load(path)
    if path.suffix == ENDING:
        raise MissingDataError(explain(f"fit: no checkpoint {path}", help="resume=folder takes the last one there, if any"))
    for file in reversed(checkpoints_in(path)):
        try:
            return load(file)
        except DataError as error:
            warnings.warn(f"{error}\n  going on with the checkpoint before it", stacklevel=3)
    return None
