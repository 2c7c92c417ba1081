"""PyTorch's functions of numbers that NumPy has no name for: scaled sums, fused products, distances, statistics."""

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, explain
from ..ops import arranging, contraction, elementwise, joining, reduction, shaping, trigonometric
from ..ops.linalg import norms, systems
from ..ops.shaping import as_value

__all__ = [
    "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "aminmax", "baddbmm", "cdist", "clamp_max", "clamp_min",
    "complex", "cumulative_trapezoid", "dist", "div", "frac", "lerp", "logdet", "polar", "renorm", "rsqrt", "rsub", "sgn",
    "std_mean", "sub", "true_divide", "var_mean", "view_as_complex", "view_as_real",
]  # fmt: skip


def sub(x, other, *, alpha=1):
    """`x - alpha * other`.

    >>> import chainrule as cr
    >>> cr.sub(np.array([5.0]), 2.0, alpha=2)
    array([1.])
    """
    return elementwise.subtract(x, other if alpha == 1 else elementwise.multiply(other, alpha))


def rsub(x, other, *, alpha=1):
    """`other - alpha * x`.

    >>> import chainrule as cr
    >>> cr.rsub(np.array([2.0]), 5.0)
    array([3.])
    """
    return sub(other, x, alpha=alpha)


def div(x, other, *, rounding_mode=None):
    """`x / other`; with `rounding_mode` "trunc" or "floor", rounded to whole numbers.

    >>> import chainrule as cr
    >>> cr.div(np.array([-7.0]), 2.0, rounding_mode="trunc")
    array([-3.])
    """
    if rounding_mode is None:
        return elementwise.divide(x, other)
    if rounding_mode not in ("trunc", "floor"):
        raise ArgumentError(explain(f"div: rounding_mode {rounding_mode!r}", help="None, 'trunc' or 'floor'"))
    if rounding_mode == "floor":
        return elementwise.floor_divide(x, other)
    whole = np.result_type(dtype_of(x), dtype_of(other))
    out = elementwise.trunc(elementwise.divide(x, other))
    return shaping.cast(out, whole) if whole.kind in "iu" else out


def true_divide(x, other):
    """`x / other`.

    >>> import chainrule as cr
    >>> cr.true_divide(np.array([1.0]), 4.0)
    array([0.25])
    """
    return elementwise.divide(x, other)


def addcmul(x, a, b, *, value=1):
    """`x + value * a * b`.

    >>> import chainrule as cr
    >>> cr.addcmul(np.ones(2), np.array([1.0, 2.0]), 3.0, value=0.5)
    array([2.5, 4. ])
    """
    return elementwise.add(x, elementwise.multiply(elementwise.multiply(a, b), value))


def addcdiv(x, a, b, *, value=1):
    """`x + value * a / b`.

    >>> import chainrule as cr
    >>> cr.addcdiv(np.ones(2), np.array([1.0, 2.0]), 4.0)
    array([1.25, 1.5 ])
    """
    return elementwise.add(x, elementwise.multiply(elementwise.divide(a, b), value))


def _blend(x, product, beta, alpha):
    """`beta * x + alpha * product`; x does not count if beta is 0, whatever it holds."""
    product = product if alpha == 1 else elementwise.multiply(product, alpha)
    if beta == 0:
        return shaping.broadcast_to(product, np.broadcast_shapes(shape_of(x), shape_of(product)))
    return elementwise.add(x if beta == 1 else elementwise.multiply(x, beta), product)


def addmm(x, a, b, *, beta=1, alpha=1):
    """`beta * x + alpha * a @ b` for matrices a and b.

    >>> import chainrule as cr
    >>> cr.addmm(np.ones(2), np.eye(2), np.eye(2), alpha=3)
    array([[4., 1.],
           [1., 4.]])
    """
    return _blend(x, contraction.matmul(a, b), beta, alpha)


def addmv(x, a, v, *, beta=1, alpha=1):
    """`beta * x + alpha * a @ v` for a matrix a and a vector v.

    >>> import chainrule as cr
    >>> cr.addmv(np.ones(2), np.eye(2), np.array([1.0, 2.0]))
    array([2., 3.])
    """
    return _blend(x, contraction.matmul(a, v), beta, alpha)


