"""Parameters that are computed from others each time they are used, such as a matrix from its direction and its length."""

import contextlib
import functools

from ...errors import ArgumentError, ShapeError, explain
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import BUFFER, PARAMETER, PASSING_BUFFER
from ..parameter import Parameter


class ParametrizationList(ModuleList):
    """Modules one after the other that compute a parameter from `original`, or from `original0`, `original1`, ...

    What `register_parametrization` puts at `module.parametrizations[name]`.
    """

    def __init__(self, modules, original):
        super().__init__(modules)
        shape, trained = original.shape, isinstance(original, Parameter)
        originals = original.detach()
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                originals = module.right_inverse(originals)
        self.several = isinstance(originals, (tuple, list))
        self.names = [f"original{i}" for i in range(len(originals))] if self.several else ["original"]
        for name, part in zip(self.names, originals if self.several else [originals], strict=True):
            if trained:
                self.register_parameter(name, Parameter(part, requires_grad=original.requires_grad))
            else:
                self.register_buffer(name, part)
        _check_shape(self(), shape, self)

    def forward(self):
        first, *rest = self
        value = first(*(getattr(self, name) for name in self.names))
        for module in rest:
            value = module(value)
        return value

    def right_inverse(self, value):
        """Change the originals so that they give this value."""
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                raise ArgumentError(
                    explain(
                        f"{type(module).__name__} cannot be assigned to: it has no right_inverse",
                        help="define right_inverse(self, value), which gives what forward takes",
                    )
                )
            value = module.right_inverse(value)
        for name, part in zip(self.names, value if self.several else [value], strict=True):
            getattr(self, name).data = part


def _check_shape(value, shape, module):
    if tuple(value.shape) != tuple(shape):
        raise ShapeError(
            explain(
                f"{type(module).__name__}: a parametrization must keep the shape",
                f"expected: {tuple(shape)}    found: {tuple(value.shape)}",
                help="forward(right_inverse(x)) must have the shape of x",
            )
        )


_kept: list = []  # values that are in use while `cached` holds: (module, name) -> value


@contextlib.contextmanager
def cached():
    """A context in which each computed parameter is computed once, however often it is used.

    >>> from chainrule import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> with nn.utils.parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    if _kept:
        yield
        return
    _kept.append({})
    try:
        yield
    finally:
        _kept.clear()


def type_before_parametrizations(module):
    """The class of a module without what `register_parametrization` made of it."""
    return getattr(type(module), "_base", type(module))


def _computed(name):
    def get(self):
        hook = self.__dict__.get("_recomputed", {}).get(name)
        if hook is not None:
            return hook.computed(self)
        if not _kept:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _kept[0]:
            _kept[0][key] = self, self.parametrizations[name]()  # the module too, so that its id is not used again
        return _kept[0][key][1]

    def assign(self, value):
        if name in self.__dict__.get("_recomputed", {}):
            asked = f"{type(self)._base.__name__}.{name} is computed from other parameters and cannot be assigned to"
            raise ArgumentError(explain(asked, help="assign to those, or remove the pruning or the norm first"))
        if _kept:
            _kept[0].pop((id(self), name), None)
        self.parametrizations[name].right_inverse(value.detach() if isinstance(value, Tensor) else value)

    return property(get, assign)


@functools.cache
def _parametrized(base, names):
    """The class `base` with properties of these names. One for all modules, so that their trees are alike."""
    properties: dict = {name: _computed(name) for name in names}
    properties["__reduce_ex__"] = lambda self, protocol: (_empty, (base, names), self.__dict__)
    return type(f"Parametrized{base.__name__}", (base,), {**properties, "_base": base})


def _empty(base, names):
    """What copies and unpickled modules begin with."""
    return object.__new__(_parametrized(base, names))


def _become(module):
    base: type = getattr(type(module), "_base", type(module))
    names = (*module.__dict__.get("parametrizations", ()), *module.__dict__.get("_recomputed", ()))
    object.__setattr__(module, "__class__", _parametrized(base, names) if names else base)


def recompute(module, name, hook):
    """Let `hook.computed(module)` be the attribute of this name, at each use; None for an ordinary attribute again."""
    others = {n: h for n, h in module.__dict__.get("_recomputed", {}).items() if n != name}
    module._recomputed = others if hook is None else {**others, name: hook}
    if not module._recomputed:
        del module._recomputed
    _become(module)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Compute a parameter of a module with another module each time it is used; what it is computed from is trained instead.

    Parameters
    ----------
    module : Module
    tensor_name : name of its parameter or buffer
    parametrization : Module that computes the value from one or several arrays. With a method `right_inverse`, which gives
        these for a value, the first value is kept and can be assigned
    unsafe : accepted for PyTorch's sake

    Returns
    -------
    module, whose class has a property `tensor_name` now

    Raises
    ------
    ArgumentError
        There is no such parameter.
    ShapeError
        The value computed has another shape.

    Examples
    --------
    >>> from chainrule import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return (x + x.T) / 2
    >>> layer = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    if is_parametrized(module, tensor_name):
        known = module.parametrizations[tensor_name]
        shape = module.parametrizations[tensor_name]().shape
        known.append(parametrization)
        _check_shape(known(), shape, parametrization)
        return module
    if module._kinds.get(tensor_name) not in (PARAMETER, BUFFER, PASSING_BUFFER) or getattr(module, tensor_name) is None:
        raise ArgumentError(
            explain(
                f"{type(module).__name__} has no parameter or buffer {tensor_name!r}",
                help=f"it has {', '.join(name for name, _ in module.named_parameters(recurse=False)) or 'none'}",
            )
        )
    computed = ParametrizationList([parametrization], getattr(module, tensor_name))
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = computed
    _become(module)
    return module


def is_parametrized(module, tensor_name=None):
    """Whether any parameter of the module, or this one, is computed by `register_parametrization`."""
    known = module.__dict__.get("parametrizations")
    return known is not None and (tensor_name is None or tensor_name in known)


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make a computed parameter an ordinary one again, with the value that it has, or with False its original's.

    >>> from chainrule import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> nn.utils.parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=3, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(
            explain(f"{tensor_name!r} of {type(module).__name__} is not parametrized", help="nothing to remove")
        )
    computed = module.parametrizations[tensor_name]
    if not leave_parametrized and computed.several:
        raise ArgumentError(
            explain("several originals cannot take the place of one parameter", help="leave_parametrized=True keeps the value")
        )
    value = computed() if leave_parametrized else computed.original
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    _become(module)
    if next(computed.parameters(recurse=False), None) is None:
        module.register_buffer(tensor_name, value.detach())
    else:
        module.register_parameter(tensor_name, Parameter(value.detach()))
    return module
