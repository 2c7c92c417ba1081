"""L-BFGS."""

import numpy as np

from ..core.changes import Noted
from ..errors import ArgumentError, explain
from ..ops.linalg.triangular import scipy_lapack
from ..tensor import Tensor
from .closures import ClosureOptimizer
from .line_search import Search
from .optimizer import saved_setting
from .settings import check, constant


class History:
    """Pairs of steps and changes of the gradient, which stand for the inverse of the Hessian.

    The inverse is applied in its compact form (Byrd, Nocedal and Schnabel, 1994, theorem 2.2): two products with the matrix of
    all pairs and some algebra as small as their number, where the recursion over pairs reads and writes a vector for each.

    Parameters
    ----------
    most : pairs that are kept
    size, dtype : of the vectors

    Attributes
    ----------
    order : where the pairs stand, the oldest first: that of place k in rows 2k (the step) and 2k + 1 (the change)
    crossed, changed : products of steps with changes (its upper triangle counts) and of changes with changes, oldest first
    scale : the inverse of the Hessian before the first pair, times the identity
    """

    def __init__(self, most, size, dtype):
        self.most, self.rows, self.order, self.scale = most, np.empty((0, size), dtype), [], 1.0
        self.crossed, self.changed = np.empty((0, 0)), np.empty((0, 0))

    def __len__(self):
        return len(self.order)

    def pairs(self):
        """Steps and changes, as two lists, the oldest first."""
        return [self.rows[2 * k] for k in self.order], [self.rows[2 * k + 1] for k in self.order]

    def add(self, step, change):
        """Remember a pair, unless the curvature along it is not positive."""
        curvature = float(change @ step)
        if curvature > 1e-10:
            self._store(step, change)
            crossed, changed = self._products(change)
            self.crossed, self.changed = _grown(self.crossed, crossed), _grown(self.changed, changed)
            self.scale = curvature / changed[-1]

    def _store(self, step, change):
        if len(self) == self.most:
            self.order.append(self.order.pop(0))
            self.crossed, self.changed = self.crossed[1:, 1:], self.changed[1:, 1:]
        else:
            self.order.append(len(self))
        if 2 * len(self) > len(self.rows):
            room = np.empty((2 * min(self.most, max(4, 2 * len(self))), self.rows.shape[1]), self.rows.dtype)
            room[: len(self.rows)] = self.rows
            self.rows = room
        self.rows[2 * self.order[-1]], self.rows[2 * self.order[-1] + 1] = step, change

    def _products(self, vector):
        """Those of all steps, and of all changes, with a vector."""
        both = (self.rows[: 2 * len(self)] @ vector).reshape(-1, 2)[self.order].astype(np.float64)
        return both[:, 0], both[:, 1]

    def direction(self, gradient):
        """Minus the inverse of the Hessian times the gradient."""
        if not len(self):
            return -self.scale * gradient
        solve, (along, across) = scipy_lapack("trtrs", "d"), self._products(gradient)
        changes, _ = solve(self.crossed, along)
        steps = np.diag(self.crossed) * changes + self.scale * (self.changed @ changes - across)
        weights = np.empty((len(self), 2))
        weights[self.order, 0] = -solve(self.crossed, steps, trans=1)[0]
        weights[self.order, 1] = self.scale * changes
        out = weights.ravel().astype(self.rows.dtype) @ self.rows[: 2 * len(self)]
        out -= self.scale * gradient
        return out

    def state(self):
        """Under PyTorch's names, and what it takes to go on bit for bit."""
        steps, changes = self.pairs()
        own = {"order": np.array(self.order), "crossed": self.crossed, "changed": self.changed}
        return {"old_stps": steps, "old_dirs": changes, "ro": list(1 / np.diag(self.crossed)), "H_diag": self.scale, **own}

    def load(self, state):
        """Become that of which `state` tells; PyTorch's has fewer entries."""
        changes = state["old_dirs"][-self.most :]
        steps = state["old_stps"][-self.most :]
        order = [int(k) for k in state.get("order", ())]
        self.order, self.scale = order if len(order) == len(steps) else list(range(len(steps))), float(state["H_diag"])
        self.rows = np.empty((2 * len(steps), self.rows.shape[1]), self.rows.dtype)
        for k, step, change in zip(self.order, steps, changes, strict=True):
            self.rows[2 * k], self.rows[2 * k + 1] = step, change
        if self.order is order:
            self.crossed, self.changed = state["crossed"], state["changed"]
        else:
            products = [self._products(change) for change in changes]
            self.crossed, self.changed = (np.array(p).reshape(len(steps), -1).T for p in zip(*products, strict=True))


def _grown(matrix, column):
    """The matrix with one more column, which is its last row too."""
    out = np.empty((len(column), len(column)))
    out[:-1, :-1], out[:, -1], out[-1] = matrix, column, column
    return out


HISTORY = "old_dirs", "old_stps", "ro", "H_diag", "order", "crossed", "changed"


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
            return closure(), self._gradient()

        out, gradient = evaluate()
        loss, tiny, history = float(out), group["tolerance_change"], self._history()
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
            place, size = self._values(), float(np.abs(direction).max())
            if group["line_search_fn"]:
                at, most = self._along(place, direction, evaluate), group["max_eval"] - evaluations
                search = Search(at, (0.0, loss, slope, gradient), size, most, tiny)
                state["t"], loss, _, gradient = search(length)
            self._place(place + state["t"] * direction)
            if not group["line_search_fn"] and rounds < group["max_iter"]:
                out_now, gradient = evaluate()
                loss = float(out_now)
            moved, change = abs(state["t"]) * size, abs(loss - state["prev_loss"])
            if evaluations >= group["max_eval"] or moved <= tiny or change < tiny:
                break
        state["func_evals"] += evaluations
        return out

    def _history(self):
        state, most = self.state[self._params[0]], self.param_groups[0]["history_size"]
        if "history" not in state or state["history"].most != most:
            old, state["history"] = state.get("history"), History(most, self._layout.size, self._dtype)
            if old:
                state["history"].load(old.state())
        return state["history"]

    # --- state --------------------------------------------------------------------------------------------------------

    def _saved(self):
        """As for `Optimizer`; the state of the first parameter is that of all, and holds numbers and lists besides Tensors."""
        group = {**self.param_groups[0], "params": list(range(len(self._params)))}
        state = dict(self.state.get(self._params[0], {}))
        pairs = state.pop("history", ())
        state = {k: _saved(v) for k, v in {**state, **(pairs.state() if pairs else {})}.items()}
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
        pairs = {key: state.pop(key) for key in HISTORY if key in state}
        if pairs.get("old_dirs"):
            state["history"] = History(group["history_size"], total, self._dtype)
            state["history"].load(pairs)
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
