"""What every optimiser shares: groups of parameters with their settings, state as data, and the walk of one step."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core import accelerate
from ..core.changes import LENGTH, Noted, changes
from ..core.dispatch import state as dispatching
from ..errors import ArgumentError, NonDifferentiableError, UnsupportedError, explain
from ..ops import square
from ..ops.shaping import cast
from ..tensor import Tensor
from ..transforms.scope import enable_grad, is_grad_enabled, phase
from .hooks import (
    Hooked,
    register_optimizer_step_post_hook as register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook as register_optimizer_step_pre_hook,
    with_hooks,
)
from .settings import Group, Hyper, check_settings, constant, is_given
from .vectors import from_pairs, pairs, real_dtype

NOT_SETTINGS = ("self", "params", "__class__")


class States(Noted):
    """For each parameter a dict, which is made when it is asked for."""

    def __missing__(self, parameter):
        self[parameter] = Noted()
        return self[parameter]


class _Required:
    """In the place of a default: a setting that every group must have (PyTorch's `required`)."""

    def __repr__(self):
        return "<required parameter>"


required = _Required()


class Optimizer(Hooked):
    """Improves parameters by their gradients. An algorithm is `init_one` and `step_one`; the rest stands here.

    Parameters
    ----------
    params : iterable of Tensors that require grad, of (name, Tensor) pairs, or of dicts, which are groups of parameters
        with settings of their own: {'params': ..., 'lr': ...}
    defaults : settings of groups that do not have them, by name; what `locals()` gives at the start of a constructor will do

    Settings that PyTorch's optimisers share mean the same in all of them: `maximize` (climb instead of descend),
    `weight_decay`, and `foreach`, `fused` and `capturable`, which choose between implementations in PyTorch and nothing here.
    Complex parameters are optimised as two real ones.

    A subclass may also be written as PyTorch's are: with a `step` of its own, which reads `param_groups` and keeps what it
    likes in `self.state[p]`, a dict that is there when it is first asked for.

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

    counts: tuple[str, ...] = ("step",)  # states without axes that are equal for all parameters which start and step together
    _repeated: Any = None  # how updates are done once they are many

    def __init__(self, params, defaults):
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in defaults.items() if k not in NOT_SETTINGS}
        self.defaults = tuples
        self.check(self.defaults)
        self.param_groups: list[Group] = []
        self.state = {}
        self._step_hooks = Noted(), Noted()
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

    @classmethod
    def check(cls, settings):
        """Raise ArgumentError unless the settings of a group make sense.

        Classes with a `step` of their own may mean something else by the same names.
        """
        if cls.step.__module__.startswith(f"{__package__}."):
            check_settings(cls.__name__, settings)

    def init_one(self, param, hyper):
        """State of one parameter before its first step.

        A count of steps goes under 'step', made with `constant(0.0)`; parameters that start together share it and whatever
        else stands in `counts`.

        Parameters
        ----------
        param : Tensor, the values as a constant
        hyper : Hyper, the settings of its group

        Returns
        -------
        dict of Tensors
        """
        raise self._unwritten()

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
        raise self._unwritten()

    def _unwritten(self):
        name = type(self).__name__
        return UnsupportedError(
            explain(
                f"{name} has no algorithm", help="define init_one and step_one, or, as in PyTorch, step(self, closure=None)"
            )
        )

    # --- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Optimise further parameters: a dict with 'params' and settings that differ from the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise ArgumentError(
                explain(
                    f"{name}: a group is a dict with 'params'",
                    f"found: {list(param_group) if isinstance(param_group, Mapping) else type(param_group).__name__}",
                    help="for example {'params': model.head.parameters(), 'lr': 0.1}",
                )
            )
        group = {**self.defaults, **param_group}
        lacking = [setting for setting, value in group.items() if value is required]
        if lacking:
            raise ArgumentError(
                explain(f"{name}: every group needs {', '.join(lacking)}", help=f"{name}(params, {lacking[0]}=...)")
            )
        self.check(group)
        params = group["params"]
        if isinstance(params, (set, frozenset)):
            raise ArgumentError(explain(f"{name}: a set of parameters has no order", help="use a list"))
        params = [params] if isinstance(params, Tensor) else list(params)
        named = {isinstance(p, tuple) for p in params} | {"param_names" in g for g in self.param_groups}
        if len(named) > 1:
            raise ArgumentError(
                explain(
                    f"{name}: some parameters have names and some have none",
                    help="pass model.named_parameters() or model.parameters() throughout",
                )
            )
        if named == {True}:
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
                    yield group.place(key), key, f".param_groups[{i}][{key!r}]"
            yield vars(group), "rate", f".param_groups[{i}]['lr']"
        yield self.__dict__, "_state", ".state"
        yield from self._watched_hooks()

    @property
    def state(self) -> dict[Tensor, dict]:
        """For each parameter, a dict of Tensors by name."""
        return self._state

    @state.setter
    def state(self, value):
        self._state = States({p: Noted(s) for p, s in value.items()})
        changes.note()

    @property
    def lr(self):
        """The learning rate of the first group; assigning sets that of all groups.

        What a subclass assigns before there are groups is an attribute of its own.
        """
        own = vars(self).get("lr")
        return self.param_groups[0]["lr"] if own is None else own

    @lr.setter
    def lr(self, value):
        if "param_groups" not in vars(self):
            vars(self)["lr"] = value
            return
        for group in self.param_groups:
            group["lr"] = value

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or with False set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                p._clear_grad(set_to_none)

    # --- stepping -----------------------------------------------------------------------------------------------------

    @with_hooks
    def step(self, closure=None):
        """Update all parameters that have a gradient.

        Parameters
        ----------
        closure : None, or function that computes the loss and its gradients

        Returns
        -------
        what `closure` returns, or None
        """
        return self._step(closure)

    def _step(self, closure=None):
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
        kept = {key: value for key, value in self.__dict__.items() if key not in ("_repeated", "_hooks_of_state")}
        return kept | {"_step_hooks": (Noted(), Noted())}  # a copy has none, as in PyTorch

    def _step_group(self, group):
        # Everything here is detached, so that nothing is recorded; pausing the tape with no_grad would cost more.
        hypers: dict = {}
        todo, skipped = [], []
        start: dict = {}  # the counts that the parameters of this group which start now share
        for p in group["params"]:
            grad = p.grad
            if grad is None:
                if p in self.state:
                    skipped.append(self.state[p])
                continue
            hyper = hypers.get(p.dtype)
            if hyper is None:
                hyper = hypers[p.dtype] = Hyper(group, real_dtype(p.dtype))
            value = p.detach()
            state = self.state.get(p)
            if state is None:
                state = self.state[p] = Noted(self._first(value, hyper))
                for key in self.counts:
                    if key in state:
                        state[key] = start.setdefault(key, state[key])
            todo.append((p, value, grad.detach(), state, hyper))
        if skipped:
            self._part_counts(skipped, todo)
        results = [self._one(value, grad, state, hyper) for _, value, grad, state, hyper in todo]
        # Only now, since parameters may share a count that all of them had to read first.
        for (p, _, _, state, _), (value, new_state) in zip(todo, results, strict=True):
            p.data = value
            for key, new in new_state.items():
                if state[key] is not new:
                    state[key].data = new

    def _first(self, value, hyper):
        """The first state of a parameter. It is made outside of a program that is being recorded, which reads it, and later
        runs go on from it."""
        recorder, dispatching.recorder = dispatching.recorder, None
        try:
            if value.dtype.kind != "c":
                return self.init_one(value, hyper)
            state = self.init_one(pairs(constant(np.zeros(value.shape, value.dtype))), hyper)
            return {k: from_pairs(v, value.dtype) if k not in self.counts else v for k, v in state.items()}
        finally:
            dispatching.recorder = recorder

    def _one(self, value, grad, state, hyper):
        """One step of one parameter, which may be complex."""
        if value.dtype.kind != "c":
            return self.step_one(value, grad, state, hyper)
        as_pairs = {k: pairs(v) if v.dtype.kind == "c" else v for k, v in state.items()}
        value, new = self.step_one(pairs(value), pairs(cast(grad, value.dtype)), as_pairs, hyper)
        dtype = grad.dtype
        return from_pairs(value, dtype), {k: from_pairs(v, dtype) if state[k].dtype.kind == "c" else v for k, v in new.items()}

    def _part_counts(self, skipped, todo):
        """Give parameters that sit this step out counts of their own, if these are shared with others that do not."""
        running = {id(state[key]) for *_, state, _ in todo for key in self.counts if key in state}
        fresh: dict = {}
        for state in skipped:
            for key in self.counts:
                if key in state and id(state[key]) in running:
                    state[key] = fresh.setdefault(id(state[key]), state[key].clone())

    def _share_counts(self, states):
        """Let parameters of one group with equal counts share them."""
        known: dict = {}
        for s in states:
            mine = {key: s[key] for key in self.counts if isinstance(s.get(key), Tensor)}
            s.update(known.setdefault(tuple((key, count.item()) for key, count in mine.items()), mine))

    # --- state --------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """Everything that a later run needs to go on: a snapshot of plain dicts, lists, numbers and Tensors.

        Returns
        -------
        {'state': {index of parameter: {name: Tensor}}, 'param_groups': [{'lr': ..., 'params': [indices]}]}
        """
        for hook in list(self._state_hooks("before save").values()):
            hook(self)
        saved = self._saved()
        for hook in list(self._state_hooks("after save").values()):
            new = hook(self, saved)
            saved = saved if new is None else new
        return saved

    def _saved(self):
        numbers = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**g, "params": [numbers[id(p)] for p in g["params"]]} for g in self.param_groups]
        state = {numbers[id(p)]: {k: _snapshot(v) for k, v in s.items()} for p, s in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave, for parameters of the same number and order; state is cast to their dtypes.

        Raises
        ------
        ArgumentError
            Groups or shapes differ; nothing has been changed.
        """
        name = type(self).__name__
        if before := self._state_hooks("before load"):
            state_dict = dict(state_dict)
            for hook in list(before.values()):
                new = hook(self, state_dict)
                state_dict = state_dict if new is None else new
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            found = list(state_dict)[:5] if isinstance(state_dict, Mapping) else type(state_dict).__name__
            raise ArgumentError(
                explain(
                    f"{name}.load_state_dict: expected a dict with 'state' and 'param_groups'",
                    f"found: {found}",
                    help="pass what optimizer.state_dict() gave; a model's state dict is for model.load_state_dict",
                )
            )
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
        pairs = [(p, g) for g in self.param_groups for p in g["params"]]
        indices = [i for g in state_dict["param_groups"] for i in g["params"]]
        state = {}
        for (p, group), i in zip(pairs, indices, strict=True):
            saved = {k: v for k, v in state_dict["state"].get(i, {}).items() if v is not None}
            if saved:
                state[p] = self._loaded(saved, p, i, group)
        self.state = state
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: saved_setting(v) for k, v in saved.items() if k != "params"})
            self._share_counts([state[p] for p in group["params"] if p in state])
        for hook in list(self._state_hooks("after load").values()):
            hook(self)

    def _loaded(self, saved, p, i, group):
        """The saved state of one parameter as Tensors, of the shapes that the algorithm has."""
        if type(self).step_one is Optimizer.step_one:  # with a `step` of its own, which may keep anything
            return {key: _of_kind(_snapshot(value), p) for key, value in saved.items()}
        fresh = self._first(p.detach(), Hyper(group, real_dtype(p.dtype)))
        state = {}
        for key, value in saved.items():
            value = (
                value.detach() if isinstance(value, Tensor) else constant(np.asarray(value).copy())
            )  # theirs may change in place
            expected = fresh[key].shape if key in fresh else p.shape
            if value.shape not in ((), expected):
                raise ArgumentError(
                    explain(
                        f"{type(self).__name__}.load_state_dict: the state of parameter {i} has the wrong shape",
                        f"{key}: expected {expected}, found {value.shape}",
                        help="make the optimiser for the model that the state was saved with",
                    )
                )
            state[key] = cast(value, np.dtype(np.float64) if key in self.counts else p.dtype).detach()
        return state

    def __repr__(self):
        lines = []
        for i, group in enumerate(self.param_groups):
            lines += [
                f"Parameter Group {i}",
                *(f"    {k}: {v}" for k, v in sorted(group.items()) if k not in ("params", "param_names")),
            ]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _snapshot(value):
    return value.detach() if isinstance(value, Tensor) else copy.deepcopy(value)


