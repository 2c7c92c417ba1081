"""Pruning: parameters with some entries held at zero, as PyTorch's `nn.utils.prune` writes it.

A parameter `weight` becomes the product of the Parameter `weight_orig` and the buffer `weight_mask`, computed at each use.
"""

from abc import ABC, abstractmethod

import numpy as np

from ...errors import ArgumentError, ShapeError, explain
from ...random import default_generator
from ...tensor import Tensor
from .parametrize import recompute

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


def _numbers(x):
    """The values of a Tensor or array, in which importance is ranked: nothing is differentiated here."""
    return np.array(x.detach() if isinstance(x, Tensor) else x)


def _checked(amount):
    """An amount of entries: a number of them, or a part of all."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.integer, np.floating)):
        raise ArgumentError(explain("prune: amount is a number", f"found: {type(amount).__name__}", help="0.3, or 20"))
    whole = isinstance(amount, (int, np.integer))
    if amount < 0 or (not whole and amount > 1):
        asked = "prune: amount is a part between 0 and 1, or a number of entries"
        raise ArgumentError(explain(asked, f"found: {amount}", help="0.3 prunes three in ten, 20 prunes twenty"))
    return int(amount) if whole else float(amount)


def _count(amount, size):
    """How many of `size` entries to prune."""
    if isinstance(amount, float):
        return round(amount * size)
    if amount > size:
        raise ArgumentError(explain("prune: more than there is", f"asked: {amount}    left: {size}", help="ask for fewer"))
    return amount


class BasePruningMethod(ABC):
    """A rule that says which entries of a parameter to hold at zero: subclasses define `compute_mask` and PRUNING_TYPE.

    PRUNING_TYPE is "unstructured" if single entries are chosen, "structured" if slices along an axis `dim` are, "global" if
    the method is for several parameters at once. Pruning a parameter again chooses among what is left.
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module, inputs):
        """The hook before each call, by which the method is found; the parameter is computed at each use."""
        return None

    def computed(self, module):
        """The parameter as it is used."""
        return self.apply_mask(module)

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """The mask, of ones and zeros, for these importance scores, given what is pruned already."""

    def apply_mask(self, module):
        """The product of mask and original."""
        name = self._tensor_name
        original = getattr(module, f"{name}_orig")
        return getattr(module, f"{name}_mask").to(original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune parameter `name` of a module; further arguments are those of the class. Returns the method in place."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        key, old = _hook_of(module, name)
        original = getattr(module, f"{name}_orig" if old else name)
        scores = original if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(original.shape):
            asked = "prune: importance_scores must have the shape of the parameter"
            found = f"{name}: {original.shape}    scores: {tuple(scores.shape)}"
            raise ShapeError(explain(asked, found, help="one for each entry"))
        if old is None:
            mask = np.ones(original.shape, original.dtype)
            placed = method
        else:
            del module._forward_pre_hooks[key]
            mask = _numbers(getattr(module, f"{name}_mask"))
            placed = old if isinstance(old, PruningContainer) else PruningContainer(old)
            placed.add_pruning_method(method)
        mask = np.asarray(_numbers(placed.compute_mask(_numbers(scores), mask)), original.dtype)
        if old is None:
            delattr(module, name)
            module.register_parameter(f"{name}_orig", original)
            module.register_buffer(f"{name}_mask", mask)
        else:
            module.register_buffer(f"{name}_mask", mask)
        recompute(module, name, placed)
        module.register_forward_pre_hook(placed)
        return placed

    def prune(self, t, default_mask=None, importance_scores=None):
        """`t` with what this method chooses at zero.

        >>> from chainrule.nn.utils import prune
        >>> prune.L1Unstructured(2).prune(np.array([3.0, -1.0, 2.0]))
        array([ 3., -0.,  0.])
        """
        scores = _numbers(t if importance_scores is None else importance_scores)
        mask = np.ones(scores.shape, scores.dtype) if default_mask is None else _numbers(default_mask)
        return t * _numbers(self.compute_mask(scores, mask)).astype(t.dtype)

    def remove(self, module):
        """Make the parameter an ordinary one, with zeros where it was pruned."""
        name = self._tensor_name
        original = getattr(module, f"{name}_orig")
        value = self.apply_mask(module).detach()
        recompute(module, name, None)
        delattr(module, f"{name}_orig")
        delattr(module, f"{name}_mask")
        original.data = value
        module.register_parameter(name, original)


class PruningContainer(BasePruningMethod):
    """Several methods for one parameter, one after the other."""

    PRUNING_TYPE = "container"

    def __init__(self, *methods):
        self._pruning_methods: tuple = ()
        for method in methods[0] if len(methods) == 1 and not isinstance(methods[0], BasePruningMethod) else methods:
            if not self._pruning_methods:
                self._tensor_name = method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Put a further method behind those that are here."""
        if not isinstance(method, BasePruningMethod):
            asked = "PruningContainer holds pruning methods"
            raise ArgumentError(explain(asked, f"found: {type(method).__name__}", help="for example prune.L1Unstructured(0.3)"))
        if method._tensor_name != self._tensor_name:
            asked = "PruningContainer: all methods are for one parameter"
            raise ArgumentError(explain(asked, f"found: {self._tensor_name!r}, {method._tensor_name!r}", help="make another"))
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, index):
        return self._pruning_methods[index]

    def compute_mask(self, t, default_mask):
        """What the last method chooses among the entries that are left."""
        method = self._pruning_methods[-1]
        left = default_mask == 1
        if method.PRUNING_TYPE == "structured":
            axis = method.dim % t.ndim
            kept = left.any(axis=tuple(i for i in range(t.ndim) if i != axis))
            place = (slice(None),) * axis + (kept,)
        elif method.PRUNING_TYPE == "unstructured":
            place = (left,)
        elif method.PRUNING_TYPE == "global":
            place = (slice(None),) * t.ndim
        else:
            asked = f"{type(method).__name__}.PRUNING_TYPE must be 'unstructured', 'structured' or 'global'"
            raise ArgumentError(explain(asked, f"found: {method.PRUNING_TYPE!r}", help="say what compute_mask chooses"))
        mask = np.array(default_mask)
        mask[place] = _numbers(method.compute_mask(t[place], default_mask[place]))
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing, but gives the parameter a mask."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask


class _Unstructured(BasePruningMethod):
    """A number of single entries, or a part of all."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        self.amount = _checked(amount)

    @abstractmethod
    def _chosen(self, scores, count):
        """Indices of the entries to prune."""

    def compute_mask(self, t, default_mask):
        mask = np.array(default_mask)
        count = _count(self.amount, t.size)
        mask.reshape(-1)[self._chosen(_numbers(t).reshape(-1), count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Entries drawn by chance."""

    def _chosen(self, scores, count):
        return np.asarray(default_generator.permutation(scores.size))[:count]


class L1Unstructured(_Unstructured):
    """The smallest entries, in absolute value."""

    def _chosen(self, scores, count):
        return np.argsort(np.abs(scores), kind="stable")[:count]


class _Structured(BasePruningMethod):
    """A number of slices along the axis `dim`, or a part of all."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        self.amount, self.dim = _checked(amount), dim

    @abstractmethod
    def _chosen(self, scores, axis, count):
        """Indices along the axis of the slices to prune."""

    def compute_mask(self, t, default_mask):
        if t.ndim < 2 or not -t.ndim <= self.dim < t.ndim:
            asked = f"{type(self).__name__} prunes along an axis of an array with at least two"
            raise ArgumentError(explain(asked, f"shape: {t.shape}    dim: {self.dim}", help="l1_unstructured prunes vectors"))
        axis = self.dim % t.ndim
        mask = np.array(default_mask)
        mask[(slice(None),) * axis + (self._chosen(_numbers(t), axis, _count(self.amount, t.shape[axis])),)] = 0
        return mask


class RandomStructured(_Structured):
    """Slices drawn by chance."""

    def _chosen(self, scores, axis, count):
        return np.asarray(default_generator.permutation(scores.shape[axis]))[:count]


class LnStructured(_Structured):
    """The slices whose n-norm is smallest; `n` as for `linalg.vector_norm`, or 'fro', or 'nuc' of matrices."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _chosen(self, scores, axis, count):
        slices = np.moveaxis(scores, axis, 0)
        if self.n == "nuc":
            sizes = np.linalg.norm(slices, "nuc", axis=(1, 2))
        else:
            sizes = np.linalg.norm(slices.reshape(len(slices), -1), 2 if self.n == "fro" else self.n, axis=1)
        return np.argsort(sizes, kind="stable")[:count]


class CustomFromMask(BasePruningMethod):
    """Entries that a mask of the user's has zeros for."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        return np.asarray(default_mask) * _numbers(self.mask).astype(default_mask.dtype)


def _hook_of(module, name):
    """(key, method) of what prunes a parameter; (None, None) if nothing does."""
    for key, hook in (module._forward_pre_hooks or {}).items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


def identity(module, name):
    """Give a parameter a mask of ones, as if it were pruned; returns the module."""
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Hold entries of a parameter at zero that are drawn by chance: a number of them, or a part of all; returns the module."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Hold the smallest entries of a parameter, in absolute value, at zero.

    Parameters
    ----------
    module, name : the parameter
    amount : how many, or which part of all
    importance_scores : array of its shape, to rank by in place of the values

    Returns
    -------
    module, whose parameter is `name_orig` now, with the buffer `name_mask`; `name` is their product

    Examples
    --------
    >>> from chainrule import nn
    >>> layer = nn.Linear(4, 1)
    >>> layer.weight.data = [[1.0, -3.0, 2.0, -0.5]]
    >>> nn.utils.prune.l1_unstructured(layer, "weight", 0.5).weight.tolist()
    [[0.0, -3.0, 2.0, -0.0]]
    >>> list(layer.state_dict())
    ['bias', 'weight_orig', 'weight_mask']
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Hold slices of a parameter along the axis `dim` at zero that are drawn by chance; returns the module."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Hold those slices of a parameter along the axis `dim` at zero whose n-norm is smallest; returns the module."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module, name, mask):
    """Hold the entries of a parameter at zero for which `mask` is zero; returns the module."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prune several parameters at once, with one ranking of all their entries.

    Parameters
    ----------
    parameters : pairs of module and name
    pruning_method : class of a method that chooses single entries, such as `L1Unstructured`
    importance_scores : dict of arrays by pair, to rank by in place of the values
    kwargs : arguments of the class, such as `amount`

    Examples
    --------
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    >>> pairs = [(model[0], "weight"), (model[1], "weight")]
    >>> nn.utils.prune.global_unstructured(pairs, nn.utils.prune.L1Unstructured, amount=0.25)
    >>> sum(int((layer.weight == 0).sum()) for layer, _ in pairs)
    8
    """
    parameters, importance_scores = list(parameters), importance_scores or {}
    if pruning_method.PRUNING_TYPE != "unstructured":
        asked = "global_unstructured needs a method that chooses single entries"
        raise ArgumentError(explain(asked, f"found: {pruning_method.__name__}", help="for example prune.L1Unstructured"))
    values = [getattr(module, name) for module, name in parameters]
    scores = [importance_scores.get(pair, value) for pair, value in zip(parameters, values, strict=True)]
    masks = [getattr(module, f"{name}_mask", np.ones(v.shape)) for (module, name), v in zip(parameters, values, strict=True)]
    whole, before = (np.concatenate([_numbers(x).reshape(-1) for x in xs]) for xs in (scores, masks))
    method = pruning_method(**kwargs)
    method._tensor_name = "all"
    container = PruningContainer(method)
    after, start = container.compute_mask(whole, before), 0
    for (module, name), value in zip(parameters, values, strict=True):
        custom_from_mask(module, name, after[start : start + value.size].reshape(value.shape))
        start += value.size


def is_pruned(module):
    """Whether any parameter of the module, or of those below it, is pruned."""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules() for hook in (m._forward_pre_hooks or {}).values())


def remove(module, name):
    """Make a pruned parameter an ordinary one, with zeros for good where it was pruned; returns the module.

    >>> from chainrule import nn
    >>> layer = nn.utils.prune.identity(nn.Linear(2, 1), "weight")
    >>> list(nn.utils.prune.remove(layer, "weight").state_dict())
    ['bias', 'weight']
    """
    key, method = _hook_of(module, name)
    if method is None:
        asked = f"prune.remove: parameter {name!r} of {type(module).__name__} is not pruned"
        raise ArgumentError(explain(asked, help="prune it first, or ask is_pruned(module)"))
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module
