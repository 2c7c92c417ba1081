"""What schedules of the learning rate share."""

from abc import ABC, abstractmethod

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
        self.step()

    @abstractmethod
    def get_lr(self):
        """The learning rate of each group for epoch `last_epoch`, a list."""

    def step(self):
        """Go on to the next epoch: call it after the optimiser's steps of an epoch."""
        check_outside(type(self).__name__)
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr

    def begin(self):
        """Start at epoch 0, from the initial rates that the groups have now: schedules of schedules call it."""
        self.last_epoch = -1
        self.step()

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
