"""What every optimiser shares: groups of parameters with their settings, state as data, and the walk of one step."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import accelerate
from ..core.changes import LENGTH, Noted, changes
from ..core.dispatch import state as dispatching
from ..errors import ArgumentError, NonDifferentiableError, UnsupportedError, explain
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.reverse import ROOT
from ..transforms.scope import enable_grad, is_grad_enabled, phase


def constant(array):
    """A Tensor of level 0 that no derivative flows into."""
    return ROOT.constant(np.asarray(array))


class Group(dict):
    """Settings of one group of parameters.

    The learning rate also stands in the Tensor `rate`, which steps read: a step that was recorded once can then be run
    with other learning rates. Assigning to `group['lr']` changes both.
    """

    rate: Tensor

    def __init__(self, settings):
        super().__init__()
        self.update(settings)

    def __setitem__(self, key, value):
        ours = not isinstance(self.get("lr"), Tensor)
        super().__setitem__(key, value)
        if key != "lr":
            changes.note()
            return
        if isinstance(value, Tensor):
            self.rate = value
        elif ours and "rate" in self.__dict__:
            self.rate.data = np.float64(value)
            return
        else:
            self.rate = constant(np.float64(value))
        changes.note()

    def update(self, settings):  # type: ignore[override]
        for key, value in settings.items():
            self[key] = value

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]


class Hyper(dict):
    """The settings of a group as a step needs them: as the user gave them, but 'lr' as a Tensor in the parameters' dtype."""

    def __init__(self, group, dtype):
        super().__init__(group)
        self.dtype = dtype
        self["lr"] = cast(group.rate.detach(), dtype)
        self.rate = group.rate.detach()
        self._shared: dict = {}

    def once(self, f, step):
        """`f(step, hyper)`, computed once for all parameters that share the Tensor `step`, in float64; results are cast.

        `f` gives the new step count and the numbers that hang on it alone.
        """
        key = id(step)
        if key not in self._shared:
            new, *numbers = f(step, self)
            self._shared[key] = step, new, *(cast(x, self.dtype) for x in numbers)
        return self._shared[key][1:]


def only_real(param, name):
    if param.dtype.kind == "c":
        raise UnsupportedError(
            explain(
                f"{name} cannot update complex parameters", help="use SGD, or keep real and imaginary part as two parameters"
            )
        )


def check(holds, what, found, help):
    """Raise ArgumentError unless a setting is sensible."""
    if not holds:
        raise ArgumentError(explain(what, f"found: {found}", help=help))


def check_settings(name, settings):
    """Raise unless the settings that optimisers have in common are sensible."""
    for key in ("lr", "weight_decay", "eps", "momentum", "alpha", "lr_decay", "initial_accumulator_value"):
        value = settings.get(key)
        if value is not None and not isinstance(value, Tensor):
            check(
                value >= 0,
                f"{name}: {key} must not be negative",
                value,
                "minimise with a positive rate, maximise with maximize=True",
            )
    for i, beta in enumerate(settings.get("betas", ())):
        check(0 <= beta < 1, f"{name}: betas[{i}] must be at least 0 and below 1", beta, "the usual betas are (0.9, 0.999)")


def check_torch_only(name, options):
    """Accept PyTorch's options that choose an implementation, and no others."""
    for key, value in options.items():
        if key not in ("foreach", "fused", "capturable", "differentiable"):
            raise TypeError(f"{name} got an unexpected keyword argument {key!r}")
        if key == "differentiable" and value:
            raise UnsupportedError(
                explain(
                    f"{name}: differentiable=True",
                    help="write the update with cr.grad and cr.tree_map to differentiate through it",
                )
            )


