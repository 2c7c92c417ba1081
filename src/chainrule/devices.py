"""The device: the CPU, which is the only one."""

from .errors import UnsupportedError, explain


class device(str):
    """The CPU; any other name raises. A string with PyTorch's attributes `type` and `index`.

    >>> import chainrule as cr
    >>> cr.device("cpu")
    'cpu'
    >>> cr.zeros(2).device.type
    'cpu'
    """

    __slots__ = ()
    type = "cpu"
    index = None  # type: ignore[assignment]

    def __new__(cls, type="cpu", index=None):
        if not str(type).lower().startswith("cpu"):
            raise UnsupportedError(explain(f"device {type!r}", help="chainrule computes on the CPU; leave the device out"))
        return super().__new__(cls, "cpu")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None


CPU = device()
