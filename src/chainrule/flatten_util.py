"""Trees of arrays as one vector, for methods that know vectors only; JAX's name for it."""

import math

import numpy as np

from .core.value import Value, dtype_of, shape_of
from .errors import ShapeError, explain
from .ops.joining import concatenate
from .ops.shaping import as_value, cast, reshape
from .trees import flatten, unflatten


def ravel_pytree(pytree):
    """All numbers of a tree as one vector, and the function that makes such a tree of a vector. Derivatives flow through both.

    Parameters
    ----------
    pytree : lists, tuples, dicts, Modules ... of arrays and numbers

    Returns
    -------
    vector : array with one axis, of the dtype that holds all
    unravel : function of a vector of this length; the leaves it gives have the shapes and dtypes of those here, but where the
        dtypes are all one, they have that of the vector

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule.flatten_util import ravel_pytree
    >>> vector, unravel = ravel_pytree({"w": np.array([[1.0, 2.0]]), "b": 3.0})
    >>> vector
    array([1., 2., 3.])
    >>> unravel(2 * vector)
    {'w': array([[2., 4.]]), 'b': np.float64(6.0)}
    """
    leaves, structure = flatten(pytree)
    leaves = [as_value(x) for x in leaves]
    shapes, kinds = [shape_of(x) for x in leaves], [dtype_of(x) for x in leaves]
    ends = np.cumsum([math.prod(s) for s in shapes], dtype=int).tolist()
    one = len(set(kinds)) <= 1

    def unravel(vector):
        vector = vector if isinstance(vector, Value) else np.asarray(vector)
        total = ends[-1] if ends else 0
        if shape_of(vector) != (total,):
            raise ShapeError(
                explain(
                    f"unravel: the vector must have {total} elements",
                    f"found: {shape_of(vector)}",
                    help="as ravel_pytree gave it",
                )
            )
        parts = [vector[end - math.prod(s) : end] for s, end in zip(shapes, ends, strict=True)]
        parts = [reshape(p, s)[()] if s == () else reshape(p, s) for p, s in zip(parts, shapes, strict=True)]
        return unflatten(structure, parts if one else [cast(p, k) for p, k in zip(parts, kinds, strict=True)])

    return (concatenate([reshape(x, (-1,)) for x in leaves]) if leaves else np.zeros(0)), unravel