def addr(x, v, w, *, beta=1, alpha=1):
    """`beta * x + alpha * outer(v, w)`.

    >>> import chainrule as cr
    >>> cr.addr(np.zeros((2, 2)), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return _blend(x, contraction.outer(v, w), beta, alpha)


def baddbmm(x, a, b, *, beta=1, alpha=1):
    """`beta * x + alpha * a @ b` for stacks of matrices a and b.

    >>> import chainrule as cr
    >>> cr.baddbmm(np.ones((1, 2, 2)), np.ones((1, 2, 3)), np.ones((1, 3, 2)), beta=0.5)
    array([[[3.5, 3.5],
            [3.5, 3.5]]])
    """
    return _blend(x, contraction.matmul(a, b), beta, alpha)


def addbmm(x, a, b, *, beta=1, alpha=1):
    """`beta * x + alpha * (a @ b).sum(0)` for stacks of matrices a and b.

    >>> import chainrule as cr
    >>> cr.addbmm(np.zeros((1, 1)), np.ones((4, 1, 3)), np.ones((4, 3, 1)))
    array([[12.]])
    """
    return _blend(x, contraction.einsum("nij,njk->ik", a, b), beta, alpha)


def lerp(start, end, weight):
    """The point between `start` (weight 0) and `end` (weight 1); both are met exactly.

    >>> import chainrule as cr
    >>> cr.lerp(np.array([1.0, 2.0]), np.array([3.0, 6.0]), 0.5)
    array([2., 4.])
    """
    gap = elementwise.subtract(end, start)
    low = elementwise.add(start, elementwise.multiply(gap, weight))
    high = elementwise.subtract(end, elementwise.multiply(gap, elementwise.subtract(1, weight)))
    return elementwise.where(elementwise.absolute(weight) < 0.5, low, high)


def rsqrt(x):
    """`1 / sqrt(x)`.

    >>> import chainrule as cr
    >>> cr.rsqrt(np.array([4.0]))
    array([0.5])
    """
    return elementwise.divide(1, elementwise.sqrt(x))


def frac(x):
    """`x` less its whole part: between -1 and 1, with the sign of x.

    >>> import chainrule as cr
    >>> cr.frac(np.array([1.25, -1.25]))
    array([ 0.25, -0.25])
    """
    return elementwise.subtract(x, elementwise.trunc(x))


def sgn(x):
    """`x / |x|`, and 0 for 0; for real numbers, the sign.

    >>> import chainrule as cr
    >>> cr.sgn(np.array([3 + 4j, 0]))
    array([0.6+0.8j, 0. +0.j ])
    """
    return elementwise.sign(x)


def clamp_min(x, min):
    """`x` where it is larger than `min`, else `min`.

    >>> import chainrule as cr
    >>> cr.clamp_min(np.array([-1.0, 2.0]), 0.0)
    array([0., 2.])
    """
    return elementwise.clip(x, min, None)


def clamp_max(x, max):
    """`x` where it is smaller than `max`, else `max`.

    >>> import chainrule as cr
    >>> cr.clamp_max(np.array([-1.0, 2.0]), 0.0)
    array([-1.,  0.])
    """
    return elementwise.clip(x, None, max)


def complex(real, imag):
    """Complex numbers of two real arrays of one dtype: complex64 of float32, complex128 of float64.

    >>> import chainrule as cr
    >>> cr.complex(np.array([1.0]), np.array([2.0]))
    array([1.+2.j])
    """
    return elementwise.from_parts(real, imag)


def polar(abs, angle):
    """Complex numbers of these magnitudes and angles (radians).

    >>> import chainrule as cr
    >>> cr.polar(np.array([2.0]), np.array([0.0]))
    array([2.+0.j])
    """
    return complex(elementwise.multiply(abs, trigonometric.cos(angle)), elementwise.multiply(abs, trigonometric.sin(angle)))


def view_as_real(x):
    """Real and imaginary part in a new last axis of length 2. A copy.

    >>> import chainrule as cr
    >>> cr.view_as_real(np.array([1 + 2j]))
    array([[1., 2.]])
    """
    x = as_value(x)
    return joining.stack([x.real, x.imag], axis=-1)


def view_as_complex(x):
    """Complex numbers whose parts stand in the last axis, which has length 2. A copy.

    >>> import chainrule as cr
    >>> cr.view_as_complex(np.array([[1.0, 2.0]]))
    array([1.+2.j])
    """
    x = as_value(x)
    if not shape_of(x) or shape_of(x)[-1] != 2:
        raise ArgumentError(
            explain(
                "view_as_complex: the last axis must have length 2",
                f"found: shape {shape_of(x)}",
                help="or complex(real, imag)",
            )
        )
    return complex(x[..., 0], x[..., 1])


def dist(x, y, p=2):
    """The p-norm of `x - y`, all elements taken as one vector.

    >>> import chainrule as cr
    >>> cr.dist(np.array([0.0, 0.0]), np.array([3.0, 4.0]))
    np.float64(5.0)
    """
    gap = shaping.reshape(elementwise.subtract(x, y), (-1,))
    return norms.norm(gap, p)


def cdist(x, y, p=2.0, compute_mode=None):
    """Distances, by the p-norm, of all rows of `x` (..., n, d) to all rows of `y` (..., m, d): (..., n, m).

    `compute_mode` is accepted and of no effect: the distances are always those of the differences.

    >>> import chainrule as cr
    >>> cr.cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([[5., 1.]])
    """
    x, y = as_value(x), as_value(y)
    return norms.norm(elementwise.subtract(x[..., :, None, :], y[..., None, :, :]), p, axis=-1)


def renorm(x, p, dim, maxnorm):
    """`x` with every slice along `dim` whose p-norm exceeds `maxnorm` scaled down to it.

    >>> import chainrule as cr
    >>> cr.renorm(np.array([[3.0, 4.0], [0.0, 1.0]]), 2, 0, 1.0).round(6)
    array([[0.6, 0.8],
           [0. , 1. ]])
    """
    x = as_value(x)
    others = tuple(i for i in range(ndim_of(x)) if i != dim % ndim_of(x))
    rows = norms.norm(shaping.reshape(shaping.moveaxis(x, dim, 0), (shape_of(x)[dim], -1)), p, axis=1)
    size = shaping.reshape(rows, [1 if i in others else n for i, n in enumerate(shape_of(x))])
    return elementwise.where(size > maxnorm, elementwise.multiply(x, maxnorm / (size + 1e-7)), x)


def logdet(x):
    """The logarithm of the determinant; NaN where that is negative, -inf where it is 0.

    >>> import chainrule as cr
    >>> cr.logdet(np.diag([1.0, 1.0]))
    np.float64(0.0)
    """
    sign, log = systems.slogdet(x)
    return elementwise.where(sign < 0, np.nan, log)


def aminmax(x, *, dim=None, keepdim=False):
    """Smallest and largest element, of all or along `dim`.

    >>> import chainrule as cr
    >>> cr.aminmax(np.array([2.0, 1.0, 3.0]))
    (np.float64(1.0), np.float64(3.0))
    """
    return reduction.min(x, axis=dim, keepdims=keepdim), reduction.max(x, axis=dim, keepdims=keepdim)


def var_mean(x, dim=None, *, correction=1, keepdim=False):
    """Variance and mean, of all or along `dim`; as in PyTorch, the variance divides by n - 1.

    >>> import chainrule as cr
    >>> cr.var_mean(np.array([1.0, 2.0, 3.0]))
    (np.float64(1.0), np.float64(2.0))
    """
    return reduction.var(x, axis=dim, ddof=correction, keepdims=keepdim), reduction.mean(x, axis=dim, keepdims=keepdim)


def std_mean(x, dim=None, *, correction=1, keepdim=False):
    """Standard deviation and mean, of all or along `dim`; as in PyTorch, the variance divides by n - 1.

    >>> import chainrule as cr
    >>> cr.std_mean(np.array([1.0, 2.0, 3.0]))
    (np.float64(1.0), np.float64(2.0))
    """
    return reduction.std(x, axis=dim, ddof=correction, keepdims=keepdim), reduction.mean(x, axis=dim, keepdims=keepdim)


def cumulative_trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """Integrals of samples `y` up to each of them but the first, by the trapezoidal rule.

    >>> import chainrule as cr
    >>> cr.cumulative_trapezoid(np.array([1.0, 2.0, 3.0]))
    array([1.5, 4. ])
    """
    y = shaping.moveaxis(as_value(y), dim, -1)
    if x is not None:
        x = as_value(x)
        dx = arranging.diff(x if ndim_of(x) == 1 else shaping.moveaxis(x, dim, -1))
    pieces = elementwise.multiply(elementwise.add(y[..., 1:], y[..., :-1]), elementwise.multiply(dx, 0.5))
    return shaping.moveaxis(reduction.cumsum(pieces, axis=-1), -1, dim)
