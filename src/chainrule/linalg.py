"""Linear algebra in NumPy's and SciPy's names; also `chainrule.numpy.linalg` and what np.linalg does with a Tensor."""

from .ops.contraction import cross as cross, matmul as matmul, vecdot as vecdot
from .ops.reduction import norm as norm

__all__ = [name for name, thing in list(globals().items()) if callable(thing)]  # the functions above, no modules
