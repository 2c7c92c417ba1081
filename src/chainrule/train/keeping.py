"""Everything that a step of training changes, and how to put it back."""

import random

import numpy as np

from ..random import Generator, default_generator
from ..tensor import Tensor
from .metrics import array


def generators_of(model, *others):
    """The default generator, those that modules of the model hold, and others, each once."""
    held = [x for module in model.modules() for x in vars(module).values()]
    found = {id(g): g for g in (default_generator, *held, *others) if isinstance(g, Generator)}
    return list(found.values())


def random_states(generators):
    """The states of these generators, and of those of NumPy and Python."""
    kind, key, *rest = np.random.get_state()
    return {
        "chainrule": [g.get_state() for g in generators],
        "numpy": (kind, key, *rest),
        "python": random.getstate(),
    }


def set_random_states(generators, states):
    """Put back what `random_states` gave."""
    for g, state in zip(generators, states["chainrule"], strict=True):
        g.set_state(state)
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])


class Keeping:
    """Copies of what a step changes: parameters, buffers, gradients, the optimiser's state, averages, generators."""

    def __init__(self, model, generators, optimizer=None, averaged=None):
        self.model, self.optimizer, self.generators = model, optimizer, generators
        self.tensors = [(p, _copy(p), None if p.grad is None else _copy(p.grad)) for p in model.parameters()]
        self.buffers = {name: _copy(b) for name, b in model.named_buffers()}
        if averaged is not None:
            more = [averaged.n_averaged, *averaged.module.parameters(), *averaged.module.buffers()]
            self.tensors += [(t, _copy(t), None) for t in more]
        if optimizer is not None:
            self.states = {p: {k: (v, _copy(v)) for k, v in s.items()} for p, s in optimizer.state.items()}
        self.random = random_states(generators)

    def grown(self):
        """Whether the optimiser has state for more parameters than it had."""
        return self.optimizer is not None and len(self.optimizer.state) > len(self.states)

    def restore(self):
        """Make everything what it was."""
        for t, value, grad in self.tensors:
            t.data = np.array(value)
            if t.requires_grad:
                t.grad = None if grad is None else np.array(grad)
        for name, b in self.model.named_buffers():
            b.data = np.array(self.buffers[name])
        if self.optimizer is not None:
            for p in [p for p in self.optimizer.state if p not in self.states]:
                del self.optimizer.state[p]
            for state in self.states.values():
                for t, value in state.values():
                    if isinstance(t, Tensor):
                        t.data = np.array(value)
        set_random_states(self.generators, self.random)


def _copy(x):
    return np.array(array(x)) if isinstance(x, Tensor) else x
