"""PyTorch's places of the base classes of modules, for scripts that import these from there."""

from . import batchnorm as batchnorm, container as container, loss as loss, module as module, utils as utils
