"""What schedules of the learning rate share."""

from ..core.dispatch import state as dispatching
from ..errors import ArgumentError, UnsupportedError, explain
from .optimizer import Optimizer


def check_optimizer(optimizer, name):
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(
            explain(
                f"{name} needs an optimiser",
                f"found: {type(optimizer).__name__}",
                help="for example optim.SGD(model.parameters())",
            )
        )


def check_outside(name):
    """Raise while a program is being recorded: it would not count epochs again."""
    if dispatching.recorder is not None:
        raise UnsupportedError(
            explain(
                f"{name}.step cannot be part of a compiled program, since epochs are counted in Python",
                help="call it outside, after the compiled function; the program reads the new rate",
            )
        )


def check_rates(optimizer, name):
    """Raise unless `optimizer` is an optimiser whose groups have learning rates."""
    check_optimizer(optimizer, name)
    if any("lr" not in group for group in optimizer.param_groups):
        kind = type(optimizer).__name__
        raise ArgumentError(explain(f"{name}: {kind} has no learning rate", help="it chooses its steps itself"))


class LRScheduler:
    """What schedules share. A schedule says in `get_lr` what the rates of epoch `last_epoch` are.

    Schedules that multiply the present rate can be combined: step each of them every epoch. One that can say the rates of any
    epoch defines `_get_closed_form_lr` too, and then `step(epoch)` goes there.

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

    _get_lr_called_within_step = _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_rates(optimizer, type(self).__name__)
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
        self._initial_step()

    def _initial_step(self):
        self._step_count, self._is_initial = 0, True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self):
        """The learning rate of each group for epoch `last_epoch`, a list."""
        name = type(self).__name__
        raise UnsupportedError(explain(f"{name} does not say what its rates are", help="define get_lr(self)"))

    def step(self, epoch=None):
        """Go on to the next epoch, or to any: call it after the optimiser's steps of an epoch."""
        check_outside(type(self).__name__)
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        """Set the rates of the next epoch, or of any."""
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            rates = self.get_lr() if closed is None else closed()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._rates()

    def get_last_lr(self):
        """The learning rates that were set last, a list."""
        return self._last_lr

    def _rates(self):
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self):
        """Everything but the optimiser, under PyTorch's names: numbers, lists and dicts. Of functions nothing is kept."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer" and not _holds_functions(v)}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, here or in PyTorch. The rates themselves are in the optimiser's state dict."""
        self.__dict__.update(state_dict)


class Parts(LRScheduler):
    """What schedules share that are made of others."""

    _schedulers: list

    def _check(self):
        name = type(self).__name__
        if not self._schedulers:
            raise ArgumentError(explain(f"{name} needs at least one schedule", help="pass a list of them"))
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler) or not hasattr(scheduler, "_step_count"):
                raise ArgumentError(
                    explain(
                        f"{name}: schedule {i} cannot be one of several",
                        f"found: {type(scheduler).__name__}",
                        help="step a ReduceLROnPlateau by itself, since it needs the measured quantity",
                    )
                )
            if scheduler.optimizer is not self.optimizer:
                raise ArgumentError(
                    explain(
                        f"{name}: schedule {i}, {type(scheduler).__name__}, is of another optimiser",
                        help="make all of them with the same one",
                    )
                )

    def state_dict(self):
        """Everything but the optimiser, under PyTorch's names: numbers, lists and dicts."""
        own = {k: v for k, v in self.__dict__.items() if k not in ("optimizer", "_schedulers", "_step_count")}
        return {**own, "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, here or in PyTorch."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, saved in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)


def each_group(optimizer, name, value, what):
    """One value for each group, from a list of them or a single one."""
    groups = optimizer.param_groups
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(groups)
    if len(values) != len(groups):
        raise ArgumentError(
            explain(f"{name} needs one {what} per group", f"{len(values)} given, {len(groups)} groups", help="or a single one")
        )
    return values


def _holds_functions(value):
    return callable(value) or (isinstance(value, list) and any(callable(v) for v in value))
