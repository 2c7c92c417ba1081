"""PyTorch's `torch.amp` for scripts that use it with a GPU: here there is none, so precision stays what the Tensors have."""

import functools

import numpy as np

from .errors import UnsupportedError, explain

__all__ = ["GradScaler", "autocast"]


class autocast:
    """Context manager and decorator without effect, as PyTorch's is for a device that is not there.

    Parameters
    ----------
    device_type : str
    dtype : float32 or float64 for the CPU
    enabled, cache_enabled : whether it would have an effect

    Raises
    ------
    UnsupportedError
        A lower precision is asked for on the CPU.

    Examples
    --------
    >>> import chainrule as cr
    >>> with cr.amp.autocast("cuda"):
    ...     y = cr.ones(2) * 2
    >>> y.dtype
    dtype('float64')
    """

    def __init__(self, device_type="cuda", dtype=None, enabled=True, cache_enabled=None):
        wide = dtype is not None and np.dtype(dtype).itemsize >= 4
        if enabled and str(device_type).startswith("cpu") and not wide:
            raise UnsupportedError(
                explain(
                    "autocast on the CPU: there is no bfloat16 here", help="enabled=False, or cast with x.half() where it helps"
                )
            )
        self.device_type, self.dtype, self.enabled = device_type, dtype, enabled

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def __call__(self, f):
        @functools.wraps(f)
        def inside(*args, **kwargs):
            with self:
                return f(*args, **kwargs)

        return inside


class GradScaler:
    """Scales nothing, as PyTorch's does without a GPU: float32 needs no scale.

    >>> import chainrule as cr
    >>> scaler = cr.amp.GradScaler()
    >>> scaler.scale(cr.tensor(2.0))
    tensor(2.)
    """

    def __init__(
        self, device="cuda", init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True
    ):
        pass

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        pass

    def get_scale(self):
        return 1.0

    def is_enabled(self):
        return False

    def state_dict(self):
        return {}

    def load_state_dict(self, state_dict):
        pass
