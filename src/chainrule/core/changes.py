"""A count of changes to settings that compiled programs depend on, so that they need not look for changes at each call."""

LENGTH = object()  # as the key of a place: how many there are


class _Changes:
    __slots__ = ("count",)

    def __init__(self):
        self.count = 0

    def note(self):
        self.count += 1


changes = _Changes()


def _noting(name):
    method = getattr(dict, name)

    def noted(self, *args, **kwargs):
        changes.note()
        return method(self, *args, **kwargs)

    noted.__name__ = name
    return noted


class Noted(dict):
    """A dict that tells of its changes: to which keys, and what they stand for."""


for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Noted, _name, _noting(_name))


class HookHandle:
    """Puts a hook into a dict of them, and takes it off again; as a context manager, at the end."""

    def __init__(self, hooks, hook, first=False, key=None):
        self.hooks, self.key = hooks, self if key is None else key
        others = list(hooks.items()) if first else []
        hooks[self.key] = hook
        for key, other in others:  # behind this one
            del hooks[key]
            hooks[key] = other

    def remove(self):
        self.hooks.pop(self.key, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()
