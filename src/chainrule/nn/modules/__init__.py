"""PyTorch's places of modules and their base classes, for scripts that import these from there."""

import importlib

from . import (
    activation as activation,
    batchnorm as batchnorm,
    container as container,
    conv as conv,
    dropout as dropout,
    instancenorm as instancenorm,
    linear as linear,
    loss as loss,
    module as module,
    normalization as normalization,
    rnn as rnn,
    sparse as sparse,
    transformer as transformer,
    utils as utils,
)


def __getattr__(name):
    layers = importlib.import_module(__package__.rpartition(".")[0])
    if name.startswith("_") or name not in layers.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(layers, name)
