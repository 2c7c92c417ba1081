"""Learning rate schedules: each call of `step` sets the learning rates of an optimiser's groups for the next epoch."""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter

from ..errors import ArgumentError, explain
from .optimizer import Optimizer


def _check_optimizer(optimizer, name):
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            explain(
                f"{name} needs an optimiser",
                f"found: {type(optimizer).__name__}",
                help="for example optim.SGD(model.parameters())",
            )
        )


class LRScheduler(ABC):
    """What schedules share. A schedule says in `get_lr` what the rates of epoch `last_epoch` are.

    Schedules that multiply the present rate can be combined: step each of them every epoch.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : epochs done before, -1 to start

    Attributes
    ----------
    base_lrs : learning rates of the groups at the start
    last_epoch : number of calls of `step` so far

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.SGD([cr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(3):
    ...     print(optimizer.lr)
    ...     scheduler.step()
    1.0
    1.0
    0.5
    """

    def __init__(self, optimizer, last_epoch=-1):
        _check_optimizer(optimizer, type(self).__name__)
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))  # a schedule made before has changed lr already
            elif "initial_lr" not in group:
                raise ArgumentError(
                    explain(
                        f"{type(self).__name__}: to go on at epoch {last_epoch} each group needs 'initial_lr'",
                        help="load the optimiser's state dict first, or use the scheduler's own load_state_dict",
                    )
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    @abstractmethod
    def get_lr(self):
        """The learning rate of each group for epoch `last_epoch`, a list."""

    def step(self):
        """Go on to the next epoch: call it after the optimiser's steps of an epoch."""
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr

    def get_last_lr(self):
        """The present learning rates, a list."""
        return self._rates()

    def _rates(self):
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self):
        """Everything but the optimiser: numbers, lists and dicts. Functions are left out."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer" and not _holds_functions(v)}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave. The learning rates themselves are in the optimiser's state dict."""
        self.__dict__.update(state_dict)


def _holds_functions(value):
    return callable(value) or (isinstance(value, list) and any(callable(v) for v in value))


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(epoch)`; `lr_lambda` may be a list with one function per group."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        _check_optimizer(optimizer, "LambdaLR")
        n = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * n
        if len(self.lr_lambdas) != n:
            raise ArgumentError(
                explain(
                    "LambdaLR needs one function per group",
                    f"{len(self.lr_lambdas)} functions, {n} groups",
                    help="or a single one",
                )
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        now = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if now else lr for lr in self._rates()]


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each epoch in `milestones`."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [lr * factor for lr in self._rates()]


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` every epoch."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr * self.gamma if self.last_epoch > 0 else lr for lr in self._rates()]


