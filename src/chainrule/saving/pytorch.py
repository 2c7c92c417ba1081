"""PyTorch's files of state dicts, zip archives and the pickles of before 1.6, read as data: nothing in them is run."""

import io
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..creation import from_numpy
from ..errors import DataError, explain
from .narrow import DECODERS
from .pickles import Known, PickleError, checked_keys, pairs_of, read_pickle
from .safetensors import open_file

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # the first two values of an old file
HELP_RESAVE = "with PyTorch: torch.save(model.state_dict(), path), of plain dicts, lists, numbers and tensors"


class Type(NamedTuple):
    """How elements stand in a file: as NumPy knows them, and the decoder of those that it does not know."""

    dtype: np.dtype
    decoder: str | None = None


# By PyTorch's names, where they are not NumPy's.
NARROW = {
    "bfloat16": Type(np.dtype("u2"), "BF16"), "float8_e5m2": Type(np.dtype("u1"), "F8_E5M2"),
    "float8_e4m3fn": Type(np.dtype("u1"), "F8_E4M3"), "float8_e8m0fnu": Type(np.dtype("u1"), "F8_E8M0"),
}  # fmt: skip
SAME = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool",
    "complex64", "complex128",
)  # fmt: skip
TYPES = {name: Type(np.dtype(name)) for name in SAME} | NARROW
STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}  # fmt: skip
UNTYPED = Type(np.dtype("u1"))


def load_pytorch(path):
    """Read a state dict, or a checkpoint of dicts, lists, numbers and tensors, that `torch.save` wrote.

    Parameters
    ----------
    path : str or path of a .pt or .pth file; PyTorch need not be installed

    Returns
    -------
    What was saved, with Tensors in place of PyTorch's tensors and parameters; ordered dicts are dicts. Elements of bfloat16 and
    of types of 8 bits come as float32, which holds them exactly.

    Such a file is a program for Python's `pickle`, which runs whatever it names. This reader does not: it knows a dozen names
    that build tensors and containers, and refuses a file that has any other.

    Raises
    ------
    MissingDataError
        There is no such file.
    DataError
        It is truncated or damaged, is no file of `torch.save`, or holds more than data: a whole model, a function, an attack.

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import nn
    >>> model = nn.Linear(4, 3)
    >>> model.load_state_dict(cr.load_pytorch("model.pt"))  # doctest: +SKIP
    <All keys matched successfully>
    """
    with open_file(path) as file:
        try:
            return _read(file)
        except (PickleError, zipfile.BadZipFile, ValueError, OSError, RuntimeError, EOFError, struct.error) as error:
            raise DataError(explain(f"load_pytorch: cannot read {path}", str(error), help=HELP_RESAVE)) from None


def _read(file):
    head = file.read(262)
    file.seek(0)
    if head.startswith(b"PK"):
        return _Zip(file).read()
    if head.startswith(b"\x80"):
        return _Old(file).read()
    if head[257:262] == b"ustar":
        raise PickleError("it is a tar archive, which PyTorch wrote before version 0.2: save it again with a newer one")
    raise PickleError(f"it is not a file of torch.save; first bytes: {head[:8].hex(' ') or 'none, the file is empty'}")


class _Reader:
    """What both formats share: the names that a pickle may use, and tensors as views of storages."""

    little = True  # order of bytes

    def __init__(self, file):
        self.file = file
        self.left = os.fstat(file.fileno()).st_size
        self.known = _known(self.tensor)

    def pickle(self, file):
        return read_pickle(file, self.known, self.persistent, _set_state)

    def promise(self, nbytes):
        """Storages together are never larger than the file: memory cannot be used up by a few bytes that ask for it."""
        self.left -= nbytes
        if nbytes < 0 or self.left < 0:
            raise PickleError("it promises more elements than it has bytes: it is truncated or damaged")

    def storage_id(self, identity):
        """(type, key, number of elements, view) of a persistent id."""
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] not in ("storage", b"storage"):
            raise PickleError("it refers to an object outside of it that is not a storage")
        _, kind, key, _, count, *view = identity
        if not isinstance(kind, Type) or type(count) is not int or count < 0:
            raise PickleError("a storage has no known type")
        return kind, key if isinstance(key, str) else str(key), count, view[0] if view else None

    def persistent(self, identity):
        raise NotImplementedError

    def tensor(self, storage, offset, size, stride, dtype=None):
        """A Tensor that views a storage."""
        array = self.array(storage, dtype)
        size, stride = tuple(size), tuple(stride)
        if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in (offset, *size, *stride)):
            raise PickleError("the shape of a tensor is damaged")
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if math.prod(size) == 0:
            return from_numpy(np.empty(size, array.dtype))
        if last >= len(array):
            raise PickleError(f"a tensor of shape {size} reaches beyond its {len(array)} elements")
        strides = [s * array.itemsize for s in stride]
        view = np.lib.stride_tricks.as_strided(array[offset:], size, strides, writeable=math.prod(size) <= len(array))
        return from_numpy(view)

    def array(self, storage, dtype):
        if not isinstance(storage, _Storage):
            raise PickleError("a tensor without a storage")
        kind = storage.kind if dtype is None else NARROW.get(dtype) or Type(dtype)
        if kind not in storage.arrays:
            array = storage.data.view(kind.dtype.newbyteorder("<" if self.little else ">"))
            array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
            storage.arrays[kind] = array if kind.decoder is None else DECODERS[kind.decoder](array)
        return storage.arrays[kind]


