"""PyTorch's older `weight_norm` and `spectral_norm`: weights that are computed from other parameters.

State dicts have the older names (`weight_g`, `weight_v`; `weight_orig`, `weight_u`, `weight_v`), for files that hold these.
`parametrizations` has the newer ones.
"""

from abc import ABC, abstractmethod

import numpy as np

from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, explain
from ...ops import matmul, moveaxis, reshape, vdot
from ...random import default_generator
from ..entry import settled
from ..functional.distances import normalize
from ..module import PARAMETER
from ..parameter import Parameter
from .parametrizations import lengths
from .parametrize import recompute


class _Recomputed(ABC):
    """A hook before each call of a module whose attribute `name` is no parameter but computed, as long as the hook is there."""

    what: str

    def __init__(self, name):
        self.name = name

    def __call__(self, module, inputs):
        """The hook before each call, which has nothing to do where the weight hangs on parameters alone."""
        return None

    @abstractmethod
    def computed(self, module):
        """The weight, from what is trained."""

    def install(self, module, trained, others):
        """Put Parameters and buffers in the place of the weight."""
        if any(type(h) is type(self) and h.name == self.name for h in (module._forward_pre_hooks or {}).values()):
            asked = f"{self.what}: {self.name!r} of {type(module).__name__} has it already"
            raise ArgumentError(explain(asked, help=f"remove_{self.what} takes it off"))
        delattr(module, self.name)
        for suffix, value in trained.items():
            module.register_parameter(f"{self.name}_{suffix}", value if isinstance(value, Parameter) else Parameter(value))
        for suffix, value in others.items():
            module.register_buffer(f"{self.name}_{suffix}", value)
        self.suffixes = [*trained, *others]
        recompute(module, self.name, self)
        module.register_forward_pre_hook(self)

    def remove(self, module):
        """Make the weight a parameter again, with the value that it has."""
        value = self.computed(module).detach()
        for suffix in self.suffixes:
            delattr(module, f"{self.name}_{suffix}")
        recompute(module, self.name, None)
        module.register_parameter(self.name, Parameter(value))


def _weight(module, name, what):
    weight = getattr(module, name, None)
    if module._kinds.get(name) != PARAMETER or weight is None:
        asked = f"{what}: {type(module).__name__} has no parameter {name!r}"
        found = ", ".join(n for n, _ in module.named_parameters(recurse=False)) or "none"
        raise ArgumentError(explain(asked, help=f"it has {found}"))
    return weight


def _removed(module, name, kind):
    for key, hook in (module._forward_pre_hooks or {}).items():
        if type(hook) is kind and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    asked = f"remove_{kind.what}: {name!r} of {type(module).__name__} has none"
    raise ArgumentError(explain(asked, help="parametrize.remove_parametrizations is for the newer form"))


class WeightNorm(_Recomputed):
    """The hook of `weight_norm`."""

    what = "weight_norm"

    def __init__(self, name, dim):
        super().__init__(name)
        self.dim = None if dim in (None, -1) else dim

    def computed(self, module):
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / lengths(v, self.dim))


class SpectralNorm(_Recomputed):
    """The hook of `spectral_norm`."""

    what = "spectral_norm"

    def __init__(self, name, n_power_iterations, dim, eps):
        super().__init__(name)
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps

    def __call__(self, module, inputs):
        if module.training:
            self._iterate(module)

    def _parts(self, module):
        return (getattr(module, f"{self.name}_{suffix}") for suffix in ("orig", "u", "v"))

    def matrix(self, weight):
        """The weight with all axes but `dim` as one."""
        return reshape(moveaxis(weight, self.dim, 0), (shape_of(weight)[self.dim], -1))

    def _unit(self, x):
        return normalize(x, dim=0, eps=self.eps)

    def _iterate(self, module):
        weight, left, right = self._parts(module)
        matrix = self.matrix(weight)
        matrix = settled(matrix, shape_of(matrix), self.what)
        u = left.detach()
        for _ in range(self.n_power_iterations):
            v = self._unit(matmul(u, matrix))
            u = self._unit(matmul(matrix, v))
        left.data, right.data = u, v

    def computed(self, module):
        weight, u, v = self._parts(module)
        return weight / vdot(u.detach(), matmul(self.matrix(weight), v.detach()))


def weight_norm(module, name="weight", dim=0):
    """Train length and direction of a weight apart: Parameters `weight_g` and `weight_v` in place of `weight`.

    The older form of `parametrizations.weight_norm`, for scripts and files that have its names; returns the module.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.utils.weight_norm(nn.Linear(2, 3))
    >>> {name: p.shape for name, p in layer.named_parameters()}
    {'bias': (3,), 'weight_g': (3, 1), 'weight_v': (3, 2)}
    """
    weight, hook = _weight(module, name, "weight_norm"), WeightNorm(name, dim)
    hook.install(module, {"g": lengths(weight.detach(), hook.dim), "v": weight.detach()}, {})
    return module


def remove_weight_norm(module, name="weight"):
    """Make a weight that `weight_norm` computes a parameter again; returns the module."""
    return _removed(module, name, WeightNorm)


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value: Parameter `weight_orig`, buffers `weight_u` and `weight_v`.

    The older form of `parametrizations.spectral_norm`, for scripts and files that have its names; returns the module. While
    training, each call does `n_power_iterations` steps of power iteration.

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.utils.spectral_norm(nn.Linear(2, 3))
    >>> list(layer.state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if n_power_iterations < 1:
        asked = "spectral_norm: n_power_iterations must be positive"
        raise ArgumentError(explain(asked, f"found: {n_power_iterations}", help="1 is usual"))
    weight = _weight(module, name, "spectral_norm")
    dim = (1 if type(module).__name__.startswith("ConvTranspose") else 0) if dim is None else dim % max(ndim_of(weight), 1)
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    starts = {}
    for suffix, size in zip(("u", "v"), shape_of(hook.matrix(weight.detach())), strict=True):
        start = np.asarray(default_generator.normal(size=size))
        starts[suffix] = (start / np.linalg.norm(start)).astype(dtype_of(weight))
    hook.install(module, {"orig": weight}, starts)
    return module


def remove_spectral_norm(module, name="weight"):
    """Make a weight that `spectral_norm` computes a parameter again; returns the module."""
    return _removed(module, name, SpectralNorm)
