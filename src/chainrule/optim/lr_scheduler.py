"""Learning rate schedules: each call of `step` sets the learning rates of an optimiser's groups for the next epoch."""

import math
from bisect import bisect_right
from collections import Counter
from types import FunctionType

from ..errors import ArgumentError, explain
from .cycles import SWALR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .schedule import LRScheduler, Parts, check_optimizer, check_outside, check_rates, each_group
from .settings import check

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

_LRScheduler = LRScheduler  # its older name


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(epoch)`; `lr_lambda` may be a list with one function per group."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        name = type(self).__name__
        check_optimizer(optimizer, name)
        self.lr_lambdas = each_group(optimizer, name, lr_lambda, "function")
        for f in self.lr_lambdas:
            if not callable(f):
                raise ArgumentError(
                    explain(
                        f"{name} needs functions", f"found: {type(f).__name__}", help="for example lambda epoch: 0.95**epoch"
                    )
                )
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self):
        """Everything but the optimiser. Of callable objects their attributes are kept, of functions nothing."""
        kept = [None if isinstance(f, FunctionType) else dict(getattr(f, "__dict__", {})) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": kept}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, with the functions of this schedule."""
        kept = state_dict.get("lr_lambdas", [None] * len(self.lr_lambdas))
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, attributes in zip(self.lr_lambdas, kept, strict=True):
            if attributes is not None:
                f.__dict__.update(attributes)


class MultiplicativeLR(LambdaLR):
    """The present rate times `lr_lambda(epoch)`, every epoch; `lr_lambda` may be a list with one function per group."""

    def get_lr(self):
        if self._is_initial:
            return self._rates()
        return [lr * f(self.last_epoch) for lr, f in zip(self._rates(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        check(
            step_size >= 1, "StepLR: step_size is a number of epochs from 1", step_size, "10 changes the rate every ten epochs"
        )
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        now = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if now else lr for lr in self._rates()]

    def _get_closed_form_lr(self):
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each epoch in `milestones`."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)  # a plain dict after loading
        return [lr * factor for lr in self._rates()]

    def _get_closed_form_lr(self):
        passed = sum(times for epoch, times in self.milestones.items() if epoch <= self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` every epoch."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [lr if self._is_initial else lr * self.gamma for lr in self._rates()]

    def _get_closed_form_lr(self):
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """`factor` times the initial rate for `total_iters` epochs, then the rate itself."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, last_epoch=-1):
        if not 0 < factor <= 1:
            raise ArgumentError(explain("ConstantLR: factor must lie between 0 and 1", f"found: {factor}", help="try 0.1"))
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        change = {self.total_iters: 1 / self.factor, 0: self.factor}
        return [lr * change.get(self.last_epoch, 1.0) for lr in self._rates()]

    def _get_closed_form_lr(self):
        return [base * (1.0 if self.last_epoch >= self.total_iters else self.factor) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Down to zero in `total_iters` epochs, as the given power of what is left of them."""

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, n = self.last_epoch, self.total_iters
        if self._is_initial or t > n:
            return self._rates()
        factor = ((n - t) / (n - t + 1)) ** self.power
        return [lr * factor for lr in self._rates()]

    def _get_closed_form_lr(self):
        left = 1 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


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
        elif self._is_initial or t > self.total_iters:
            factor = 1.0
        else:
            factor = 1.0 + rise / (self.total_iters * start + (t - 1) * rise)
        return [lr * factor for lr in self._rates()]

    def _get_closed_form_lr(self):
        rise = (self.end_factor - self.start_factor) * min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + rise) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """From the initial rate down to `eta_min` in `T_max` epochs, along half a cosine; then up again."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        t, n, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._rates()
        if self._step_count == 1 and t > 0:  # begun anew in the middle
            return self._get_closed_form_lr()
        if (t - 1 - n) % (2 * n) == 0:  # leaving the lowest point, where a factor would say nothing
            return [
                lr + (base - low) * (1 - math.cos(math.pi / n)) / 2
                for base, lr in zip(self.base_lrs, self._rates(), strict=True)
            ]
        factor = (1 + math.cos(math.pi * t / n)) / (1 + math.cos(math.pi * (t - 1) / n))
        return [factor * (lr - low) + low for lr in self._rates()]

    def _get_closed_form_lr(self):
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class SequentialLR(Parts):
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
        check_optimizer(optimizer, "SequentialLR")
        self._schedulers, self._milestones, self.optimizer = list(schedulers), list(milestones), optimizer
        self._check()
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                explain(
                    "SequentialLR needs one milestone between each two schedules",
                    f"{len(schedulers)} schedules, {len(milestones)} milestones",
                    help="the first schedule starts at 0",
                )
            )
        self.last_epoch, self._step_count = last_epoch + 1, 1
        self._reset()
        _undo(self._schedulers)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _reset(self):
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]

    def _update_lr(self, epoch=None):
        if epoch is not None:  # begun by another one; the first schedule begins
            self._reset()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        i = bisect_right(self._milestones, self.last_epoch)
        if epoch is not None or (i > 0 and self._milestones[i - 1] == self.last_epoch):
            self._schedulers[i]._update_lr(0)
        else:
            self._schedulers[i].step()
        self._last_lr = self._schedulers[i].get_last_lr()


def _undo(schedulers):
    """Take back the step that schedules make when they are made."""
    for scheduler in schedulers:
        if isinstance(scheduler, Parts):
            _undo(scheduler._schedulers)
        else:
            scheduler.last_epoch -= 1


class ChainedScheduler(Parts):
    """Several schedules at once: each step is a step of all of them, in order.

    Parameters
    ----------
    schedulers : list of schedules of one optimiser, other than `ReduceLROnPlateau`
    optimizer : by default that of the first schedule

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.optim import SGD, lr_scheduler
    >>> optimizer = SGD([cr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> both = [lr_scheduler.ConstantLR(optimizer, 0.5, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.5)]
    >>> scheduler = lr_scheduler.ChainedScheduler(both)
    >>> for epoch in range(4):
    ...     print(optimizer.lr)
    ...     scheduler.step()
    0.5
    0.25
    0.25
    0.125
    """

    def __init__(self, schedulers, optimizer=None):
        self._schedulers = list(schedulers)
        self.optimizer = getattr(self._schedulers[0], "optimizer", None) if schedulers and optimizer is None else optimizer
        self._check()
        self._step_count, self._last_lr = 1, self._rates()

    def _update_lr(self, epoch=None):
        for scheduler in self._schedulers:
            scheduler.step() if epoch is None else scheduler._update_lr(epoch)
        self._last_lr = self._rates()


class ReduceLROnPlateau(LRScheduler):
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
        check_rates(optimizer, "ReduceLROnPlateau")
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
        self.min_lrs = each_group(optimizer, "ReduceLROnPlateau", min_lr, "min_lr")
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.best = self.mode_worse = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._rates()

    @property
    def in_cooldown(self):
        """Whether epochs are not counted just now."""
        return self.cooldown_counter > 0

    def _is_better(self, a, best):
        """Whether `a` improves on `best` by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "abs":
            return sign * (a - best) > self.threshold
        return sign * (a - best * (1 + sign * self.threshold)) > 0

    def step(self, metrics, epoch=None):  # type: ignore[override]
        """Take note of the measured quantity of an epoch, a number or a Tensor with one element."""
        check_outside("ReduceLROnPlateau")
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _reduce(self):
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs) and self.default_min_lr is not None:  # groups have been added
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, each_group(self.optimizer, "ReduceLROnPlateau", self.min_lrs, "min_lr"), strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, lowest)
            if old - new > self.eps:
                group["lr"] = new
