"""L-BFGS."""

import math

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

    The inverse is applied in its compact form (Byrd, Nocedal and Schnabel, 1994, theorem 2.2), in factors: with S and Y, whose
    rows are steps and changes, R, the upper triangle of S Yᵀ, and D, its diagonal, it is γ Pᵀ P + Sᵀ R⁻ᵀ D R⁻¹ S with
    P = I - Yᵀ R⁻¹ S. That takes four products with S or Y and some algebra as small as the number of pairs, where the recursion
    over pairs reads and writes a vector for each; and no difference is taken of what has been summed.

    Parameters
    ----------
    most : pairs that are kept
    size, dtype : of the vectors

    Attributes
    ----------
    order : where the pairs stand in S and Y, the oldest first
    crossed : products of steps with changes, oldest first; its upper triangle counts
    along : products of steps with the last gradient, oldest first
    doubt : by how many roundings these may be wrong, as a multiple of what rounds: the sizes of gradients they were summed from
    scale : γ, the inverse of the Hessian before the first pair, times the identity
    """

    def __init__(self, most, size, dtype):
        self.most, self.order, self.crossed, self.scale = most, [], np.empty((0, 0)), 1.0
        self.steps, self.changes = np.empty((0, size), dtype), np.empty((0, size), dtype)
        self.along, self.doubt = np.empty(0), 0.0

    def __len__(self):
        return len(self.order)

    def add(self, direction, length, change, gradient, size):
        """Remember a pair, unless the curvature along it is not positive.

        Parameters
        ----------
        direction, length : of the step; the pair is that step and the change
        change : of the gradient, since the last call
        gradient, size : that after the step, and its norm
        """
        curvature, square = length * float(change @ direction), float(change @ change)
        if curvature > 1e-10:
            step = self._store(direction, length, change)
            column = self._follow(math.sqrt(square), size, change, gradient)
            column[-1], self.along[-1] = curvature, gradient @ step
            n = len(self)
            crossed = np.zeros((n, n))
            crossed[:-1, :-1], crossed[:, -1] = self.crossed, column
            self.crossed, self.scale = crossed, curvature / square
        else:
            self.along, self.doubt = self._products(gradient), size

    def _follow(self, moved, size, change, gradient):
        """Products of steps with the change; sets those with the gradient. Mostly one of both is found from the other.

        A difference of products is as good as the product with a difference where that is large; sums are while they are.
        """
        if 2 * moved > size:
            before, self.along, self.doubt = self.along, self._products(gradient), size
            return self.along - before
        column, self.doubt = self._products(change), self.doubt + moved
        if self.doubt < 4 * size:
            self.along = self.along + column
        else:
            self.along, self.doubt = self._products(gradient), size
        return column

    def _products(self, vector):
        """Those of steps with a vector, oldest first."""
        return (self.steps[: len(self)] @ vector)[self.order].astype(np.float64)

    def _store(self, direction, length, change):
        """Keep a pair in the place of the oldest, or in a free one; gives the step."""
        if len(self) == self.most:
            self.order.append(self.order.pop(0))
            self.crossed, self.along = self.crossed[1:, 1:], self.along[1:]
        else:
            self.order.append(len(self))
        if len(self) > len(self.steps):
            more = min(self.most, max(4, 2 * len(self))) - len(self.steps)
            room = np.empty((more, self.steps.shape[1]), self.steps.dtype)
            self.steps, self.changes = np.concatenate([self.steps, room]), np.concatenate([self.changes, room])
        before, self.along = self.along, np.zeros(len(self))
        self.along[:-1] = before
        self.changes[self.order[-1]] = change
        return np.multiply(direction, length, self.steps[self.order[-1]])

    def direction(self, gradient):
        """Minus the inverse of the Hessian times the gradient, which is that of the last call of `add`."""
        n, scale = len(self), -self.scale
        if not n:
            return scale * gradient
        solve, steps, changes = scipy_lapack("trtrs", "d"), self.steps[:n], self.changes[:n]
        weights = solve(self.crossed, self.along)[0]
        out = self._less(gradient, weights, changes)
        weights = solve(self.crossed, weights * self.crossed.diagonal() + scale * (changes @ out)[self.order], trans=1)[0]
        return self._less(out, weights, steps, scale)

    def _less(self, vector, weights, rows, scale=1.0):
        """A multiple of the vector, less the sum of the rows, which have weights, the oldest first."""
        placed = np.empty(len(self), rows.dtype)
        placed[self.order] = weights
        if rows.dtype.char not in "fd":
            return scale * vector - placed @ rows
        return scipy_lapack("gemv", rows.dtype.char, "blas")(-1.0, rows.T, placed, scale, vector)  # in one pass

    def state(self):
        """Under PyTorch's names, and what it takes to go on bit for bit."""
        own = {"order": np.array(self.order), "crossed": self.crossed, "along": self.along, "doubt": self.doubt}
        pairs = {"old_stps": list(self.steps[self.order]), "old_dirs": list(self.changes[self.order])}
        return {**pairs, "ro": list(1 / np.diag(self.crossed)), "H_diag": self.scale, **own}

    def load(self, state, gradient):
        """Become that of which `state` tells; PyTorch's has fewer entries. The gradient is that of the last call of `add`."""
        steps, changes = (np.array(state[k][-self.most :], self.steps.dtype) for k in ("old_stps", "old_dirs"))
        self.scale, self.order = float(state["H_diag"]), [int(k) for k in state.get("order", ())]
        self.steps, self.changes = steps, changes
        if len(self.order) == len(steps):
            self.crossed, self.along, self.doubt = np.asarray(state["crossed"]), state["along"], float(state["doubt"])
            self.steps, self.changes = np.empty_like(steps), np.empty_like(changes)
            self.steps[self.order], self.changes[self.order] = steps, changes
        else:
            self.order, self.crossed = list(range(len(steps))), (steps @ changes.T).astype(np.float64)
            self.along, self.doubt = self._products(gradient), math.sqrt(gradient @ gradient)