class LinearLR(LRScheduler):
    """Warm-up: from `start_factor` to `end_factor` times the initial rate, in equal steps over `total_iters` epochs."""

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ArgumentError(
                explain(
                    "LinearLR: factors must lie between 0 and 1", f"found: {start_factor}, {end_factor}", help="start above 0"
                )
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, start, rise = self.last_epoch, self.start_factor, self.end_factor - self.start_factor
        if t == 0:
            factor = start
        elif t > self.total_iters:
            factor = 1.0
        else:
            factor = 1.0 + rise / (self.total_iters * start + (t - 1) * rise)
        return [lr * factor for lr in self._rates()]


class CosineAnnealingLR(LRScheduler):
    """From the initial rate down to `eta_min` in `T_max` epochs, along half a cosine; then up again."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, n, low = self.last_epoch, self.T_max, self.eta_min
        if t == 0:
            return self._rates()
        if (t - 1 - n) % (2 * n) == 0:  # leaving the lowest point, where a factor would say nothing
            return [
                lr + (base - low) * (1 - math.cos(math.pi / n)) / 2
                for base, lr in zip(self.base_lrs, self._rates(), strict=True)
            ]
        factor = (1 + math.cos(math.pi * t / n)) / (1 + math.cos(math.pi * (t - 1) / n))
        return [factor * (lr - low) + low for lr in self._rates()]


class SequentialLR:
    """One schedule after another: each starts at its milestone, the first at 0. A warm-up and what follows it.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of schedules, all of this optimiser and made one after the other just before
    milestones : the epochs at which the second, third ... takes over

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.optim import SGD, lr_scheduler
    >>> optimizer = SGD([cr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> warm_up = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    >>> scheduler = lr_scheduler.SequentialLR(optimizer, [warm_up, lr_scheduler.ExponentialLR(optimizer, 0.5)], [3])
    >>> for epoch in range(5):
    ...     print(optimizer.lr)
    ...     scheduler.step()
    0.5
    0.75
    1.0
    1.0
    0.5
    """

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        _check_optimizer(optimizer, "SequentialLR")
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                explain(
                    "SequentialLR needs one milestone between each two schedules",
                    f"{len(schedulers)} schedules, {len(milestones)} milestones",
                    help="the first schedule starts at 0",
                )
            )
        self.optimizer, self.schedulers, self.milestones = optimizer, list(schedulers), list(milestones)
        self.last_epoch = last_epoch + 1
        self._start(self.schedulers[0])

    def _start(self, scheduler):
        """Let a schedule begin at its epoch 0 with the initial rates, whatever happened before."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        scheduler.last_epoch = -1
        scheduler.step()

    def step(self):
        """Go on to the next epoch."""
        self.last_epoch += 1
        i = bisect_right(self.milestones, self.last_epoch)
        if i > 0 and self.milestones[i - 1] == self.last_epoch:
            self._start(self.schedulers[i])
        else:
            self.schedulers[i].step()

    def get_last_lr(self):
        """The present learning rates, a list."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self):
        """Everything but the optimiser: numbers, lists and dicts."""
        return {
            "milestones": self.milestones,
            "last_epoch": self.last_epoch,
            "schedulers": [s.state_dict() for s in self.schedulers],
        }

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave."""
        self.milestones, self.last_epoch = state_dict["milestones"], state_dict["last_epoch"]
        for scheduler, saved in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(saved)


class OneCycleLR(LRScheduler):
    """One rise and one fall of the rate, and of momentum the other way (Smith and Topin, 2018). Call `step` each batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : the highest rate; a list for several groups
    total_steps : steps in all; or give `epochs` and `steps_per_epoch`
    pct_start : part of the steps in which the rate rises
    anneal_strategy : 'cos' or 'linear'
    cycle_momentum : move momentum (or the first of betas) too, between `max_momentum` and `base_momentum`
    div_factor : the first rate is max_lr / div_factor
    final_div_factor : the last rate is the first one divided by this
    three_phase : fall back to the first rate before falling to the last

    Raises
    ------
    ArgumentError
        The length is not given, or `step` was called more often.
    """

    def __init__(
        self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3, anneal_strategy="cos",
        cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
        last_epoch=-1,
    ):  # fmt: skip
        _check_optimizer(optimizer, "OneCycleLR")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(explain("OneCycleLR: how long?", help="give total_steps, or epochs and steps_per_epoch"))
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                explain(f"OneCycleLR: unknown anneal_strategy {anneal_strategy!r}", help="use 'cos' or 'linear'")
            )
        groups = optimizer.param_groups
        if cycle_momentum and any("momentum" not in g and "betas" not in g for g in groups):
            raise ArgumentError(explain("OneCycleLR: the optimiser has no momentum to move", help="pass cycle_momentum=False"))
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        if three_phase:
            self.ends = [pct_start * total_steps - 1, 2 * pct_start * total_steps - 2, total_steps - 1]
        else:
            self.ends = [pct_start * total_steps - 1, total_steps - 1]
        tops = list(max_lr) if isinstance(max_lr, (list, tuple)) else [max_lr] * len(groups)
        self.rates, self.momenta = [], []  # for each group, the values between which the phases move
        for top in tops:
            first = top / div_factor
            middle = [first] if three_phase else []
            self.rates.append([first, top, *middle, first / final_div_factor])
            middle = [max_momentum] if three_phase else []
            self.momenta.append([max_momentum, base_momentum, *middle, max_momentum])
        if last_epoch == -1:
            for group, values in zip(groups, self.rates, strict=True):
                group["lr"] = values[0]
        super().__init__(optimizer, last_epoch)

    def _at(self, values):
        start = 0.0
        for i, end in enumerate(self.ends):
            if self.last_epoch <= end or i == len(self.ends) - 1:
                part = (self.last_epoch - start) / (end - start)
                a, b = values[i], values[i + 1]
                return (
                    a + (b - a) * part if self.anneal_strategy == "linear" else b + (a - b) * (1 + math.cos(math.pi * part)) / 2
                )
            start = end

    def get_lr(self):
        if self.last_epoch >= self.total_steps:
            raise ArgumentError(
                explain(
                    f"OneCycleLR was made for {self.total_steps} steps, and this is one more",
                    help="step it once per batch, and count epochs * batches when making it",
                )
            )
        if self.cycle_momentum:
            for group, values in zip(self.optimizer.param_groups, self.momenta, strict=True):
                if "betas" in group:
                    group["betas"] = (self._at(values), *group["betas"][1:])
                else:
                    group["momentum"] = self._at(values)
        return [self._at(values) for values in self.rates]


class ReduceLROnPlateau:
    """Multiply the rate by `factor` when a measured quantity has not improved for more than `patience` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : 'min' if smaller is better, 'max' if larger is
    factor : below 1
    patience : epochs without improvement that are let pass
    threshold : by how much better counts as better
    threshold_mode : 'rel', a part of the best value so far, or 'abs'
    cooldown : epochs after a reduction that are not counted
    min_lr : no rate goes below; a list for several groups
    eps : smaller changes of the rate are not made

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.optim import SGD, lr_scheduler
    >>> optimizer = SGD([cr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> optimizer.lr
    0.1
    """

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0.0,
        eps=1e-8,
    ):
        _check_optimizer(optimizer, "ReduceLROnPlateau")
        if factor >= 1:
            raise ArgumentError(explain("ReduceLROnPlateau: factor must be below 1", f"found: {factor}", help="try 0.1"))
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                explain(
                    "ReduceLROnPlateau: unknown mode",
                    f"mode: {mode!r}    threshold_mode: {threshold_mode!r}",
                    help="mode is 'min' or 'max', threshold_mode 'rel' or 'abs'",
                )
            )
        self.optimizer = optimizer
        self.mode, self.factor, self.patience, self.threshold = mode, factor, patience, threshold
        self.threshold_mode, self.cooldown, self.eps = threshold_mode, cooldown, eps
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * len(optimizer.param_groups)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def is_better(self, a, best):
        """Whether `a` improves on `best` by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "abs":
            return sign * (a - best) > self.threshold
        return sign * (a - best * (1 + sign * self.threshold)) > 0

    def step(self, metrics):
        """Take note of the measured quantity of an epoch, a number or a Tensor with one element."""
        current = float(metrics)
        self.last_epoch += 1
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                old = float(group["lr"])
                new = max(old * self.factor, lowest)
                if old - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self):
        """The present learning rates, a list."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self):
        """Everything but the optimiser."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave."""
        self.__dict__.update(state_dict)
