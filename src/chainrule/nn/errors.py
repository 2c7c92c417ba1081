"""What only layers and losses raise."""

from ..errors import ChainruleError


class StateDictError(ChainruleError, RuntimeError, ValueError):
    """A state dict does not fit the module that it is loaded into."""


class IndexRangeError(ChainruleError, IndexError, ValueError):
    """A class label or an index into a table is out of range."""
