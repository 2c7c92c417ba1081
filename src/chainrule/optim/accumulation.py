"""Gradients of several batches in one step."""

import numpy as np

from ..errors import ArgumentError, explain
from .settings import constant


class Accumulation:
    """Lets an optimiser step once for several batches, as if they had been one: for batches that do not fit into memory.

    Parameters
    ----------
    optimizer : Optimizer
    every : batches for one step
    mean : divide losses by `every`, so that gradients are those of the mean over all batches; else of the sum

    Attributes
    ----------
    count : Tensor, the batches since the last step

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor(1.0, requires_grad=True)
    >>> accumulation = optim.Accumulation(optim.SGD([x], lr=0.5), every=2)
    >>> for target in (0.0, 1.0, 2.0):
    ...     accumulation.backward((x - target) ** 2)
    ...     print(accumulation.step(), x.item())
    False 1.0
    True 0.5
    False 0.5
    """

    def __init__(self, optimizer, every, mean=True):
        if not isinstance(every, int) or every < 1:
            raise ArgumentError(
                explain("Accumulation: every must be a positive integer", f"found: {every!r}", help="batches for one step")
            )
        self.optimizer, self.every, self.mean = optimizer, every, mean
        self.count = constant(np.int64(0))

    def backward(self, loss):
        """Add the gradients of one batch."""
        (loss / self.every if self.mean else loss).backward()

    def step(self):
        """Count a batch; with the last of them, step the optimiser and forget the gradients.

        Returns
        -------
        bool, whether that was done
        """
        if self.count.detach() + 1 < self.every:  # in a compiled program, which of both is a guard
            self.count.data = self.count.detach() + 1
            return False
        self.flush()
        return True

    def flush(self):
        """Step with what there is, for instance at the end of an epoch whose batches are not a multiple of `every`.

        With `mean`, gradients keep the weights that they have in a full step.
        """
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.count.data = np.zeros((), np.int64)
