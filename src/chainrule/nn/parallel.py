"""PyTorch's wrapper for several devices, of which there is one here."""

from ..devices import on_cpu
from .module import Module


class DataParallel(Module):
    """The module itself under the name `module`, as PyTorch's on a machine without a GPU: for scripts and state dicts.

    Parameters
    ----------
    module : Module
    device_ids, output_device : None or the CPU
    dim : accepted for PyTorch's sake

    >>> from chainrule import nn
    >>> list(nn.DataParallel(nn.Linear(1, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        for device in [output_device, *(device_ids or ())]:
            on_cpu(device)
        self.module, self.device_ids, self.dim = module, [], dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
