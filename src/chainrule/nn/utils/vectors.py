"""All parameters of a model as one long vector, and back."""

import math

import numpy as np

from ...core.value import Value, shape_of
from ...errors import ShapeError, explain
from ...ops import concatenate, ravel, reshape
from ...ops.shaping import as_value
from ...tensor import Tensor


def parameters_to_vector(parameters):
    """All elements of all parameters, one after the other; derivatives flow through.

    >>> from chainrule import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    (9,)
    """
    return concatenate([ravel(p) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Give the parameters the elements of a vector, one after the other.

    Raises
    ------
    ShapeError
        The number of elements differs.
    """
    parameters = list(parameters)
    sizes = [math.prod(p.shape) for p in parameters]
    total = int(np.sum(sizes, dtype=int))
    if shape_of(vec) != (total,):
        raise ShapeError(
            explain(
                "vector_to_parameters: the vector needs one number for each element of the parameters",
                f"expected: ({total},)    found: {shape_of(vec)}",
                help="parameters_to_vector makes such a vector",
            )
        )
    vec = vec.detach() if isinstance(vec, Tensor) else as_value(vec)
    start = 0
    for p, n in zip(parameters, sizes, strict=True):
        part = reshape(vec[start : start + n], p.shape)
        p.data = part if isinstance(part, Value) else np.array(part)  # a view would change with the vector
        start += n