def _exceeds(vector, norm, bound):
    """Whether the largest absolute value is above the bound; not if it is NaN. Mostly the norm tells."""
    return norm > 1.01 * bound * math.sqrt(vector.size) or _largest(vector) > bound


def _largest(vector):
    """The largest absolute value; NaN if there is one."""
    return max(float(vector.max()), -float(vector.min()))


HISTORY = "old_dirs", "old_stps", "ro", "H_diag", "order", "crossed", "along", "doubt"


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
        while rounds < group["max_iter"]:
            norm = math.sqrt(gradient @ gradient)
            if not _exceeds(gradient, norm, group["tolerance_grad"]):
                break
            rounds += 1
            state["n_iter"] += 1
            if "d" in state:
                history.add(state["d"], state["t"], gradient - state["prev_flat_grad"], gradient, norm)
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
                search = Search(at, (0.0, loss, slope, gradient), _largest(direction), most, tiny)
                state["t"], loss, _, gradient = search(length)
            there = state["t"] * direction
            there += place
            self._place(there)
            if rounds == group["max_iter"]:
                break
            if not group["line_search_fn"]:
                out_now, gradient = evaluate()
                loss = float(out_now)
            moved, change = abs(state["t"]) * _largest(direction), abs(loss - state["prev_loss"])
            if evaluations >= group["max_eval"] or moved <= tiny or change < tiny:
                break
        state["func_evals"] += evaluations
        return out

    def _history(self):
        state, most = self.state[self._params[0]], self.param_groups[0]["history_size"]
        if "history" not in state or state["history"].most != most:
            old, state["history"] = state.get("history"), History(most, self._layout.size, self._dtype)
            if old:
                state["history"].load(old.state(), state["prev_flat_grad"])
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
            state["history"].load(pairs, state["prev_flat_grad"])
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