class Optimizer(ABC):
    """Improves parameters by their gradients. An algorithm is `init_one` and `step_one`; the rest stands here.

    Parameters
    ----------
    params : iterable of Tensors that require grad, of (name, Tensor) pairs, or of dicts, which are groups of parameters
        with settings of their own: {'params': ..., 'lr': ...}
    defaults : settings of groups that do not have them

    Attributes
    ----------
    param_groups : list of dicts with 'params', 'lr' and the other settings; changes take effect at the next step
    state : for each parameter, a dict of Tensors by name; these are bound to new values at each step, never replaced

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor(1.0, requires_grad=True)
    >>> optimizer = optim.SGD([x], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).backward()
    ...     optimizer.step()
    >>> x.item()
    0.125
    """

    _repeated: Any = None  # how updates are done once they are many

    def __init__(self, params, defaults):
        check_settings(type(self).__name__, defaults)
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        self.state = {}
        if isinstance(params, (Tensor, np.ndarray)) or not hasattr(params, "__iter__") or isinstance(params, (str, Mapping)):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} needs an iterable of parameters",
                    f"found: {type(params).__name__}",
                    help="pass model.parameters()" if hasattr(params, "parameters") else "put it into a list: [x]",
                )
            )
        params = list(params)
        if not params:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__} got no parameters",
                    help="model.parameters() can be walked only once; layers in a plain list need nn.ModuleList",
                )
            )
        for group in params if isinstance(params[0], Mapping) else [{"params": params}]:
            self.add_param_group(group)

    # --- an algorithm -------------------------------------------------------------------------------------------------

    @abstractmethod
    def init_one(self, param, hyper):
        """State of one parameter before its first step.

        A count of steps goes under 'step', made with `constant(0.0)`; parameters that start together share it.

        Parameters
        ----------
        param : Tensor, the values as a constant
        hyper : Hyper, the settings of its group

        Returns
        -------
        dict of Tensors
        """

    @abstractmethod
    def step_one(self, param, grad, state, hyper):
        """One step of one parameter.

        Parameters
        ----------
        param, grad : Tensors, the values as constants
        state : dict of Tensors
        hyper : Hyper, the settings of its group; hyper['lr'] is a Tensor

        Returns
        -------
        new_param, new_state : Tensor and dict of Tensors with the keys of `state`
        """

    # --- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Optimise further parameters: a dict with 'params' and settings that differ from the defaults."""
        name = type(self).__name__
        group = {**self.defaults, **param_group}
        check_settings(name, group)
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and isinstance(params[0], tuple):
            group["param_names"] = [n for n, _ in params]
            params = [p for _, p in params]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise ArgumentError(
                    explain(
                        f"{name}: parameter {i} is not a Tensor",
                        f"found: {type(p).__name__}",
                        help="make it one with cr.tensor(x, requires_grad=True) or nn.Parameter(x)",
                    )
                )
            if p.dtype.kind not in "fc":
                raise NonDifferentiableError(
                    explain(
                        f"{name}: parameter {i} has no derivative",
                        f"found: {p.dtype} {p.shape}",
                        help="use a floating point dtype",
                    )
                )
            if not p.is_leaf:
                raise ArgumentError(
                    explain(
                        f"{name}: parameter {i} is the result of an operation, not a leaf",
                        f"made by: {p.grad_fn}",
                        help="optimise what it was made from, or x.detach().requires_grad_()",
                    )
                )
            if id(p) in known:
                raise ArgumentError(
                    explain(f"{name}: parameter {i}, of shape {p.shape}, is given twice", help="each belongs to one group")
                )
            known.add(id(p))
        group["params"] = params
        self.param_groups.append(Group(group))
        changes.note()

    def _watched(self):
        """What a compiled program that uses this optimiser depends on, besides values: (holder, key, how it is written)."""
        yield self.param_groups, LENGTH, ".param_groups"
        for i, group in enumerate(self.param_groups):
            for key in group:
                if key not in ("lr", "params"):
                    yield group, key, f".param_groups[{i}][{key!r}]"
            yield vars(group), "rate", f".param_groups[{i}]['lr']"
        yield self.__dict__, "_state", ".state"

    @property
    def state(self) -> dict[Tensor, dict]:
        """For each parameter, a dict of Tensors by name."""
        return self._state

    @state.setter
    def state(self, value):
        self._state = Noted({p: Noted(s) for p, s in value.items()})
        changes.note()

    @property
    def lr(self):
        """The learning rate of the first group; assigning sets that of all groups."""
        return self.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value):
        for group in self.param_groups:
            group["lr"] = value

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or with False set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = np.zeros(p.shape, p.dtype)

    # --- stepping -----------------------------------------------------------------------------------------------------

    def step(self, closure=None):
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : None, or function that computes the loss and its gradients

        Returns
        -------
        what `closure` returns, or None
        """
        loss = None
        if closure is not None:
            if is_grad_enabled():
                loss = closure()
            else:
                with enable_grad():
                    loss = closure()
        if self._repeated is None:
            self._repeated = self._way()
        with phase("update"):
            self._repeated(self)
        return loss

    def _way(self):
        """How to call `_update`: by the engine, if this is an algorithm of ours, of which we know that it only computes."""
        kind, engine = type(self), accelerate.engine
        parts = (kind.step_one, kind.init_one, kind._update, kind._step_group)
        if engine is None or not all(f.__module__.startswith(f"{__package__}.") for f in parts):
            return kind._update
        return engine.repeated(kind._update, kind._changed)

    def _update(self):
        for group in self.param_groups:
            self._step_group(group)

    def _changed(self):
        """All Tensors that a step may change."""
        return [t for g in self.param_groups for p in g["params"] for t in (p, *self.state.get(p, {}).values())]

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key != "_repeated"}

    def _step_group(self, group):
        # Everything here is detached, so that nothing is recorded; pausing the tape with no_grad would cost more.
        hypers: dict = {}
        todo, skipped = [], []
        start = None  # the count that the parameters of this group which start now share
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                if p in self.state:
                    skipped.append(self.state[p])
                continue
            hyper = hypers.get(p.dtype)
            if hyper is None:
                hyper = hypers[p.dtype] = Hyper(group, p.dtype)
            value = p.detach()
            state = self.state.get(p)
            if state is None:
                with _not_recorded():
                    state = self.state[p] = Noted(self.init_one(value, hyper))
                if "step" in state:
                    start = state["step"] = state["step"] if start is None else start
            todo.append((p, value, grad.detach(), state, hyper))
        if skipped:
            _part_counts(skipped, todo)
        results = [self.step_one(value, grad, state, hyper) for _, value, grad, state, hyper in todo]
        # Only now, since parameters may share a count that all of them had to read first.
        for (p, _, _, state, _), (value, new_state) in zip(todo, results, strict=True):
            p.data = value
            for key, new in new_state.items():
                if state[key] is not new:
                    state[key].data = new

    # --- state --------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """Everything that a later run needs to go on: a snapshot of plain dicts, lists, numbers and Tensors.

        Returns
        -------
        {'state': {index of parameter: {name: Tensor}}, 'param_groups': [{'lr': ..., 'params': [indices]}]}
        """
        numbers = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**g, "params": [numbers[id(p)] for p in g["params"]]} for g in self.param_groups]
        state = {numbers[id(p)]: {k: v.detach() for k, v in s.items()} for p, s in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, for parameters of the same number and order; state is cast to their dtypes.

        Raises
        ------
        ArgumentError
            Groups or shapes differ; nothing has been changed.
        """
        name = type(self).__name__
        mine = [len(g["params"]) for g in self.param_groups]
        theirs = [len(g["params"]) for g in state_dict["param_groups"]]
        if mine != theirs:
            raise ArgumentError(
                explain(
                    f"{name}.load_state_dict: groups of parameters differ",
                    f"expected {mine} parameters per group, found {theirs}",
                    help="make the optimiser for the model that the state was saved with",
                )
            )
        params = [p for g in self.param_groups for p in g["params"]]
        indices = [i for g in state_dict["param_groups"] for i in g["params"]]
        state = {}
        for p, i in zip(params, indices, strict=True):
            saved = state_dict["state"].get(i)
            if saved is not None:
                state[p] = {key: self._loaded(key, value, p, i) for key, value in saved.items()}
        self.state = state
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: v for k, v in saved.items() if k != "params"})
            _share_counts([state[p] for p in group["params"] if p in state])

    def _loaded(self, key, value, p, i):
        value = value.detach() if isinstance(value, Tensor) else constant(value)
        if value.shape not in ((), p.shape):
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}.load_state_dict: the state of parameter {i} has the wrong shape",
                    f"{key}: expected {p.shape}, found {value.shape}",
                    help="make the optimiser for the model that the state was saved with",
                )
            )
        return cast(value, np.dtype(np.float64) if key == "step" else p.dtype).detach()

    def __repr__(self):
        lines = []
        for i, group in enumerate(self.param_groups):
            lines += [f"Group {i}", *(f"    {k}: {v}" for k, v in sorted(group.items()) if k not in ("params", "param_names"))]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


@contextmanager
def _not_recorded():
    """First states are made outside of a program that is being recorded: it reads them, and later runs go on from them."""
    recorder, dispatching.recorder = dispatching.recorder, None
    try:
        yield
    finally:
        dispatching.recorder = recorder


def _part_counts(skipped, todo):
    """Give parameters that sit this step out a step count of their own, if it is shared with others that do not."""
    running = {id(state["step"]) for *_, state, _ in todo if "step" in state}
    fresh: dict = {}
    for state in skipped:
        if "step" in state and id(state["step"]) in running:
            state["step"] = fresh.setdefault(id(state["step"]), state["step"].clone())


def _share_counts(states):
    """Let parameters of one group with equal step counts share them."""
    counts: dict = {}
    for s in states:
        if "step" in s:
            s["step"] = counts.setdefault(s["step"].item(), s["step"])
