"""Schedules of the learning rate that go up and down: one cycle, many, restarts, and the rate for averaged models."""

import math
from types import FunctionType

from ..errors import ArgumentError, explain
from .schedule import LRScheduler, check_optimizer, check_outside, each_group


def check_momentum(optimizer, name, wanted):
    """Raise if momentum is to be moved and some group has none."""
    if wanted and any("momentum" not in g and "betas" not in g for g in optimizer.param_groups):
        raise ArgumentError(explain(f"{name}: the optimiser has no momentum to move", help="pass cycle_momentum=False"))


def keep_momenta(schedule, base, highest, last_epoch):
    """Note in groups between which values their momentum moves, and start at the highest; gives both as lists."""
    groups, name = schedule.optimizer.param_groups, type(schedule).__name__
    lows, highs = (each_group(schedule.optimizer, name, v, "momentum") for v in (base, highest))
    schedule.use_beta1 = "betas" in groups[0]
    if last_epoch == -1:
        for group, low, high in zip(groups, lows, highs, strict=True):
            set_momentum(group, high)
            group.update(max_momentum=high, base_momentum=low)
    return lows, highs


def set_momentum(group, value):
    """Set the momentum of a group, or the first of its betas."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


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
        check_optimizer(optimizer, "OneCycleLR")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(explain("OneCycleLR: how long?", help="give total_steps, or epochs and steps_per_epoch"))
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                explain(f"OneCycleLR: unknown anneal_strategy {anneal_strategy!r}", help="use 'cos' or 'linear'")
            )
        groups = optimizer.param_groups
        check_momentum(optimizer, "OneCycleLR", cycle_momentum)
        self.optimizer = optimizer
        self.total_steps, self._anneal_func_type, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        if total_steps <= 0 or not 0 <= pct_start <= 1:
            raise ArgumentError(
                explain(
                    "OneCycleLR: total_steps must be positive, and pct_start lie between 0 and 1",
                    f"found: {total_steps}, {pct_start}",
                    help="a usual pct_start is 0.3",
                )
            )
        first, top, last = ("initial_lr", "max_momentum"), ("max_lr", "base_momentum"), ("min_lr", "max_momentum")
        places, ends = [first, top, last], [pct_start * total_steps - 1, total_steps - 1]
        if three_phase:
            places.insert(2, first)
            ends.insert(1, 2 * pct_start * total_steps - 2)
        self._schedule_phases = [
            {"end_step": end, "start_lr": a, "end_lr": b, "start_momentum": m, "end_momentum": n}
            for end, (a, m), (b, n) in zip(ends, places[:-1], places[1:], strict=True)
        ]
        tops = each_group(optimizer, "OneCycleLR", max_lr, "max_lr")
        if last_epoch == -1:
            for group, rate in zip(groups, tops, strict=True):
                first = rate / div_factor
                group.update(initial_lr=first, max_lr=rate, min_lr=first / final_div_factor)
        if cycle_momentum:
            keep_momenta(self, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _at(self, group, what):
        start = 0.0
        for i, phase in enumerate(self._schedule_phases):
            end = phase["end_step"]
            if self.last_epoch <= end or i == len(self._schedule_phases) - 1:
                part = (self.last_epoch - start) / (end - start)
                a, b = group[phase[f"start_{what}"]], group[phase[f"end_{what}"]]
                if self._anneal_func_type == "linear":
                    return a + (b - a) * part
                return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
            start = end

    def get_lr(self):
        if self.last_epoch > self.total_steps:  # one step after the last batch is allowed, as loops take it
            raise ArgumentError(
                explain(
                    f"OneCycleLR was made for {self.total_steps} steps, and this is one more",
                    help="step it once per batch, and count epochs * batches when making it",
                )
            )
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                set_momentum(group, self._at(group, "momentum"))
        return [self._at(group, "lr") for group in self.optimizer.param_groups]


class CyclicLR(LRScheduler):
    """Up and down between two rates, again and again (Smith, 2017), and momentum the other way. Call `step` each batch.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : the lowest and the highest rate; lists for several groups
    step_size_up, step_size_down : steps of a rise and of a fall; the second is by default as long as the first
    mode : 'triangular' (all cycles alike), 'triangular2' (each half as high as the one before), or 'exp_range' (the height
        falls by `gamma` each step)
    gamma : for 'exp_range'
    scale_fn : function that gives the height of a cycle, instead of a mode
    scale_mode : whether `scale_fn` is called with the number of the 'cycle', from 1, or with that of the step ('iterations')
    cycle_momentum : move momentum (or the first of betas) too, between `max_momentum` and `base_momentum`

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.optim import SGD, lr_scheduler
    >>> optimizer = SGD([cr.tensor(1.0, requires_grad=True)], momentum=0.9)
    >>> scheduler = lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
    >>> for batch in range(5):
    ...     print(optimizer.lr)
    ...     scheduler.step()
    0.0
    0.5
    1.0
    0.5
    0.0
    """

    def __init__(
        self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0, scale_fn=None,
        scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, last_epoch=-1,
    ):  # fmt: skip
        check_optimizer(optimizer, "CyclicLR")
        check_momentum(optimizer, "CyclicLR", cycle_momentum)
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ArgumentError(
                explain(f"CyclicLR: unknown mode {mode!r}", help="'triangular', 'triangular2' or 'exp_range', or give scale_fn")
            )
        self.optimizer, self.mode, self.gamma, self._scale_fn_custom = optimizer, mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        lows, self.max_lrs = (
            each_group(optimizer, "CyclicLR", base_lr, "base_lr"),
            each_group(optimizer, "CyclicLR", max_lr, "max_lr"),
        )
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lows, strict=True):
                group["lr"] = lr
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = keep_momenta(self, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x):
        """The height of a cycle, where 1 is the full one, from its number or from that of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 2.0 ** (1 - x) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = part * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
                set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self):
        """Everything but the optimiser, under PyTorch's names; of a callable object its attributes, of a function nothing."""
        f = self._scale_fn_custom
        kept = None if f is None or isinstance(f, FunctionType) else dict(f.__dict__)
        return {**super().state_dict(), "_scale_fn_custom": kept}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, here or in PyTorch."""
        kept = state_dict.get("_scale_fn_custom")
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if kept is not None:
            self._scale_fn_custom.__dict__.update(kept)


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the initial rate down to `eta_min` along half a cosine, then from the top again (Loshchilov and Hutter, 2017).

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : epochs of the first descent
    T_mult : by how much each descent is longer than the one before, an integer
    eta_min : the lowest rate

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.optim import SGD, lr_scheduler
    >>> optimizer = SGD([cr.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for epoch in range(4):
    ...     print(round(optimizer.lr, 3))
    ...     scheduler.step()
    1.0
    0.5
    1.0
    0.5
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):
        if not isinstance(T_0, int) or T_0 <= 0 or not isinstance(T_mult, int) or T_mult < 1:
            raise ArgumentError(
                explain(
                    "CosineAnnealingWarmRestarts: T_0 and T_mult must be positive integers",
                    f"found: {T_0}, {T_mult}",
                    help="T_mult=2 doubles the length each time",
                )
            )
        self.T_0, self.T_i, self.T_mult, self.eta_min, self.T_cur = T_0, T_0, T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_lrs]

    def step(self, epoch=None):
        """Go on to the next epoch, or to any, which may be a fraction: `step(epoch + batch / batches)`."""
        check_outside(type(self).__name__)
        if epoch is None and self.last_epoch >= 0:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
            epoch = self.last_epoch + 1
        else:
            epoch = 0 if epoch is None else epoch
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch) - 1  # which the common step makes one more
        self._update_lr()

    def _go_to(self, epoch):
        if epoch < 0:
            raise ArgumentError(
                explain("CosineAnnealingWarmRestarts: epochs are not negative", f"found: {epoch}", help="0 is the first")
            )
        start, self.T_i = 0, self.T_0
        while epoch >= start + self.T_i:
            start, self.T_i = start + self.T_i, self.T_i * self.T_mult
        self.T_cur = epoch - start


class SWALR(LRScheduler):
    """To `swa_lr` in `anneal_epochs` epochs, and there it stays: the rate while an `AveragedModel` collects.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : the last rate; a list for several groups
    anneal_epochs : how long the change takes
    anneal_strategy : 'cos' or 'linear'
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        check_optimizer(optimizer, "SWALR")
        for group, lr in zip(optimizer.param_groups, each_group(optimizer, "SWALR", swa_lr, "swa_lr"), strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear") or not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ArgumentError(
                explain(
                    "SWALR: the change is 'cos' or 'linear', over a number of epochs",
                    f"found: {anneal_strategy!r}, {anneal_epochs}",
                    help="for example anneal_epochs=10",
                )
            )
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _part(self, epoch):
        """How much of the change is done."""
        t = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self):
        epoch = self._step_count - 1
        epoch = max(1, epoch) if self.anneal_epochs == 0 else epoch
        before, now = self._part(epoch - 1), self._part(epoch)
        rates = []
        for group, lr in zip(self.optimizer.param_groups, self._rates(), strict=True):
            top = group["swa_lr"] if before == 1 else (lr - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + top * (1 - now))
        return rates