def _of_kind(value, p):
    """A saved value in the dtype of its parameter, if it is an array of floating-point numbers with axes."""
    if not (isinstance(value, (Tensor, np.ndarray)) or type(value).__module__.split(".")[0] == "torch"):
        return value
    value = value if isinstance(value, Tensor) else constant(np.asarray(value).copy())
    return cast(value, p.dtype).detach() if value.shape and value.dtype.kind in "fc" else value


def saved_setting(value):
    """A setting of a saved group: lists are tuples again, and arrays of other libraries numbers."""
    if isinstance(value, list):
        return tuple(value)
    return value.item() if hasattr(value, "item") and not isinstance(value, Tensor) else value


def decayed(param, grad, hyper):
    """The parameter and the gradient to descend along, after `maximize` and `weight_decay` have been taken into account.

    The parameter itself shrinks if the group says `decoupled_weight_decay`; else its multiple joins the gradient.
    """
    if hyper.get("maximize"):
        grad = -grad
    decay = hyper.get("weight_decay", 0)
    if not is_given(decay):
        return param, grad
    if hyper.get("decoupled_weight_decay"):
        return param * (1 - hyper["lr"] * decay), grad
    return param, grad + decay * param


def mean(old, new, weight):
    """A running mean in which the past has this weight."""
    return weight * old + (1 - weight) * new


def moments(grad, state, betas):
    """Adam's running means of the gradient and of its square, with this gradient in them."""
    return mean(state["exp_avg"], grad, betas[0]), mean(state["exp_avg_sq"], square(grad), betas[1])


def zeros(param, *names):
    """States that start from zero, one for each name."""
    return {name: param.new_zeros(param.shape) for name in names}
