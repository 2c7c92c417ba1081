"""Every test of a layer runs twice: as it stands, and with each call of a Module as a compiled program."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.core.dispatch import state
from chainrule.core.value import Value
from chainrule.trees import flatten


@pytest.fixture(params=["eager", pytest.param("compiled", marks=pytest.mark.slow)], autouse=True)
def way(request, monkeypatch):
    """How Modules run in this test."""
    if request.param == "compiled":
        monkeypatch.setattr(nn.Module, "__call__", _compiled(nn.Module.__call__))
    return request.param


def _compiled(call):
    """A `Module.__call__` that records the outermost call, undoes what it changed, and runs the program in its place."""
    run = cr.compile(call)

    def compiled_call(self, *args, **kwargs):
        leaves = flatten((self, args, kwargs))[0]
        traced = any(isinstance(x, Value) and (x.owner.level or isinstance(x.value, Value)) for x in leaves)
        kept = any(isinstance(x, nn.KeyValueCache) for x in leaves)  # what a call leaves there, no program makes again
        if state.recorder is not None or state.abstract or state.scopes or traced or kept:
            return run(self, *args, **kwargs)
        before = [(b, np.array(b.value)) for b in self.buffers()]
        random = cr.random.get_rng_state()
        run(self, *args, **kwargs)
        for buffer, value in before:
            buffer.value = value
        cr.random.set_rng_state(random)
        recorded = len(run.calls)
        out = run(self, *args, **kwargs)
        assert len(run.calls) == recorded, "the program does not hold for the same call"
        return out

    return compiled_call


@pytest.fixture
def data():
    """Inputs and targets for the models of `module_tools`."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
