"""Averages of models over training: of all epochs alike (SWA), or fading (EMA), with PyTorch's names."""

import copy

import numpy as np

from ..devices import on_cpu
from ..errors import ArgumentError, explain
from ..ops.shaping import cast
from .cycles import SWALR
from .settings import constant
from .vectors import real_dtype

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def get_ema_avg_fn(decay=0.999):
    """For `AveragedModel`: an average in which the past fades by `decay` at each update.

    >>> get_ema_avg_fn(0.75)(1.0, 2.0, 7)
    1.25
    """
    if not 0 <= decay <= 1:
        raise ArgumentError(explain("get_ema_avg_fn: decay must lie between 0 and 1", f"found: {decay}", help="try 0.999"))
    return lambda average, new, count: decay * average + (1 - decay) * new


def get_swa_avg_fn():
    """For `AveragedModel`: the mean of all updates.

    >>> get_swa_avg_fn()(1.0, 2.0, 3)
    1.25
    """
    return lambda average, new, count: average + (new - average) / (count + 1)


def get_ema_multi_avg_fn(decay=0.999):
    """As `get_ema_avg_fn`, for the argument `multi_avg_fn`."""
    return _for_all(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    """As `get_swa_avg_fn`, for the argument `multi_avg_fn`."""
    return _for_all(get_swa_avg_fn())


def _for_all(average):
    def change(averages, news, count):
        for old, new in zip(averages, news, strict=True):
            old.data = average(old.detach(), new, cast(count, real_dtype(new.dtype)))

    return change


class AveragedModel:
    """A copy of a model whose parameters are averages of those of the model over time.

    The mean of the weights of the last epochs (stochastic weight averaging, Izmailov et al., 2018) or a fading average often
    predict better than the weights themselves.

    Parameters
    ----------
    model : Module
    avg_fn : function (average, new, updates so far) -> average, by default the mean of all updates; see `get_ema_avg_fn`
    multi_avg_fn : function (averages, news, updates so far) that changes the first list's Tensors in place, for all at once
    use_buffers : average buffers too, instead of copying them
    device : None or the CPU

    Attributes
    ----------
    module : the averaged model; calling the `AveragedModel` calls it
    n_averaged : Tensor, the number of updates

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn, optim
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = optim.AveragedModel(model)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     model.weight.data = np.full((1, 1), weight, np.float32)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged.item()
    (3.0, 3)
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        on_cpu(device)
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError(explain("AveragedModel: avg_fn and multi_avg_fn exclude each other", help="give one of them"))
        self.module = copy.deepcopy(model)
        self.avg_fn = get_swa_avg_fn() if avg_fn is None else avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers
        self.n_averaged = constant(np.int64(0))

    def __call__(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def update_parameters(self, model):
        """Take the present parameters of the model into the average. May be part of a compiled step."""
        count = self.n_averaged.detach()
        averaged, news = list(self.module.parameters()), list(model.parameters())
        buffers = list(self.module.buffers()), list(model.buffers())
        if self.use_buffers:
            averaged, news = [*averaged, *buffers[0]], [*news, *buffers[1]]
        pairs = list(zip(averaged, news, strict=True))
        numbers = [(old, new) for old, new in pairs if new.dtype.kind != "b"]  # means of integers are cut, as in PyTorch
        if self.multi_avg_fn is None:
            means = [self.avg_fn(old.detach(), new.detach(), cast(count, real_dtype(new.dtype))) for old, new in numbers]
        else:
            means = [old.detach() for old, _ in numbers]
            self.multi_avg_fn(means, [new.detach() for _, new in numbers], count)
        weight = cast(count > 0, np.float64)  # 0 the first time, without a branch, so that a recorded update stays right
        for (old, new), mean in zip(numbers, means, strict=True):
            new = new.detach()
            old.data = cast(new + cast(weight, real_dtype(new.dtype)) * (mean - new), new.dtype)
        copied = [] if self.use_buffers else list(zip(*buffers, strict=True))
        for old, new in [*copied, *(pair for pair in pairs if pair[1].dtype.kind == "b")]:
            old.data = new.detach()
        self.n_averaged.data = count + 1

    def parameters(self):
        """The averaged parameters."""
        return self.module.parameters()

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """The averaged parameters, with 'module.' before each name."""
        return self.module.named_parameters(f"{prefix}.module" if prefix else "module", recurse, remove_duplicate)

    def buffers(self, recurse=True):
        """The number of updates, and the buffers of the averaged model."""
        return iter([self.n_averaged, *self.module.buffers(recurse)])

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """The same with their names, as in the state dict."""
        start = f"{prefix}." if prefix else ""
        yield f"{start}n_averaged", self.n_averaged
        yield from self.module.named_buffers(f"{start}module", recurse, remove_duplicate)

    def modules(self):
        """The averaged model and all modules below it."""
        return self.module.modules()

    @property
    def training(self):
        """Whether the averaged model is in training mode."""
        return self.module.training

    def train(self, mode=True):
        """As for `Module`."""
        self.module.train(mode)
        return self

    def eval(self):
        """As for `Module`."""
        return self.train(False)

    def state_dict(self):
        """The averaged model's, with 'module.' before each name, and 'n_averaged'; PyTorch's layout."""
        return {
            "n_averaged": self.n_averaged.detach(),
            **{f"module.{name}": value for name, value in self.module.state_dict().items()},
        }

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict` gave."""
        if "n_averaged" not in state_dict:
            raise ArgumentError(
                explain("AveragedModel.load_state_dict: 'n_averaged' is missing", help="a plain model's belongs to `module`")
            )
        prefix = "module."
        self.module.load_state_dict({k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)})
        self.n_averaged.data = np.asarray(constant(state_dict["n_averaged"]), np.int64)


def update_bn(loader, model, device=None):
    """Compute the running means and variances of all batch normalisations anew, by one pass over the data.

    Needed after averaging: averaged weights have other statistics.

    Parameters
    ----------
    loader : iterable of inputs, or of tuples that start with the input
    model : Module or AveragedModel
    device : None or the CPU
    """
    on_cpu(device)
    module = getattr(model, "module", model)
    norms = [m for m in module.modules() if hasattr(m, "reset_running_stats") and getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    momenta, training = [m.momentum for m in norms], module.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches alike
    module.train()
    try:
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        module.train(training)
