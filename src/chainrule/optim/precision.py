"""Training with float16 parameters: float32 copies that are updated, and losses that are scaled up."""

import numpy as np

from ..errors import ArgumentError, explain
from ..ops import isfinite, where
from ..ops.shaping import cast
from .settings import constant
from .vectors import real_dtype


class MasterWeights:
    """An optimiser of float32 copies ("masters") of parameters with less precision, which follow them.

    A step smaller than half the distance between neighbouring float16 numbers would otherwise be lost (Micikevicius et al.,
    2018, section 3.1).

    Parameters
    ----------
    params : iterable of parameters, all in one group
    make : class of the optimiser, or function that makes one from a list of parameters
    settings : further arguments of `make`

    Attributes
    ----------
    masters : list of float32 Tensors; parameters of float32 and float64 are their own masters
    optimizer : the optimiser of the masters

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor(np.ones(1, np.float16), requires_grad=True)
    >>> optimizer = optim.MasterWeights([x], optim.SGD, lr=1e-4)
    >>> for _ in range(10):
    ...     optimizer.zero_grad()
    ...     x.sum().backward()
    ...     optimizer.step()
    >>> optimizer.masters[0].detach().numpy().round(6), x.detach().numpy()
    (array([0.999], dtype=float32), array([0.999], dtype=float16))
    """

    def __init__(self, params, make, **settings):
        self.params = list(params)
        self.masters = [_master(p) for p in self.params]
        self.optimizer = make(self.masters, **settings)

    @property
    def param_groups(self):
        """Those of the optimiser of the masters."""
        return self.optimizer.param_groups

    @property
    def lr(self):
        """The learning rate."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, value):
        self.optimizer.lr = value

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of parameters and masters."""
        for p in (*self.params, *self.masters):
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = np.zeros(p.shape, p.dtype)

    def step(self, closure=None):
        """Update the masters by the gradients of the parameters, and round them to the parameters."""
        loss = closure() if closure is not None else None
        self.step_with([None if p.grad is None else p.grad.detach() for p in self.params])
        return loss

    def step_with(self, gradients):
        """The same with these gradients in place of the parameters' own; None stands for none."""
        for master, gradient in zip(self.masters, gradients, strict=True):
            master.grad = None if gradient is None else cast(gradient, master.dtype)
        self.optimizer.step()
        for p, master in zip(self.params, self.masters, strict=True):
            if p is not master and master.grad is not None:
                p.data = cast(master.detach(), p.dtype)

    def state_dict(self):
        """That of the optimiser, and the masters under 'masters'."""
        return {**self.optimizer.state_dict(), "masters": [m.detach() for m in self.masters]}

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave; parameters become the rounded masters."""
        masters = state_dict.get("masters", ())
        if [np.shape(m) for m in masters] != [m.shape for m in self.masters]:
            raise ArgumentError(
                explain(
                    "MasterWeights.load_state_dict: masters differ",
                    f"expected shapes {[m.shape for m in self.masters]}, found {[np.shape(m) for m in masters]}",
                    help="make the optimiser for the model that the state was saved with",
                )
            )
        self.optimizer.load_state_dict({k: v for k, v in state_dict.items() if k != "masters"})
        for p, master, saved in zip(self.params, self.masters, masters, strict=True):
            master.data = np.array(saved, master.dtype)
            if p is not master:
                p.data = cast(master.detach(), p.dtype)


def _master(p):
    if p.dtype != np.float16:
        return p
    return constant(np.asarray(p.detach(), np.float32)).requires_grad_()


class GradScaler:
    """Scales losses up so that small gradients do not vanish in float16, and gradients down again; skips steps that overflow.

    The scale halves when a gradient is infinite or NaN, and doubles after `growth_interval` steps without. Names are those of
    `torch.amp.GradScaler`.

    Parameters
    ----------
    init_scale : first scale
    growth_factor, backoff_factor : by what the scale grows and shrinks
    growth_interval : steps without overflow until it grows
    enabled : False makes all methods do nothing but step

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor(np.ones(1, np.float16), requires_grad=True)
    >>> optimizer, scaler = optim.MasterWeights([x], optim.SGD, lr=0.5), optim.GradScaler(init_scale=1024.0)
    >>> scaler.scale((x * 1e-3).sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> optimizer.masters[0].detach().numpy().round(6)
    array([0.9995], dtype=float32)
    """

    def __init__(self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True):
        if init_scale <= 0 or growth_factor <= 1 or not 0 < backoff_factor < 1:
            raise ArgumentError(
                explain(
                    "GradScaler: the scale is positive, grows by more than 1 and shrinks by less",
                    f"found: {init_scale}, {growth_factor}, {backoff_factor}",
                    help="leave the arguments out",
                )
            )
        self.growth_factor, self.backoff_factor, self.growth_interval = growth_factor, backoff_factor, growth_interval
        self.enabled = enabled
        self._scale = constant(np.float64(init_scale))
        self._good = constant(np.float64(0.0))  # steps since the last change
        self._found: dict = {}  # for each optimiser since the last update, whether its gradients were finite

    def get_scale(self):
        """The present scale, a number."""
        return self._scale.item() if self.enabled else 1.0

    def scale(self, loss):
        """A loss, or a list of them, times the scale."""
        if not self.enabled:
            return loss
        if isinstance(loss, (list, tuple)):
            return type(loss)(self.scale(x) for x in loss)
        return loss * cast(self._scale.detach(), np.dtype(np.float32 if loss.dtype == np.float16 else loss.dtype))

    def unscale_(self, optimizer):
        """Divide gradients by the scale, for instance to clip them before `step`, which does this if nobody has.

        Gradients of float16 become float32 masters' gradients only in the step, so what is too small for float16 after
        division is lost here; with `MasterWeights`, leave it to `step`.
        """
        if not self.enabled or id(optimizer) in self._found:
            return
        self._found[id(optimizer)] = self._unscale(_params(optimizer))

    def _unscale(self, params):
        finite = True
        for p in params:
            if p.grad is not None:
                g = p.grad.detach()
                p.grad.data = cast(g * cast(1 / self._scale.detach(), real_dtype(g.dtype)), g.dtype)
                finite = finite and bool(isfinite(g).all())
        return finite

    def step(self, optimizer, *args, **kwargs):
        """`optimizer.step()` with gradients divided by the scale, unless one of them is infinite or NaN."""
        if not self.enabled:
            return optimizer.step(*args, **kwargs)
        if id(optimizer) not in self._found and isinstance(optimizer, MasterWeights):
            return self._step_masters(optimizer)
        self.unscale_(optimizer)
        return optimizer.step(*args, **kwargs) if self._found[id(optimizer)] else None

    def _step_masters(self, optimizer):
        """Divide in float32, where small gradients do not vanish."""
        kept = [p.grad for p in optimizer.params]
        inverse = 1 / self._scale.detach()
        finite = all(bool(isfinite(g.detach()).all()) for g in kept if g is not None)
        self._found[id(optimizer)] = finite
        if finite:
            optimizer.step_with([None if g is None else cast(g.detach(), np.dtype(float)) * inverse for g in kept])

    def update(self, new_scale=None):
        """Adapt the scale: call it once after all steps of an iteration."""
        if not self.enabled:
            return
        if new_scale is not None:
            self._scale.data = np.float64(new_scale)
        elif self._found:
            finite = float(all(self._found.values()))
            good = finite * (self._good.detach() + 1)
            grows = good >= self.growth_interval
            factor = where(grows, self.growth_factor, 1.0 if finite else self.backoff_factor)
            self._scale.data = self._scale.detach() * factor
            self._good.data = where(grows, 0.0, good)
        self._found = {}

    def state_dict(self):
        """Scale, factors and counts; PyTorch's layout."""
        if not self.enabled:
            return {}
        return {
            "scale": self._scale.item(), "growth_factor": self.growth_factor, "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval, "_growth_tracker": int(self._good.item()),
        }  # fmt: skip

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave."""
        if not self.enabled:
            return
        self._scale.data, self._good.data = np.float64(state_dict["scale"]), np.float64(state_dict["_growth_tracker"])
        for name in ("growth_factor", "backoff_factor", "growth_interval"):
            setattr(self, name, state_dict[name])


def _params(optimizer):
    if isinstance(optimizer, MasterWeights):
        return optimizer.params
    return [p for group in optimizer.param_groups for p in group["params"]]
