"""Trainer: the loop around a step of training, and `fit`, which makes one and runs it."""

import copy
import itertools
import math
from time import perf_counter

import numpy as np

from ..core import accelerate
from ..data.dataset import Dataset, TensorDataset
from ..data.loader import DataLoader
from ..errors import ArgumentError, explain
from ..optim import LBFGS, AveragedModel, get_ema_avg_fn
from ..random import manual_seed
from ..tensor import Tensor
from .batches import EVALUATION_BATCH, as_batches, class_weights, no_batches, parts, split, weights_of, with_weights
from .callbacks import as_callbacks, overrides
from .checkpoints import ModelCheckpoint, find, restore
from .culprit import findings
from .history import DivergedError, History
from .keeping import Keeping, generators_of, random_states, set_random_states
from .keras import EpochLines, FirstBatches, held_out as held_out_of, inputs_of, joined, loss_of, optimizer_of, plain
from .metrics import Mean, array, named_metrics
from .step import Programs, layers_of, make_evaluation, make_flush, make_forward, make_prediction, make_step, pays


class Trainer:
    """Trains a model, evaluates it and predicts with it.

    Parameters
    ----------
    model : Module
    loss : called as loss(output, target), gives the mean over the batch as a scalar Tensor; or 'mse', 'mae', 'huber'; may be
        None to predict only
    optimizer : over the parameters of the model; or its class or name ('adam'), for its usual settings
    metrics : names, metrics, functions (output, target) -> number, which are averaged over samples, or a dict of them
    compile : run steps as compiled programs where the run is long enough for that to pay; "always" in any case; or False
    clip_norm : scale gradients down when the norm of all together is greater
    clip_value : limit each element of the gradients
    accumulate : batches for each step of the optimiser
    ema : None, or the decay of a fading average of the weights, in `averaged`; it is what is evaluated and predicted with
    class_weight : {class: weight} or a list: each sample's loss is multiplied by its class's weight; needs a loss with
        `reduction`

    Attributes
    ----------
    history : History of the last run
    averaged : optim.AveragedModel, or None
    epoch, batch, step_count : where the run is; steps are those of the optimiser
    uncompiled : why steps run uncompiled, or None

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn, optim
    >>> from chainrule.train import Trainer
    >>> _ = cr.manual_seed(0)
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.2), metrics="mae")
    >>> history = trainer.fit((x, 2 * x + 1), epochs=50)
    >>> trainer.evaluate((x, 2 * x + 1))["mae"] < 0.01
    True
    >>> trainer.predict(np.zeros((1, 1), np.float32)).round(1)
    array([[1.]], dtype=float32)
    """

    def __init__(
        self,
        model,
        loss=None,
        optimizer=None,
        *,
        metrics=None,
        compile=True,
        clip_norm=None,
        clip_value=None,
        accumulate=1,
        ema=None,
        class_weight=None,
    ):
        if not isinstance(accumulate, (int, np.integer)) or accumulate < 1:
            raise ArgumentError(explain("accumulate must be a positive int", f"found: {accumulate!r}", help="for example 4"))
        if compile not in (True, False, "always"):
            raise ArgumentError(explain("compile must be True, False or 'always'", f"found: {compile!r}", help="usually True"))
        if isinstance(model, type) or not hasattr(model, "parameters"):
            found = f"found: {'the class ' + model.__name__ if isinstance(model, type) else type(model).__name__}"
            raise ArgumentError(explain("Trainer: the model is a Module", found, help="make one, such as nn.Linear(4, 2)"))
        self.model, self.loss = model, loss_of(loss)
        self.optimizer = optimizer_of(optimizer, model, self.loss)
        self.metrics = named_metrics(metrics)
        self.compile, self.accumulate = compile, int(accumulate)
        self.averaged = None if ema is None else AveragedModel(model, avg_fn=get_ema_avg_fn(ema))
        self.by_class = None if class_weight is None else class_weights(class_weight)
        self.limits = {"clip_norm": clip_norm, "clip_value": clip_value}
        self.history, self.mean_loss = History(), Mean()
        self.epoch, self.batch, self.step_count, self.waiting = 1, 0, 0, 0
        self.epochs, self.batches_per_epoch, self.seconds = 0, None, 0.0
        self.stopping: str | None = None
        self.place: dict = {}  # what the order of this epoch's batches comes from
        self.callbacks: list = []
        self.generators = generators_of(model)
        self.uncompiled: str | None = "nothing has been trained yet"
        self.held: dict = {}  # functions for evaluation and prediction

    # --- training -------------------------------------------------------------------------------------------------------------

    def fit(
        self,
        data=None,
        y=None,
        *,
        epochs=1,
        batch_size=32,
        validation=None,
        validation_split=None,
        sample_weight=None,
        class_weight=None,
        callbacks=(),
        progress=True,
        seed=None,
        resume=None,
        x=None,
        validation_data=None,
        validation_batch_size=EVALUATION_BATCH,
        validation_steps=None,
        validation_freq=1,
        steps_per_epoch=None,
        initial_epoch=0,
        shuffle=True,
        verbose=None,
    ):
        """Train. Parameters and errors are those of the function `fit`; gives the History. Beyond these, as in Keras:

        Parameters
        ----------
        data, y : inputs (an array, or a list of them) and targets; `data` may also be given as `x`
        validation_data : (x, y), (x, y, weights of samples), or as `validation`
        validation_batch_size, validation_steps : size and number of the batches to validate with
        validation_freq : after every so many epochs there is a validation; or the numbers of those epochs, from 1. For the
            others, the history has NaN, and callbacks hear no `val_...`.
        steps_per_epoch : batches in an epoch, where all batches are too many, or never end
        initial_epoch : epochs that are done already; `epochs` counts them
        shuffle : whether arrays are shuffled anew in each epoch
        verbose : 0 for silence, 1 for a bar, 2 for a line after each epoch

        Examples
        --------
        >>> from chainrule import nn
        >>> from chainrule.train import Trainer
        >>> x = np.linspace(-1, 1, 64)[:, None]
        >>> history = Trainer(nn.Linear(1, 1), "mse", "adam").fit(x, 2 * x, epochs=2, validation_split=0.25, verbose=0)
        >>> list(history.history), history.epoch
        (['loss', 'val_loss'], [0, 1])
        """
        if x is not None and data is not None:
            raise ArgumentError(explain("fit: `x` is another name of `data`", help="give one of them"))
        data, callbacks = joined(data if x is None else x, y), () if callbacks is None else callbacks
        if verbose is not None:
            progress = verbose not in (0, 2)
            callbacks = [*_listed(callbacks), EpochLines()] if verbose == 2 else callbacks
        if not isinstance(epochs, (int, np.integer)) or isinstance(epochs, bool) or epochs < 0:
            raise ArgumentError(explain("fit: epochs must be an int, at least 0", f"epochs: {epochs!r}", help="for example 10"))
        if self.loss is None or self.optimizer is None:
            raise ArgumentError(explain("fit needs a loss and an optimizer", help="Trainer(model, loss, optimizer)"))
        if seed is not None:
            manual_seed(seed)
        if bool(validation_split) + (validation is not None) + (validation_data is not None) > 1:
            raise ArgumentError(
                explain("fit: there are several kinds of data to validate with", help="give validation or validation_split")
            )
        weighted = sample_weight is not None
        weights, self.validated_by_weights = None, weighted and bool(validation_split)
        if weighted:
            data = with_weights(data, sample_weight)
        if validation_split:
            data, validation = split(data, validation_split)
        elif validation_data is not None:
            validation, weights = held_out_of(validation_data)
            self.validated_by_weights = weights is not None
        batches = as_batches(data, 32 if batch_size is None else batch_size, shuffle, seed)
        batches = batches if steps_per_epoch is None else FirstBatches(batches, steps_per_epoch)
        held_out = None if validation is None else _held_out(validation, weights, validation_batch_size, validation_steps)
        self.validation_freq = _frequency(validation_freq)
        before = self.by_class
        self.by_class = before if class_weight is None else class_weights(class_weight)
        try:
            self._prepare(batches, held_out, epochs, callbacks, progress, initial_epoch)
            if resume is not None and resume is not False:
                tree = find(resume, self.callbacks)
                if tree is not None:
                    restore(self, tree)
            self._programs(weighted)
            return self._run(batches, held_out, weighted)
        finally:
            self.by_class = before

    def stop(self, reason):
        """End the run after this batch or epoch."""
        self.stopping = reason

    def so_far(self):
        """Means of the present epoch, with the numbers of the last validation."""
        logs = {"loss": self.mean_loss.result()} | {name: m.result() for name, m in self.metrics.items()}
        last = self.history._last() if len(self.history) else {}
        return logs | {name: v for name, v in last.items() if name.startswith("val_")}

    def _prepare(self, batches, held_out, epochs, callbacks, progress, initial_epoch):
        self.epochs = int(epochs)
        self.batches_per_epoch = len(batches) if hasattr(batches, "__len__") else None
        self.layers = layers_of(self.model)
        self.history = History()
        self.history._begin(self.metrics, held_out is not None, self.layers)
        self.history.initial_epoch = int(initial_epoch)
        self.epoch, self.batch, self.step_count, self.waiting, self.seconds = int(initial_epoch) + 1, 0, 0, 0, 0.0
        self.stopping, self.place = None, {}
        self.generators = generators_of(self.model, getattr(batches, "generator", None))
        self.callbacks = as_callbacks(callbacks, progress)
        for c in self.callbacks:
            c.trainer, c.model, c.params = self, self.model, {"epochs": self.epochs, "steps": self.batches_per_epoch}
        self.history.params = {"epochs": self.epochs, "steps": self.batches_per_epoch}
        if getattr(self.model, "stop_training", False):
            self.model.stop_training = False
        for m in (self.mean_loss, *self.metrics.values()):
            m.reset()

    def _programs(self, weighted):
        """Make the functions that do a step, compiled or not."""
        keep_output = bool(self.metrics)
        options = {**self.limits, "accumulate": self.accumulate, "averaged": self.averaged, "keep_output": keep_output}
        options["weighted"] = weighted or self.by_class is not None
        epochs = self.epochs - self.history.initial_epoch
        steps = None if self.batches_per_epoch is None else self.batches_per_epoch * epochs
        self.uncompiled, self.held = None, {}
        if not self.compile:
            self.uncompiled = "compile=False"
        elif isinstance(self.optimizer, LBFGS):
            self.uncompiled = "L-BFGS decides by values within a step"
        elif self.compile is True and not pays(self.model, steps):
            self.uncompiled = f"{steps} steps are done before a program is made"
        made = self.uncompiled is None
        for p in self.model.parameters():
            if not self.waiting:
                p.grad = None

        def program(f):
            return Programs(f, (self.model, self.loss, self.optimizer), self._keeping, "fit", made)

        self.forward = make_forward(self.model, self.loss, options["weighted"])
        self.take_step = program(make_step(self.model, self.loss, self.optimizer, options))
        self.add_gradients = self.take_step
        if self.accumulate > 1:
            self.add_gradients = program(make_step(self.model, self.loss, self.optimizer, options, last=False))
            self.flush = make_flush(self.model, self.optimizer, options)

    def _keeping(self):
        return Keeping(self.model, self.generators, self.optimizer, self.averaged)

    def _tell(self, what, *args):
        for c in self.callbacks:
            getattr(c, what)(*args)

    def _run(self, batches, held_out, weighted):
        resumable = any(isinstance(c, ModelCheckpoint) for c in self.callbacks)
        # Without programs, operations switch from NumPy to small programs after a while, and a run that is resumed counts
        # anew: its last digits would be others.
        engine = accelerate.install(None) if resumable and self.uncompiled is not None else None
        began = None
        try:
            self._tell("on_train_begin", {})
            while self.epoch <= self.epochs and self.stopping is None:
                began = perf_counter() - self.seconds
                self._epoch(batches, held_out, weighted, began)
        except KeyboardInterrupt:
            self.history.stopped = f"interrupted in epoch {len(self.history) + 1}"
        finally:
            if engine is not None:
                accelerate.install(engine)
            self._tell("on_train_end", {})
        if self.stopping is not None:
            self.history.stopped = self.stopping
        return self.history

    def _epoch(self, batches, held_out, weighted, began):
        """An epoch, or what is left of it, with validation and callbacks."""
        listeners = [c for c in self.callbacks if overrides(c, "on_batch_begin")]
        tellers = [c for c in self.callbacks if overrides(c, "on_batch_end") and not getattr(c, "quiet", False)]
        self.model.train()
        if self.batch == 0:
            for m in (self.mean_loss, *self.metrics.values()):
                m.reset()
            self._tell("on_epoch_begin", self.epoch, {})
        for batch in self._batches_of_epoch(batches):
            for c in listeners:
                c.on_batch_begin(self.batch + 1, {})
            self._one(batch, weighted)
            if tellers:
                self.seconds = perf_counter() - began
                logs = {"loss": self.history.batch_loss[-1]}
                for c in tellers:
                    c.on_batch_end(self.batch, logs)
                if self.stopping is not None:
                    return
        if not self.batch:
            raise no_batches("data", self.epoch)
        self._end_epoch(held_out, began, {"pass": getattr(batches, "epoch", 0)})

    def _end_epoch(self, held_out, began, next_pass):
        if self.waiting:
            norms = self.flush(self.accumulate / self.waiting)
            self._count_step(norms)
        trained = {"loss": self.mean_loss.result()} | {name: m.result() for name, m in self.metrics.items()}
        found: dict | None = None if held_out is None else {}
        if held_out is not None and self._is_validated(self.epoch):
            self._tell("on_test_begin", {})
            found = self._evaluated(held_out, self.validated_by_weights)
            self._tell("on_test_end", dict(found))
        before = sum(self.history.steps_per_epoch)
        self.history._finish_epoch(trained, found, perf_counter() - began, self.step_count - before)
        epoch, logs = self.epoch, self.history._last()
        self.epoch, self.batch, self.seconds, self.place = self.epoch + 1, 0, 0.0, next_pass
        self._tell("on_epoch_end", epoch, logs)
        if getattr(self.model, "stop_training", False):  # Keras's way
            self.stop(f"by stop_training after epoch {epoch}")

    def _is_validated(self, epoch):
        often = self.validation_freq
        return epoch % often == 0 if isinstance(often, int) else epoch in often

    def lacks(self, quantity):
        """Whether a quantity is not known after this epoch, since it comes from a validation that was not due."""
        return quantity.startswith("val_") and not self.history.validated

    def _batches_of_epoch(self, batches):
        """The batches that are left of this epoch; their order comes from the state of things at its start."""
        if "pass" in self.place and hasattr(batches, "set_epoch"):
            batches.set_epoch(self.place["pass"])
        now = random_states(self.generators)
        if not self.batch:
            self.place = {"pass": getattr(batches, "epoch", 0), "random": now}
            return iter(batches)
        set_random_states(self.generators, self.place["random"])
        left = iter(batches)
        for _ in itertools.islice(left, self.batch):
            pass
        set_random_states(self.generators, now)
        return left

    def _one(self, batch, weighted):
        """One batch: a step, or a part of one."""
        parts(batch)
        batch, weights = weights_of(batch, weighted, self.by_class) if weighted or self.by_class else (batch, None)
        target = batch[-1]
        self.batch += 1
        last = self.waiting + 1 == self.accumulate
        take = self.take_step if last else self.add_gradients
        value, output, norms = take(*batch) if weights is None else take(*batch, weights)
        number = float(value)
        if not math.isfinite(number) or (norms is not None and not np.isfinite(array(norms)).all()):
            raise self._diverged(number, batch if weights is None else (*batch, weights))
        self.history.batch_loss.append(number)
        self.mean_loss.add(number, len(target))
        for m in self.metrics.values():
            m.update(output, target)
        self.waiting = 0 if last else self.waiting + 1
        if last:
            self._count_step(norms)

    def _count_step(self, norms):
        self.waiting = 0
        self.step_count += 1
        for collected, norm in zip(self.history.gradient_norms.values(), array(norms).tolist(), strict=True):
            collected.append(norm)

    def _diverged(self, number, batch):
        self.history.stopped = f"diverged in epoch {self.epoch}, batch {self.batch}"
        return DivergedError(
            explain(
                f"fit: not finite in epoch {self.epoch}, batch {self.batch}",
                f"loss: {number}",
                *findings(self.model, self.forward, batch, self._keeping),
                help="look for NaN in the data, lower the learning rate, or set clip_norm=1.0",
            ),
            self.history,
        )

    # --- using ----------------------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        data=None,
        y=None,
        *,
        batch_size=EVALUATION_BATCH,
        sample_weight=None,
        steps=None,
        return_dict=True,
        x=None,
        verbose=None,
    ):
        """Loss and metrics on data, in evaluation mode; see the function `evaluate`.

        `data` and `y` may be inputs and targets, `sample_weight` weighs the losses, `steps` batches are looked at; with
        return_dict=False the result is a list [loss, *metrics].
        """
        found = self._evaluated(
            _held_out(joined(data if x is None else x, y), sample_weight, batch_size, steps), sample_weight is not None
        )
        return found if return_dict else list(found.values())

    def train_on_batch(self, x, y, sample_weight=None):
        """One step on these arrays; the loss, as it was before, and metrics by name."""
        history = self.fit(x, y, batch_size=len(plain(y)), sample_weight=sample_weight, epochs=1, shuffle=False, progress=False)
        return history._last()

    def test_on_batch(self, x, y, sample_weight=None):
        """Loss and metrics on these arrays."""
        return self.evaluate(x, y, batch_size=len(plain(y)), sample_weight=sample_weight)

    def predict_on_batch(self, x):
        """What the model says of these arrays."""
        return self.predict(x, batch_size=len(inputs_of(x)[0]))

    def _best(self):
        return self.model if self.averaged is None else self.averaged.module

    def _program(self, what, make):
        """A function that changes nothing, compiled if the steps of training are."""
        if what not in self.held:
            model = self._best()
            enabled = self.compile == "always" or self.uncompiled is None
            self.held[what] = Programs(make(model), (model, self.loss), lambda: Keeping(model, self.generators), what, enabled)
        return self.held[what]

    def _evaluated(self, batches, weighted=False):
        loss, mean = self.loss, Mean()
        metrics = {name: copy.copy(m) for name, m in self.metrics.items()}  # a run may be gathering in the originals
        for m in metrics.values():
            m.reset()
        what = "evaluation with weights" if weighted else "evaluation"
        take = self._program(what, lambda model: make_evaluation(model, loss, bool(metrics), weighted))
        model = self._best()
        was_training, n = getattr(model, "training", False), 0
        model.eval()
        try:
            for batch in batches:
                _, target = parts(batch[:-1] if weighted else batch)
                value, output = take(*batch)
                n += len(target)
                if value is not None:
                    mean.add(float(value), len(target))
                for m in metrics.values():
                    m.update(output, target)
        finally:
            model.train(was_training)
        if not n:
            raise no_batches("the data to evaluate on", 1)
        return ({} if loss is None else {"loss": mean.result()}) | {name: m.result() for name, m in metrics.items()}

    def predict(self, data, *, batch_size=EVALUATION_BATCH, steps=None, verbose=None):
        """What the model says, in evaluation mode.

        Parameters
        ----------
        data : an array of inputs, a list of arrays that are the inputs, or batches as for `fit`, whose targets (what
            comes last of several) are left out
        batch_size : for arrays
        steps : batches to predict for; all by default
        verbose : not needed; Keras's

        Returns
        -------
        array; a tuple of them if the model gives a tuple
        """
        batches = _inputs(data, EVALUATION_BATCH if batch_size is None else batch_size)
        batches = batches if steps is None else itertools.islice(batches, steps)
        take = self._program("prediction", make_prediction)
        model = self._best()
        was_training, outputs = getattr(model, "training", False), []
        model.eval()
        try:
            for inputs in batches:
                out = take(*inputs)
                outputs.append(tuple(map(array, out)) if isinstance(out, tuple) else array(out))
        finally:
            model.train(was_training)
        if not outputs:
            raise no_batches("the data to predict for", 1)
        if isinstance(outputs[0], tuple):
            return tuple(np.concatenate(column) for column in zip(*outputs, strict=True))
        return np.concatenate(outputs)


