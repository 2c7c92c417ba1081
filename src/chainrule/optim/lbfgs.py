"""L-BFGS."""

import numpy as np

from ..core.changes import Noted
from ..errors import ArgumentError, explain
from ..tensor import Tensor
from .closures import ClosureOptimizer
from .line_search import Search
from .optimizer import saved_setting
from .settings import check, constant


class History:
    """Pairs of steps and changes of the gradient, which stand for the inverse of the Hessian.

    Attributes
    ----------
    steps, changes : lists of vectors, the newest last
    ro : for each pair, one over their product
    scale : the inverse of the Hessian before the first pair, times the identity
    """

    def __init__(self, most, steps=(), changes=(), ro=(), scale=1.0):
        self.most, self.steps, self.changes, self.ro, self.scale = most, list(steps), list(changes), list(ro), scale

    def add(self, step, change):
        """Remember a pair, unless the curvature along it is not positive."""
        curvature = change @ step
        if curvature > 1e-10:
            for values, new in ((self.steps, step), (self.changes, change), (self.ro, 1 / curvature)):
                values[:] = [*values, new][-self.most :]
            self.scale = curvature / (change @ change)

    def direction(self, gradient):
        """Minus the inverse of the Hessian times the gradient (Nocedal and Wright, 2006, algorithm 7.4)."""
        q, weights = -gradient, []
        pairs = list(zip(self.steps, self.changes, self.ro, strict=True))
        for s, y, ro in reversed(pairs):
            weights.append((s @ q) * ro)
            q -= weights[-1] * y
        q *= self.scale
        for (s, y, ro), weight in zip(pairs, reversed(weights), strict=True):
            q += (weight - (y @ q) * ro) * s
        return q


class LBFGS(ClosureOptimizer):
    """L-BFGS (Liu and Nocedal, 1989): steps by an approximate inverse of the Hessian, made of past steps.

    One call of `step` does up to `max_iter` iterations, so it needs a closure that computes loss and gradients anew. Compile
    what the closure calls, not the step: how many iterations there are depends on values.

    Parameters
    ----------
    params : iterable of parameters, in one group
    lr : length of steps, in units of the approximate Newton step
    max_iter : iterations of one call of `step`
    max_eval : evaluations of the closure in one call, by default max_iter * 5 // 4
    tolerance_grad : end when no element of the gradient is larger
    tolerance_change : end when no parameter changes by more, or the loss does not
    history_size : pairs that are remembered
    line_search_fn : None, or 'strong_wolfe' to choose step lengths by search, which is nearly always better

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([-1.2, 1.0], requires_grad=True)
    >>> optimizer = optim.LBFGS([x], max_iter=100, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> round(optimizer.step(closure).item(), 6)
    24.2
    >>> x.detach().numpy().round(3)
    array([1., 1.])
    """

    def __init__(
        self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, tolerance_change=1e-9, history_size=100,
        line_search_fn=None,
    ):  # fmt: skip
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        search = settings["line_search_fn"]
        check(search in (None, "strong_wolfe"), "LBFGS: unknown line_search_fn", repr(search), "use None or 'strong_wolfe'")
        for key in ("max_iter", "max_eval", "history_size"):
            check(settings[key] >= 1, f"LBFGS: {key} must be at least 1", settings[key], "leave it out")

    def _iterate(self, closure):
        group, first = self.param_groups[0], self._params[0]
        if first not in self.state:
            self.state[first] = Noted({"func_evals": 0, "n_iter": 0})
        state, evaluations = self.state[first], 0

        def evaluate():
            nonlocal evaluations
            evaluations += 1
            return closure(), self._vector(p.grad for p in self._params)

        out, gradient = evaluate()
        loss, tiny = float(out), group["tolerance_change"]
        steps, changes, ro = (state.get(key, ()) for key in ("old_stps", "old_dirs", "ro"))
        history = History(group["history_size"], steps, changes, ro, state.get("H_diag", 1.0))
        rounds = 0
        while rounds < group["max_iter"] and np.abs(gradient).max() > group["tolerance_grad"]:
            rounds += 1
            state["n_iter"] += 1
            if "d" in state:
                history.add(state["d"] * state["t"], gradient - state["prev_flat_grad"])
                length = float(group["lr"])
            else:
                length = min(1.0, 1.0 / float(np.abs(gradient).sum())) * float(group["lr"])
            direction = history.direction(gradient)
            state.update(d=direction, t=length, prev_flat_grad=gradient, prev_loss=loss)
            slope = float(gradient @ direction)
            if slope > -tiny:
                break
            place = self._values()
            if group["line_search_fn"]:
                at, most = self._along(place, direction, evaluate), group["max_eval"] - evaluations
                search = Search(at, (0.0, loss, slope, gradient), float(np.abs(direction).max()), most, tiny)
                state["t"], loss, _, gradient = search(length)
            self._place(place + state["t"] * direction)
            if not group["line_search_fn"] and rounds < group["max_iter"]:
                out_now, gradient = evaluate()
                loss = float(out_now)
            moved, change = np.abs(direction * state["t"]).max(), abs(loss - state["prev_loss"])
            if evaluations >= group["max_eval"] or moved <= tiny or change < tiny:
                break
        state["func_evals"] += evaluations
        if rounds:
            state.update(old_dirs=history.changes, old_stps=history.steps, ro=history.ro, H_diag=history.scale)
        return out

    # --- state --------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """As for `Optimizer`; the state of the first parameter is that of all, and holds numbers and lists besides Tensors."""
        group = {**self.param_groups[0], "params": list(range(len(self._params)))}
        state = {k: _saved(v) for k, v in self.state.get(self._params[0], {}).items()}
        return {"state": {0: state} if state else {}, "param_groups": [group]}

    def _loaded(self, saved, p, i, group):
        total = self._layout.size
        state = {key: _restored(value) for key, value in saved.items() if key != "al"}
        for key in ("d", "prev_flat_grad"):
            size = np.size(state.get(key, np.empty(total)))
            if size != total:
                raise ArgumentError(
                    explain(
                        "LBFGS.load_state_dict: the state is that of other parameters",
                        f"{key}: expected {total} numbers, found {size}",
                        help="make the optimiser for the model that the state was saved with",
                    )
                )
        return state


def _saved(value):
    """Arrays as Tensors."""
    if isinstance(value, list):
        return [_saved(v) for v in value]
    return constant(value) if isinstance(value, np.ndarray) else value


def _restored(value):
    """What `_saved` was given; PyTorch's Tensors are read too."""
    if isinstance(value, (list, tuple)):
        return [_restored(v) for v in value]
    if isinstance(value, Tensor):
        return value.detach().numpy()
    array = np.asarray(value).copy()  # PyTorch changes its own in place
    return array if array.ndim else saved_setting(value)
