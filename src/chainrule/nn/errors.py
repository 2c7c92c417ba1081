"""What only layers and losses raise, and where in a model something was raised."""

from ..errors import ArgumentError, ChainruleError, ShapeError, UnsupportedError


class StateDictError(ChainruleError, RuntimeError, ValueError):
    """A state dict does not fit the module that it is loaded into."""


class IndexRangeError(ChainruleError, IndexError, ValueError):
    """A class label or an index into a table is out of range."""


class MissingNameError(ChainruleError, AttributeError):
    """A module has no part of this name."""


# Errors that say more with the place in the module tree where they were raised.
LOCATED = (ShapeError, IndexRangeError, ArgumentError, UnsupportedError)


def locate(error, module):
    """Add to an error on its way out through `module` where below it came from: called by one module after the other."""
    place = error.__dict__.get("_place")
    if place is None:
        error._place = (module, "", str(error))
        return
    below, path, text = place
    name = next((name for name, m in module.named_modules() if m is below), "")
    if not name:
        return  # a part that is not registered, or a module that calls itself
    path = f"{name}.{path}" if path else name
    error._place = (module, path, text)
    asked, line, help = text.partition("\n  help:")
    error.args = (f"{asked}\n  in: {path} of {type(module).__name__}{line}{help}",)