def _inputs(data, batch_size):
    """Tuples of inputs, batch by batch."""
    if isinstance(data, (np.ndarray, Tensor)) or hasattr(data, "to_numpy") or _is_table(data):
        data = inputs_of(data)
    if isinstance(data, (list, tuple)) and data and all(isinstance(x, (np.ndarray, Tensor)) for x in data):
        return iter(DataLoader(TensorDataset(*data), batch_size))
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size)
    return (tuple(b if len(b) == 1 else parts(b)[0]) if isinstance(b, (tuple, list)) else (b,) for b in data)


def _is_table(data):
    """Whether this is a list of numbers, or of lists of them."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (int, float))


def _listed(callbacks):
    return callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]


def _frequency(often):
    """An int, or a set of the numbers of epochs."""
    if isinstance(often, (int, np.integer)) and not isinstance(often, bool) and often >= 1:
        return int(often)
    if isinstance(often, (list, tuple, set, frozenset, range)):
        return set(often)
    asked = "fit: validation_freq is a number of epochs from 1, or a list of epochs"
    raise ArgumentError(explain(asked, f"found: {often!r}", help="2 validates after every second epoch"))


def _held_out(data, weights, batch_size, steps):
    """Batches to evaluate with."""
    data = data if weights is None else with_weights(data, weights)
    batches = as_batches(data, EVALUATION_BATCH if batch_size is None else batch_size, False, None, "validation")
    return batches if steps is None else FirstBatches(batches, steps, "validation_steps")


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
    compile=True,
    validation_split=None,
    sample_weight=None,
    class_weight=None,
    accumulate=1,
    clip_value=None,
    ema=None,
    resume=None,
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
    metrics : names ("accuracy", "top_5", "precision", "recall", "f1", "auc", "mse", "mae", "r2", "perplexity",
        "confusion_matrix"), metrics, functions (output, target) -> number, which are averaged over samples, or a dict of them
    clip_norm : scale gradients down when the norm of all together is greater
    callbacks : `Callback`s, and functions called as f(history, model) after each epoch; one that returns True ends the run
    progress : show a bar, if the standard error stream is a terminal
    seed : start chainrule's random numbers from here, so that the run can be repeated
    batch_size : for `data` that is not yet in batches
    compile : run steps as compiled programs where the run is long enough for that to pay; "always" in any case; or False
    validation_split : instead of `validation`: hold out this share of the samples, the last ones
    sample_weight : one number per sample, for data given as arrays: each sample's loss is multiplied by it
    class_weight : {class: weight} or a list: each sample's loss is multiplied by its class's weight
    accumulate : batches for each step of the optimiser; gradients are those of the mean over all of them
    clip_value : limit each element of the gradients
    ema : decay of a fading average of the weights, which is what is validated; see `Trainer.averaged`
    resume : True to go on from the last checkpoint of the `ModelCheckpoint` among the callbacks, if there is one; or a folder
        or file. The rest of the run is then the same to the last bit

    Returns
    -------
    History
        After Ctrl-C, of the run up to there; `history.stopped` says so.

    Raises
    ------
    DivergedError
        The loss or a gradient is infinite or not a number; the message names epoch, batch, layer, operation and line.
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
    trainer = Trainer(
        model,
        loss,
        optimizer,
        metrics=metrics,
        compile=compile,
        clip_norm=clip_norm,
        clip_value=clip_value,
        accumulate=accumulate,
        ema=ema,
        class_weight=class_weight,
    )
    return trainer.fit(
        data,
        epochs=epochs,
        batch_size=batch_size,
        validation=validation,
        validation_split=validation_split,
        sample_weight=sample_weight,
        callbacks=callbacks,
        progress=progress,
        seed=seed,
        resume=resume,
    )


def evaluate(model, data, loss=None, metrics=None, *, batch_size=EVALUATION_BATCH):
    """Loss and metrics of `model` on data, without training it; layers such as Dropout are switched off meanwhile.

    Parameters
    ----------
    model, data, loss, metrics : as for `fit`

    Returns
    -------
    dict of floats: "loss", if one is given, and each metric; over all samples

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> from chainrule.train import evaluate
    >>> evaluate(nn.Identity(), (np.eye(3), np.arange(3)), metrics="accuracy")
    {'accuracy': 1.0}
    """
    return Trainer(model, loss, metrics=metrics, compile=False).evaluate(data, batch_size=batch_size)
