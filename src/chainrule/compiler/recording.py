"""Expressions of a kernel that is being put together: they remember what they unrolled."""

from ..core.graph import Var
from .fused import NotAffine
from .pooling import Pooling


class Recording(Pooling):
    """Expressions that remember which variables they have unrolled, and which variable each fold is."""

    def __init__(self, makers, stored, native):
        super().__init__(makers, stored, native)
        self.expanded: dict = {}
        self.origin: dict = {}

    def mark(self):
        """How many expressions there are now, for `back_to`."""
        return [len(entries) for entries in self._entries()]

    def back_to(self, mark):
        """Forget what was added since."""
        for entries, n in zip(self._entries(), mark, strict=True):
            while len(entries) > n:
                entries.popitem()

    def _entries(self):
        return self.table, self.drawn, self.fold_axes, self.known, self.inside, self.expanded, self.origin

    def step(self, step, var, index):
        """The element at `index` of a variable that this kernel computes."""
        method = self.method(step)
        if method is None:
            raise NotAffine
        node = method(step, index)
        self.origin.setdefault(node.id, var)
        return node

    def at(self, operand, index):
        node = super().at(operand, index)
        if isinstance(operand, Var) and operand.id not in self.stored and operand.id not in self.inside:
            self.expanded.setdefault(operand.id, node)
            self.origin.setdefault(node.id, operand)
        return node


class Probe(Recording):
    """Finds out at which index a variable is read."""

    def __init__(self, makers, stored, native, var):
        super().__init__(makers, stored, native)
        self.var = var
        self.found_at: set = set()

    def at(self, operand, index):
        if isinstance(operand, Var) and operand.id == self.var.id:
            self.found_at.add(tuple(index))
            return self.number(1.0)
        return super().at(operand, index)
