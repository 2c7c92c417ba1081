"""The device: the CPU, which is the only one. Others can be named, as the defaults of programs do, but not used."""

from .errors import ArgumentError, UnsupportedError, explain

KINDS = ("cpu", "cuda", "hip", "hpu", "meta", "mps", "mtia", "vulkan", "xla", "xpu")


class device(str):
    """A string with PyTorch's attributes `type` and `index`. Whatever computes raises for any device but the CPU.

    >>> import chainrule as cr
    >>> cr.device("cpu")
    'cpu'
    >>> cr.zeros(2).device.type
    'cpu'
    """

    __slots__ = ()

    def __new__(cls, type="cpu", index=None):
        if isinstance(type, int):  # a number counts graphics cards, as in PyTorch
            type, index = "cuda", type
        kind, _, number = str(type).partition(":")
        index = number or index
        if kind not in KINDS or not (index is None or str(index).isdecimal()):
            raise ArgumentError(explain(f"device {type!r}", help="chainrule computes on the CPU; leave the device out"))
        return super().__new__(cls, "cpu" if kind == "cpu" else kind if index is None else f"{kind}:{index}")

    @property
    def type(self):
        return self.partition(":")[0]

    @property
    def index(self):  # type: ignore[override]
        number = self.partition(":")[2]
        return int(number) if number else None

    def __enter__(self):
        on_cpu(self)
        return self

    def __exit__(self, *exc):
        return None


CPU = device()


def on_cpu(device):
    """Accept a device if it is the CPU."""
    if device is not None and not str(device).lower().startswith("cpu"):
        raise UnsupportedError(explain(f"device {device!r}", help="chainrule computes on the CPU; leave the device out"))