class _Storage:
    """Bytes of a file, and the arrays that view them."""

    def __init__(self, kind, count, data=None):
        self.kind, self.count, self.data = kind, count, data
        self.arrays = {}

    @property
    def nbytes(self):
        return self.count * self.kind.dtype.itemsize

    def fill(self, data):
        """Take these bytes, which must be as many as were promised."""
        if len(data) != self.nbytes:
            raise PickleError(f"a storage has {len(data)} of {self.nbytes} bytes: it is truncated or damaged")
        self.data = np.frombuffer(bytearray(data), np.uint8)

    def part(self, offset, count):
        """A storage of some of the elements, as very old files have them."""
        if type(offset) is not int or type(count) is not int or min(offset, count) < 0 or offset + count > self.count:
            raise PickleError("a view of a storage is damaged")
        item = self.kind.dtype.itemsize
        return _Storage(self.kind, count, self.data[offset * item : (offset + count) * item])


class _Zip(_Reader):
    """An archive: `data.pkl` with the structure, and one file per storage."""

    def __init__(self, file):
        super().__init__(file)
        self.archive = zipfile.ZipFile(file)
        self.storages: dict[str, _Storage] = {}

    def read(self):
        names = self.archive.namelist()
        folder = next((n.rpartition("/")[0] for n in names if n.rpartition("/")[2] == "data.pkl"), None)
        if folder is None:
            raise PickleError("it is a zip archive without data.pkl, so PyTorch did not write it")
        self.folder = folder + "/" if folder else ""
        if self.folder + "constants.pkl" in names:
            raise PickleError("it is a TorchScript program, not a state dict")
        order = self.content("byteorder") if self.folder + "byteorder" in names else b"little"
        if order.strip() not in (b"little", b"big"):
            raise PickleError(f"unknown order of bytes: {order[:20]!r}")
        self.little = order.strip() == b"little"
        return self.pickle(io.BytesIO(self.content("data.pkl")))

    def content(self, name):
        try:
            info = self.archive.getinfo(self.folder + name)
        except KeyError:
            raise PickleError(f"{name} is missing: it is truncated or damaged") from None
        if info.compress_type != zipfile.ZIP_STORED:
            raise PickleError("it is compressed, as torch.save does not: unpack it and pack it without compression")
        self.promise(info.file_size)
        return self.archive.read(info)

    def persistent(self, identity):
        kind, key, count, _ = self.storage_id(identity)
        if key not in self.storages:
            self.storages[key] = storage = _Storage(kind, count)
            storage.fill(self.content(f"data/{key}"))
        return self.storages[key]


class _Old(_Reader):
    """Five pickles one after another, the fourth of which is the structure, and then the storages."""

    def read(self):
        if self.pickle(self.file) != MAGIC or self.pickle(self.file) != PROTOCOL:
            raise PickleError("it is a pickle, and not one of torch.save")
        about = self.pickle(self.file)
        self.little = bool(about.get("little_endian", True)) if isinstance(about, dict) else True
        start = self.file.tell()
        self.storages: dict[str, _Storage] = {}
        self.known = _known(lambda *args: None)
        self.pickle(self.file)  # only to see which storages there are: they follow, and tensors need them
        keys = self.pickle(self.file)
        if not isinstance(keys, list) or any(str(k) not in self.storages for k in keys):
            raise PickleError("the list of storages is damaged")
        for key in keys:
            self.fill(self.storages[str(key)])
        self.known = _known(self.tensor)
        self.file.seek(start)
        return self.pickle(self.file)

    def fill(self, storage):
        head = self.file.read(8)
        if len(head) < 8 or struct.unpack("<q" if self.little else ">q", head)[0] != storage.count:
            raise PickleError("a storage is missing or has another length: it is truncated or damaged")
        self.promise(storage.nbytes)
        storage.fill(self.file.read(storage.nbytes))

    def persistent(self, identity):
        kind, key, count, view = self.storage_id(identity)
        storage = self.storages.setdefault(key, _Storage(kind, count))
        return storage if view is None or storage.data is None else storage.part(*view[1:])


