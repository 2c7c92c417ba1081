"""What PyTorch's scripts ask for besides numbers: kinds of memory, threads, repeatability. Most has one answer here."""

from types import SimpleNamespace

import numpy as np

from ..creation import tensor
from ..devices import device as device, on_cpu
from ..errors import UnsupportedError, explain
from ..random import default_generator as default_generator

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "are_deterministic_algorithms_enabled", "backends", "bfloat16", "channels_last", "channels_last_3d",
    "contiguous_format", "default_generator", "device", "dtype", "get_default_device", "get_float32_matmul_precision",
    "get_num_interop_threads", "initial_seed", "is_autocast_enabled", "layout", "memory_format", "preserve_format", "seed",
    "set_default_device", "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads", "strided",
    "use_deterministic_algorithms",
]  # fmt: skip

dtype = np.dtype


class layout(str):
    """How the elements of a Tensor lie in memory; there is one, `strided`."""


class memory_format(str):
    """An order of axes in memory; it has no effect here."""


strided = layout("chainrule.strided")
bfloat16 = "bfloat16"  # a dtype that can be named, to ask for it; NumPy has none, so that using it raises
contiguous_format, preserve_format = memory_format("chainrule.contiguous_format"), memory_format("chainrule.preserve_format")
channels_last, channels_last_3d = memory_format("chainrule.channels_last"), memory_format("chainrule.channels_last_3d")


def _typed(kind):
    def make(*args):
        """A Tensor of this dtype, from data or, filled with zeros, of a shape given as ints."""
        if all(isinstance(a, int) for a in args):
            return tensor(np.zeros(args, kind))
        return tensor(args[0], dtype=kind)

    make.kind = kind  # type: ignore[attr-defined]
    return make


FloatTensor, DoubleTensor, HalfTensor = _typed(np.float32), _typed(np.float64), _typed(np.float16)
LongTensor, IntTensor, ShortTensor = _typed(np.int64), _typed(np.int32), _typed(np.int16)
ByteTensor, CharTensor, BoolTensor = _typed(np.uint8), _typed(np.int8), _typed(np.bool_)


def get_default_device():
    """The CPU.

    >>> import chainrule as cr
    >>> cr.get_default_device()
    'cpu'
    """
    return device()


def set_default_device(new):
    """Accept the CPU; any other device raises.

    >>> import chainrule as cr
    >>> cr.set_default_device("cpu")
    """
    on_cpu(new)


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Of no effect: seeds give the same numbers in any case."""


def are_deterministic_algorithms_enabled():
    """True."""
    return True


def set_float32_matmul_precision(precision):
    """Of no effect: float32 is multiplied in float32."""
    if precision not in ("highest", "high", "medium"):
        raise UnsupportedError(explain(f"precision {precision!r}", help="'highest', 'high' or 'medium'"))


def get_float32_matmul_precision():
    """'highest'."""
    return "highest"


def initial_seed():
    """The seed that the default generator started from."""
    return default_generator.initial_seed()


def is_autocast_enabled(device_type="cpu"):
    """False: see `chainrule.amp`."""
    return False


def _unavailable(**settings):
    return SimpleNamespace(is_available=lambda: False, is_built=lambda: False, enabled=False, **settings)


# Settings that scripts write; nothing reads them.
backends = SimpleNamespace(
    cudnn=_unavailable(benchmark=False, deterministic=True, allow_tf32=False, version=lambda: None),
    cuda=_unavailable(matmul=SimpleNamespace(allow_tf32=False), enable_flash_sdp=lambda on: None),
    mps=_unavailable(),
    mkldnn=_unavailable(),
    mkl=_unavailable(),
)


def seed():
    """Start the default generator from a number that is new each time; returns it."""
    return default_generator.seed()


def get_num_interop_threads():
    """1: operations run one after the other."""
    return 1


def set_num_interop_threads(n):
    """Of no effect; see `set_num_threads`."""


def set_flush_denormal(mode):
    """Of no effect, which it says by returning False."""
    return False
