"""State dicts: the values of a model by name, to save or to load, and the hooks that are called on the way."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.changes import HookHandle, Noted
from ..core.value import shape_of
from ..errors import explain
from .errors import StateDictError

PARAMETER, BUFFER = "parameter", "buffer"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: the names that it did not find, and those that it has no place for."""

    missing_keys: list
    unexpected_keys: list


class StateDicts:
    """The part of a Module that gives its values by name, and takes them."""

    _saving_hooks: dict[HookHandle, Callable] | None = None
    _loading_hooks: dict[HookHandle, Callable] | None = None
    _loaded_hooks: dict[HookHandle, Callable] | None = None
    modules: Any
    named_modules: Any
    _named: Any

    def _hook(self, which, hook):
        if getattr(self, which) is None:
            setattr(self, which, Noted())
        return HookHandle(getattr(self, which), hook)

    def state_dict(self, *, prefix=""):
        """The values of all parameters and persistent buffers by path: a snapshot, to save or to load elsewhere.

        >>> from chainrule import nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        found = {prefix + path: value.detach() for path, value in self._named((PARAMETER, BUFFER), "", True, False)}
        for path, module in self.named_modules():
            for hook in list((module._saving_hooks or {}).values()):
                hook(module, found, f"{prefix}{path}." if path else prefix, {})
        return found

    def register_state_dict_post_hook(self, hook):
        """Call `hook(module, state_dict, prefix, {})` after `state_dict`, to change its result: its names begin with `prefix`.

        Returns a handle whose `remove()` takes the hook off again.

        >>> from chainrule import nn
        >>> layer = nn.Linear(2, 3)
        >>> handle = layer.register_state_dict_post_hook(lambda module, found, prefix, local: found.pop(prefix + "bias"))
        >>> list(layer.state_dict())
        ['weight']
        """
        return self._hook("_saving_hooks", hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Call `hook(module, state_dict, prefix, {}, strict, missing, unexpected, errors)` before `load_state_dict` looks.

        `state_dict` is a copy that may be changed: names of this module begin with `prefix`. The last three are lists that the
        hook may add to; errors are raised. Returns a handle whose `remove()` takes the hook off again.

        >>> from chainrule import nn
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> def renamed(module, found, prefix, *rest):
        ...     found[prefix + "weight"] = found.pop(prefix + "w")
        >>> handle = layer.register_load_state_dict_pre_hook(renamed)
        >>> layer.load_state_dict({"w": np.ones((1, 1))})
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        """
        return self._hook("_loading_hooks", hook)

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` after `load_state_dict`.

        Returns a handle whose `remove()` takes the hook off again.

        >>> from chainrule import nn
        >>> layer, seen = nn.Linear(1, 1, bias=False), []
        >>> handle = layer.register_load_state_dict_post_hook(lambda module, keys: seen.append(keys.missing_keys))
        >>> layer.load_state_dict({}, strict=False).missing_keys, seen
        (['weight'], [['weight']])
        """
        return self._hook("_loaded_hooks", hook)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        """PyTorch's older form of the hook, which is called without the module."""
        called = hook if with_module else lambda module, *args: hook(*args)
        return self.register_load_state_dict_pre_hook(called)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        """What classes override to change names or values before they are looked at; nothing is assigned here."""
        for hook in list((self._loading_hooks or {}).values()):
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def load_state_dict(self, state_dict, strict=True):
        """Take over the values of a state dict, cast to the dtypes here.

        Parameters
        ----------
        state_dict : mapping of paths to arrays or Tensors
        strict : every path must be found, and no others; otherwise the rest is left as it is

        Returns
        -------
        (missing_keys, unexpected_keys)

        Raises
        ------
        StateDictError
            Names or shapes do not fit: all of them are listed, and nothing has been changed.

        Examples
        --------
        >>> from chainrule import nn
        >>> a, b = nn.Linear(2, 3), nn.Linear(2, 3)
        >>> b.load_state_dict(a.state_dict())
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> bool((a.weight == b.weight).all())
        True
        """
        state_dict = dict(state_dict)
        added: list[str] = []
        others: list[str] = []
        errors: list[str] = []
        for path, module in self.named_modules():
            prefix = f"{path}." if path else ""
            module._load_from_state_dict(state_dict, prefix, {}, strict, added, others, errors)
            module._expect(state_dict, prefix)
        places = dict(self._named((PARAMETER, BUFFER), "", True, False))
        missing = [k for k in places if k not in state_dict] + added
        unexpected = [k for k in state_dict if k not in places] + others
        shapes = {k: (t.shape, shape_of(state_dict[k])) for k, t in places.items() if k in state_dict}
        misshaped = [f"{k}: expected {here}, found {there}" for k, (here, there) in shapes.items() if here != there]
        found = [
            f"{what}: {', '.join(names)}"
            for what, names in (("missing", missing), ("unexpected", unexpected))
            if names and strict
        ]
        found += errors
        if found or misshaped:
            raise StateDictError(
                explain(
                    f"{type(self).__name__}.load_state_dict: the state dict does not fit",
                    *found,
                    *(f"wrong shape: {line}" for line in misshaped),
                    help="build the model with the sizes that were saved"
                    + ("; strict=False skips names that do not match" if found else ""),
                )
            )
        for name in shapes:
            places[name].data = state_dict[name]
        result = IncompatibleKeys(missing, unexpected)
        for module in self.modules():
            for hook in list((module._loaded_hooks or {}).values()):
                hook(module, result)
        return result

    def _expect(self, state_dict, prefix):
        """Layers that wait for their sizes take them from a state dict that is about to be loaded."""