# --- names that a pickle may use ----------------------------------------------------------------------------------------


def _known(tensor):
    """What may be named in a file, where `tensor(storage, offset, size, stride, dtype)` makes a Tensor."""
    names = {
        ("torch._utils", "_rebuild_tensor"): lambda storage, offset, size, stride: tensor(storage, offset, size, stride),
        ("torch._utils", "_rebuild_tensor_v2"): lambda *a: tensor(*a[:4]),
        ("torch._utils", "_rebuild_tensor_v3"): lambda *a: tensor(*a[:4], a[6]),
        ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
        ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *rest: data,
        ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
        ("torch", "Size"): tuple,
        ("torch", "device"): lambda *names: ":".join(str(n) for n in names),
        ("torch.serialization", "_get_layout"): str,
        ("collections", "OrderedDict"): _dict,
        ("collections", "Counter"): _dict,
        ("_codecs", "encode"): _encode,
        **{
            (m, n): f
            for m in ("builtins", "__builtin__")
            for n, f in (("set", _set), ("frozenset", _set), ("complex", complex))
        },
        **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
        **{(f"numpy.{core}.multiarray", "_reconstruct"): lambda *a: _Array() for core in ("core", "_core")},
        **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
        ("numpy", "dtype"): _dtype,
    }
    values: dict = {("torch", name): name if name in NARROW else kind.dtype for name, kind in TYPES.items()}
    values |= {("torch", f"{name}Storage"): TYPES[kind] for name, kind in STORAGES.items()}
    values |= {(module, "UntypedStorage"): UNTYPED for module in ("torch", "torch.storage")}
    values |= {("numpy", "ndarray"): None}
    return {key: Known(f, f) for key, f in names.items()} | {key: Known(value) for key, value in values.items()}


def _from_type(function, kind, arguments, state):
    """A subclass of PyTorch's tensor, of which the values are kept."""
    if not isinstance(function, Known) or function.call is None:
        raise PickleError("a tensor is made by something that is not known to be harmless")
    return function.call(*arguments)


def _dict(items=()):
    """An ordered dict or a counter as a dict; their items are a dict, or a list of pairs."""
    if isinstance(items, dict):
        return dict(items)
    return pairs_of([part for key, value in items for part in (key, value)])


def _set(items=()):
    if not isinstance(items, (list, tuple, set)):
        raise PickleError("a set of something else than a list")
    return set(checked_keys(items))


def _encode(text, encoding):
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise PickleError("an unknown encoding")
    return text.encode("latin-1")


def _dtype(code, *flags):
    dtype = np.dtype(str(code))
    if dtype.hasobject:
        raise PickleError("an array of Python objects")
    return dtype


def _scalar(dtype, content):
    if not isinstance(dtype, np.dtype) or not isinstance(content, bytes) or len(content) != dtype.itemsize:
        raise PickleError("a NumPy number is damaged")
    return np.frombuffer(content, dtype)[0]


def _from_buffer(content, dtype, shape, order):
    if not isinstance(dtype, np.dtype) or not isinstance(content, (bytes, bytearray)):
        raise PickleError("an array of NumPy is damaged")
    return np.frombuffer(bytearray(content), dtype).reshape(shape, order=order)


class _Array:
    """An array of NumPy that waits for its state."""


def _set_state(built, state):
    if isinstance(built, _Array):
        _, shape, dtype, fortran, content = state
        return _from_buffer(content, dtype, shape, "F" if fortran else "C")
    if isinstance(built, np.dtype):
        big = isinstance(state, tuple) and len(state) > 1 and state[1] == ">"
        return built.newbyteorder(">") if big else built
    if isinstance(built, Mapping):  # PyTorch notes versions of modules on its ordered dicts
        return built
    raise PickleError("it sets attributes of an object")
