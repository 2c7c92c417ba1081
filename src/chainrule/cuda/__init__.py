"""What scripts ask of PyTorch's module of this name: there is no GPU here."""

from . import amp as amp

__all__ = [
    "device_count", "empty_cache", "is_available", "is_bf16_supported", "manual_seed", "manual_seed_all",
    "max_memory_allocated", "memory_allocated", "reset_peak_memory_stats", "synchronize",
]  # fmt: skip


def is_available():
    """False.

    >>> import chainrule as cr
    >>> "cuda" if cr.cuda.is_available() else "cpu"
    'cpu'
    """
    return False


is_bf16_supported = is_available


def device_count():
    """0."""
    return 0


memory_allocated = max_memory_allocated = lambda device=None: 0
synchronize = reset_peak_memory_stats = lambda device=None: None


def empty_cache():
    """Of no effect."""


def manual_seed(seed):
    """Of no effect: the generator of the CPU is seeded by `chainrule.manual_seed`."""


manual_seed_all = manual_seed
