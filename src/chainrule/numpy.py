"""To be imported in NumPy's place, `import chainrule.numpy as np`; also the Array API namespace of a Tensor.

The functions of `chainrule`, here with all of NumPy's arguments (`out=`, `where=`, `casting=`) and the methods of ufuncs, such
as `np.add.at`. What has nothing to do with derivatives (dtypes, settings, files, `np.random`) is NumPy's own.
"""

import numpy as _np

from . import array_functions as _functions, creation as _creation
from .array_functions import *
from .array_functions import (
    __array_api_version__ as __array_api_version__,
    __array_namespace_info__ as __array_namespace_info__,
)
from .in_place import put_along_axis as put_along_axis
from .numpy_calls import completed as _completed


def _complete():
    own = {*_creation.__all__, "put_along_axis"}
    made: dict = {}  # of several names of a function, the first
    for name, ours in vars(_functions).items():
        theirs = getattr(_np, name, None)
        if callable(theirs) and not isinstance(theirs, type) and ours is not theirs and name[0] != "_" and name not in own:
            globals()[name] = made.setdefault(ours, _completed(theirs, ours))


_complete()


def __getattr__(name):
    return getattr(_np, name)
