"""To be imported in NumPy's place, `import chainrule.numpy as np`; also the Array API namespace of a Tensor.

The functions of `chainrule`, here with all of NumPy's arguments (`out=`, `where=`, `casting=`) and the methods of ufuncs, such
as `np.add.at`. What has nothing to do with derivatives (dtypes, settings, files, `np.random`) is NumPy's own.
"""

import builtins as _builtins
import functools as _functools

import numpy as _np

from . import array_functions as _functions, creation as _creation
from .array_functions import *
from .array_functions import (
    __array_api_version__ as __array_api_version__,
    __array_namespace_info__ as __array_namespace_info__,
)
from .core.value import Value as _Value
from .errors import NonDifferentiableError as _NonDifferentiableError
from .in_place import put_along_axis as put_along_axis
from .numpy_calls import completed as _completed
from .tensor import Tensor as _Tensor
from .trees import tree_leaves as _tree_leaves


def _complete():
    own = {*_creation.__all__, "put_along_axis"}
    made: dict = {}  # of several names of a function, the first
    for name, ours in vars(_functions).items():
        theirs = getattr(_np, name, None)
        if callable(theirs) and not isinstance(theirs, type) and ours is not theirs and name[0] != "_" and name not in own:
            globals()[name] = made.setdefault(ours, _completed(theirs, ours))


def _or_theirs(theirs, ours):
    """`ours`, or where it is asked for text, dates, objects or records, NumPy's own array of them."""

    @_functools.wraps(ours)
    def make(*args, **kwargs):
        try:
            return ours(*args, **kwargs)
        except _NonDifferentiableError:
            if "requires_grad" in kwargs or _builtins.any(isinstance(leaf, _Value) for leaf in _tree_leaves((args, kwargs))):
                raise
            return theirs(*args, **kwargs)

    return make


def _of_all_kinds():
    for name in ("array", "asanyarray", "asarray", "ascontiguousarray", "empty", "empty_like", "full", "full_like", "ones",
                 "ones_like", "zeros", "zeros_like"):  # fmt: skip
        globals()[name] = _or_theirs(getattr(_np, name), globals()[name])


_complete()
_of_all_kinds()


class _Arrays(type):
    """Lets Tensors and plain arrays be instances of `ndarray`."""

    def __instancecheck__(cls, x):
        return isinstance(x, (_Tensor, _np.ndarray))

    def __subclasscheck__(cls, kind):
        return issubclass(kind, (_Tensor, _np.ndarray))

    def __eq__(cls, kind):
        return kind is cls or kind is _Tensor

    def __hash__(cls):
        return hash(_Tensor)

    def __getattr__(cls, name):
        return getattr(_Tensor, name)


class ndarray(metaclass=_Arrays):  # type: ignore[no-redef]
    """The type of arrays: Tensors and NumPy's own. Called, as in NumPy, it makes an array of a shape.

    Parameters
    ----------
    shape : int or tuple of ints
    dtype : default float64
    buffer, offset, strides, order : with a buffer, its memory is taken over as it is, and the result is a plain array

    >>> import chainrule.numpy as np
    >>> np.ndarray((2, 3)).shape, isinstance(np.zeros(3), np.ndarray)
    ((2, 3), True)
    """

    def __new__(cls, shape, dtype=float, buffer=None, offset=0, strides=None, order=None):
        if buffer is None and strides is None and not offset:
            return _creation.empty(shape, dtype=dtype)
        return _np.ndarray(shape, dtype, buffer, offset, strides, order)


def __getattr__(name):
    return getattr(_np, name)
