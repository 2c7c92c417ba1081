"""What the image demos share: train a classifier, say how good it is, write pictures of the run."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn, optim, plot
from ..creation import from_numpy
from ..data import DataLoader, Dataset, ImageDataset
from ..data.files import atomic_write
from ..errors import ArgumentError, explain, missing_extra
from ..random import manual_seed
from ..train import LearningRateScheduler, fit
from ..transforms.record import graph
from ..transforms.scope import no_grad

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


@dataclass
class Task:
    """What to train on, and how."""

    name: str
    train: Dataset
    test: ImageDataset
    make_model: Callable[[], nn.Module]
    make_optimizer: Callable[[nn.Module], Any]
    batch_size: int
    epochs: int
    blas_threads: int | None = None  # None for as many as there are cores


def mlp(*sizes, dropout=0.0):
    """Linear layers of these sizes with ReLU, and dropout after the first, between them.

    Examples
    --------
    >>> from chainrule.demos.classify import mlp
    >>> [name for name, _ in mlp(4, 3, 2).named_children()]
    ['hidden1', 'relu1', 'output']
    """
    layers: dict[str, nn.Module] = {}
    for i, (n_in, n_out) in enumerate(pairwise(sizes[:-1]), 1):
        layers |= {f"hidden{i}": nn.Linear(n_in, n_out), f"relu{i}": nn.ReLU()}
        if dropout and i == 1:
            layers["dropout"] = nn.Dropout(dropout)
    return nn.Sequential(layers | {"output": nn.Linear(*sizes[-2:])})


def run(task, options):
    """Train, report and write; returns the exit code.

    Parameters
    ----------
    task : Task
    options : with `seed`, `out` (a folder, or None for runs/NAME) and `epochs` (or None for the task's)
    """
    _check_matplotlib()
    out = _folder(Path(options.out or f"runs/{task.name}"))
    epochs = task.epochs if options.epochs is None else options.epochs
    manual_seed(options.seed)
    model = task.make_model()
    optimizer = task.make_optimizer(model)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(epochs, 1))
    loss = nn.CrossEntropyLoss()
    _announce(task, model, epochs)
    with _blas_threads(task.blas_threads):
        history = fit(
            model,
            DataLoader(task.train, task.batch_size, shuffle=True, seed=options.seed),
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            validation=task.test,
            metrics="accuracy",
            callbacks=[LearningRateScheduler(schedule), _reporter(epochs)],
        )
    if history.stopped:
        print(f"{history.stopped}: what follows is the result up to there")
    predictions = _predict(model, task.test)
    labels = np.asarray(task.test.labels)
    right = int((predictions == labels).sum())
    print(f"test accuracy: {100 * right / len(labels):.2f} % ({right:,} of {len(labels):,}), {_time(history)}")
    written = {
        **_write_history(history, out),
        **_write_predictions(task.test, labels, predictions, out),
        **_write_step(task, loss, out),
    }
    print(f"written to {out}:")
    width = max(map(len, written))
    for name, what in written.items():
        print(f"  {name.ljust(width)}  {what}")
    return INTERRUPTED if history.stopped else 0


def _check_matplotlib():
    """Before minutes of training, not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise missing_extra("matplotlib", "demo", "this demo") from error


def _blas_threads(limit):
    """A context in which NumPy's matrix products use at most so many threads, where threadpoolctl is there to say so."""
    if limit is None:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    except ImportError:
        return nullcontext()
    return threadpool_limits(limit, user_api="blas")


def _folder(path):
    """The folder, made if need be; a bad one is noticed before training."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with atomic_write(path / ".probe"):
            pass
        (path / ".probe").unlink()
    except OSError as error:
        found = f"found: {error.strerror or error}"
        raise ArgumentError(explain(f"cannot write into the folder {path}", found, help="choose another with --out")) from error
    return path


def _announce(task, model, epochs):
    shape = "x".join(map(str, task.test.image_shape))
    print(f"{task.name}: {len(task.train):,} training and {len(task.test):,} test images of {shape} pixels")
    sizes = [layer.in_features for layer in model if isinstance(layer, nn.Linear)] + [len(task.test.classes)]
    parameters = sum(p.numel() for p in model.parameters())
    print(f"model: {' - '.join(map(str, sizes))} with ReLU, {parameters:,} parameters; {_epochs(epochs)}", flush=True)


def _reporter(epochs):
    """A callback that prints about ten lines in a run, where there is no progress bar to look at."""

    def report(history, model):
        epoch = len(history)
        if not sys.stderr.isatty() and (epoch % max(epochs // 10, 1) == 0 or epoch == epochs):
            loss, accuracy = history.train_loss[-1], history.validation_metrics["accuracy"][-1]
            print(f"  epoch {epoch}/{epochs}: loss {loss:.4f}, test accuracy {100 * accuracy:.2f} %", flush=True)

    return report


def _time(history):
    total = sum(history.seconds)
    return f"{total:.1f} s for {_epochs(len(history))}" + (f", {total / len(history):.2f} s each" if len(history) > 1 else "")


def _epochs(n):
    return "1 epoch" if n == 1 else f"{n} epochs"


def _predict(model, test, batch_size=2048):
    model.eval()
    with no_grad():
        scores = [np.asarray(model(x).detach()) for x, _ in DataLoader(test, batch_size)]
    return np.concatenate(scores).argmax(1)


def _write_history(history, out):
    history.to_csv(out / "history.csv")
    written = {"history.csv": "all numbers, one row per epoch"}
    if history.batch_loss:
        plot.save(plot.loss_curves(history, held_out="test"), out / "loss.png")
        plot.save(plot.gradient_norms(history), out / "gradient_norms.png")
        written["loss.png"] = "loss of each epoch"
        written["gradient_norms.png"] = "norm of each layer's gradient in each step"
    if len(history):
        plot.save(plot.metric_curves(history, held_out="test"), out / "accuracy.png")
        written["accuracy.png"] = "accuracy of each epoch"
    return written


def _write_predictions(test, labels, predictions, out, shown=32):
    wrong, right = np.flatnonzero(predictions != labels), np.flatnonzero(predictions == labels)
    wrong = wrong[: max(shown // 2, shown - len(right))]
    chosen = np.concatenate([wrong, right[: shown - len(wrong)]])
    figure = plot.image_grid(test.pictures()[chosen], labels[chosen], predictions[chosen], test.classes)
    figure.suptitle("Test images and what the model says: mistakes first, in red", fontsize=11)
    plot.save(figure, out / "predictions.png")
    plot.save(plot.confusion_matrix(labels, predictions, test.classes), out / "confusion.png")
    return {
        "predictions.png": "test images with what the model says",
        "confusion.png": "which classes are taken for which",
    }


def _write_step(task, loss, out):
    """The graph of a training step: forward, backward and update. It runs on a model of its own, as recording is real."""
    model = task.make_model()
    optimizer = task.make_optimizer(model)
    x, y = (from_numpy(np.asarray(a)) for a in next(iter(DataLoader(task.train, task.batch_size))))

    def training_step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    training_step(x, y)  # the first one makes the optimiser's state; from then on steps are alike
    program = graph(training_step)(x, y)
    texts = {
        "step.txt": (str(program), "the program of one training step: forward, backward, update"),
        "step.mmd": (program.to_mermaid(), "its graph, for mermaid.live or a ```mermaid block"),
        "step.dot": (program.to_graphviz(), "its graph, for Graphviz: dot -Tsvg step.dot -o step.svg"),
    }
    for name, (text, _) in texts.items():
        with atomic_write(out / name) as file:
            file.write(text.rstrip("\n") + "\n")
    return {name: what for name, (_, what) in texts.items()}
