"""PyTorch's methods of a Tensor beyond those that NumPy has too: nearly all are the function of the same name.

They are put on the class here, above all the functions that they call. NumPy's methods keep NumPy's meaning.
"""

import builtins
import functools
from typing import Any

import numpy as np

from . import array_functions as functions, linalg, numpy_views, pytorch, random, special
from .errors import ArgumentError, NonDifferentiableError, UnsupportedError, explain
from .ops import arranging, elementwise, indexing, joining, shaping, sorting, statistics
from .tensor import Tensor

# Methods that are the function of the same name, of the first argument that it takes.
SAME = """
    absolute as_strided conj_physical histc mode narrow_copy unique_consecutive unsafe_chunk
    acos acosh addbmm addcdiv addcmul addmm addmv addr adjoint allclose amax amin aminmax angle arccos arccosh
    arcsin arcsinh arctan arctan2 arctanh argwhere asin asinh atan atan2 atanh baddbmm bincount bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor broadcast_to cholesky cholesky_inverse
    cholesky_solve clamp_max clamp_min copysign corrcoef cosh cross deg2rad det diag diag_embed diagflat diagonal_scatter
    digamma dist div divide dsplit erfc erfinv exp2 fix fliplr flipud float_power floor_divide fmax fmin fmod frac frexp gcd
    ge ger greater greater_equal gt heaviside hsplit hypot i0 igamma igammac index_put inner inverse is_nonzero isclose
    isneginf isposinf isreal kron lcm ldexp le lerp less less_equal lgamma logaddexp logaddexp2 logdet logical_and
    logical_not logical_or logical_xor logit lt masked_scatter masked_select matrix_exp matrix_power movedim multiply mv
    multinomial mvlgamma nan_to_num nanmean nansum narrow ne negative nextafter not_equal pinverse positive qr rad2deg
    remainder renorm repeat_interleave rot90 rsqrt select_scatter sgn signbit sinc sinh slice_scatter slogdet
    split_with_sizes sub subtract svd swapdims take_along_dim tensor_split true_divide trunc unflatten unique vdot vsplit
    xlogy
"""
# Methods with `_` behind their name, which change the Tensor itself.
IN_PLACE = """
    abs absolute acos acosh addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh arctan arctan2 arctanh
    asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
    bitwise_xor ceil clamp_max clamp_min clip copysign cos cosh cumprod cumsum deg2rad digamma divide eq erf erfc erfinv
    exp exp2 expm1 fix float_power floor floor_divide fmod frac gcd ge greater greater_equal gt heaviside hypot i0 igamma
    igammac index_add index_copy index_fill index_put index_reduce lcm ldexp le lerp less less_equal lgamma log log10
    log1p log2 logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter multiply mvlgamma
    nan_to_num ne neg negative nextafter not_equal polygamma pow rad2deg reciprocal relu remainder renorm round rsqrt
    scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square subtract tan tanh tril triu true_divide
    trunc xlogy
"""
# Methods of NumPy's meaning that take PyTorch's keywords, too.
KEYWORDS = """
    clip diagonal divide dot flatten gather index_select logit log_softmax masked_fill matmul max median min nanmedian nonzero
    quantile roll rot90 scatter scatter_add scatter_reduce softmax squeeze std subtract swapaxes
    trace transpose tril triu unbind var
"""
COMPARING = frozenset(["eq", "ne", "lt", "le", "gt", "ge", "greater", "greater_equal", "less", "less_equal", "not_equal"])


def _found(name):
    for module in (pytorch, functions, special, linalg):
        if name in vars(module):
            return vars(module)[name]
    raise AttributeError(name)


def _in_place(name):
    out_of_place = getattr(Tensor, name)

    def method(self, *args, **kwargs):
        new = out_of_place(self, *args, **kwargs)
        cast = name.startswith("logical_") or name in COMPARING  # truth values become the Tensor's dtype
        return self._rebind(shaping.cast(new, self.dtype) if cast else new)

    method.__name__ = f"{name}_"
    method.__doc__ = f"`{name}`, which changes this Tensor itself and gives it."
    return method


def _random_in_place(name, draw):
    def method(self, *args, generator=None, **kwargs):
        return self.copy_(draw(generator or random.default_generator, self.shape, *args, **kwargs))

    method.__name__ = name
    method.__doc__ = "Replace all values by random numbers, and give this Tensor."
    return method


def _integers(g, shape, low=0, high=None, to=None):
    """As `random_`: from `low` to one below `high`; with one bound, from 0; with none, to the largest that float32 counts."""
    high = to if to is not None else high
    low, high = (0, low) if high is None and low else (low, 1 << 24 if high is None else high)
    return g.integers(low, high, shape)


def _uniform(g, shape, a=0.0, b=1.0, **bounds):
    """As `uniform_(from, to)`; the first of PyTorch's names is no name that Python allows here."""
    low, high = bounds.pop("from", a), bounds.pop("to", b)
    if bounds:
        raise TypeError(f"uniform_() got unexpected arguments: {', '.join(bounds)}")
    return g.uniform(low, high, shape)


RANDOM = {
    "normal_": lambda g, shape, mean=0.0, std=1.0: g.normal(mean, std, shape),
    "uniform_": _uniform,
    "exponential_": lambda g, shape, lambd=1.0: g.exponential(1 / lambd, shape),
    "log_normal_": lambda g, shape, mean=1.0, std=2.0: g.lognormal(mean, std, shape),
    "cauchy_": lambda g, shape, median=0.0, sigma=1.0: median + sigma * g.standard_cauchy(shape),
    "geometric_": lambda g, shape, p: g.geometric(p, shape),
    "random_": _integers,
    "bernoulli_": lambda g, shape, p=0.5: g.uniform(size=shape) < p,
}


# --- those that are no function here, or another one ------------------------------------------------------------------


def equal(self, other):
    """Whether both have one shape and the same values; `==` compares element by element."""
    return shaping.shape_of(other) == self.shape and builtins.bool((self.detach() == shaping.as_value(other)).all())


def where(self, condition, other):
    """These values where `condition` holds, those of `other` elsewhere."""
    return elementwise.where(condition, self, other)


def select(self, dim, index):
    """The part at one place of an axis, without that axis; a view."""
    return self[(slice(None),) * shaping.normalize_axis(dim, self.ndim) + (index,)]


def unfold(self, dimension, size, step):
    """All stretches of `size` along an axis, `step` apart, as a new last axis."""
    axis = shaping.normalize_axis(dimension, self.ndim)
    if not 0 < size <= self.shape[axis] or step < 1:
        found = f"length: {self.shape[axis]}    size: {size}    step: {step}"
        asked = "unfold: size must be at most the length of the axis, and step at least 1"
        raise ArgumentError(explain(asked, found, help="both count elements"))
    places = np.arange(0, self.shape[axis] - size + 1, step)[:, None] + np.arange(size)
    return shaping.moveaxis(indexing.getitem(self, (slice(None),) * axis + (places,)), axis + 1, -1)


_parts = pytorch.keywords.split(numpy_views.split)


def split(self, *sizes, **kwargs):
    """Parts of one size, the last of which may be smaller, or of several sizes, along `dim`; views.

    NumPy's arrays have no such method; with NumPy's `axis`, it is NumPy's function, whose ints are a number of parts or places.
    """
    if "axis" in kwargs:
        return numpy_views.split(self, *sizes, **kwargs)
    if len(sizes) > 1:
        kwargs["dim"] = sizes[1]
    return _parts(self, *sizes[:1], **{"dim": 0, **kwargs})


def repeat(self, *repeats, **kwargs):
    """Each element repeated, as by the function. With three counts or more, which NumPy's does not take, the whole is repeated.

    >>> import chainrule as cr
    >>> cr.tensor([1.0, 2.0]).repeat(1, 1, 2)
    tensor([[[1., 2., 1., 2.]]])
    """
    counts = kwargs.get("sizes", repeats)
    if len(counts) > 2 or "sizes" in kwargs:
        return arranging.tile(self, counts)
    return arranging.repeat(self, *repeats, **kwargs)


def tile(self, *sizes, dims=None, reps=None):
    """The whole repeated along each axis, as by the function; counts as a tuple or as several ints.

    >>> import chainrule as cr
    >>> cr.tensor([[1.0, 2.0]]).tile(2, 1)
    tensor([[1., 2.],
            [1., 2.]])
    """
    if reps is None:
        reps = dims if dims is not None else sizes[0] if len(sizes) == 1 else sizes
    return arranging.tile(self, reps)


def index_add(self, dim, index, source, *, alpha=1):
    """Rows of `source`, times `alpha`, added to those at `index` along an axis."""
    key = (slice(None),) * shaping.normalize_axis(dim, self.ndim) + (shaping.as_value(index),)
    return indexing.index_add(self, key, source if alpha == 1 else shaping.as_value(source) * alpha)


def add(self, other, *, alpha=1):
    """The sum, with `other` times `alpha`."""
    return elementwise.add(self, other if alpha == 1 else shaping.as_value(other) * alpha)


def argsort(self, axis=-1, descending=False, stable=True, *, dim=None, kind=None, order=None):
    """Where the elements along an axis stand in order, always stable. In place of `descending` may stand NumPy's `kind`."""
    if kind is not None or order is not None or isinstance(descending, str):
        named: Any = descending if isinstance(descending, str) else kind
        return np.argsort(self, axis, named, order)
    return sorting.argsort(self, axis if dim is None else dim, descending=descending)


def norm(self, p="fro", dim=None, keepdim=False, dtype=None, *, ord=None, axis=None, keepdims=False):
    """The p-norm of all elements as one vector, or along axes. With NumPy's `ord` or `axis`, as `linalg.norm`."""
    if ord is not None or axis is not None:
        return linalg.norm(self, ord, axis, keepdims or keepdim)
    x = self if dtype is None else shaping.cast(self, np.dtype(dtype))
    if p == "nuc":
        return linalg.norm(x, p, dim, keepdim)
    return linalg.vector_norm(x, axis=dim, keepdims=keepdim, ord=2 if p in ("fro", None) else p)


def cov(self, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of rows, as `cr.cov` with `ddof=correction`."""
    return statistics.cov(self, ddof=correction, fweights=fweights, aweights=aweights)


def polygamma(self, n):
    """The derivative of digamma of order n - as in PyTorch, the order comes second."""
    return special.polygamma(n, self)


def sum_to_size(self, *size):
    """The sum over axes that broadcasting to this shape would have stretched."""
    return shaping.sum_to(self, shaping.as_shape(size[0] if len(size) == 1 else size))


def in_dtype(dtype):
    """A method that casts; there is one layout of memory."""
    return lambda self, memory_format=None: shaping.cast(self, dtype)


def type_(self, dtype=None):
    """The name of the dtype; with one, the values in it."""
    if dtype is None:
        return f"chainrule.{self.dtype}"
    if isinstance(dtype, str):
        module, _, name = dtype.rpartition(".")
        dtype = getattr(pytorch, name, name) if module in ("chainrule", "torch") else dtype
    if dtype is Tensor:
        dtype = pytorch.get_default_dtype()
    return shaping.cast(self, np.dtype(getattr(dtype, "kind", dtype) if callable(dtype) else dtype))


def _new(self, array, dtype, device, requires_grad):
    out = self.to(device=device).owner.constant(np.asarray(array, self.dtype if dtype is None else dtype))
    return out.requires_grad_() if requires_grad else out


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    """A Tensor of these values, in the dtype of this one."""
    return _new(self, np.array(data), dtype, device, requires_grad)


def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A Tensor of this shape with one value, in the dtype of this one."""
    return _new(self, np.full(shaping.as_shape(size), fill_value), dtype, device, requires_grad)


def new_filled(value):
    def method(self, *size, **options):
        return new_full(self, size[0] if len(size) == 1 else size, value, **options)

    method.__doc__ = f"A Tensor of this shape, of {'ones' if value else 'zeros'}, in the dtype of this one."
    return method


def stride(self, dim=None):
    """Elements from one to the next along each axis, or along one."""
    steps = tuple(s // self.itemsize for s in self.strides)
    return steps if dim is None else steps[dim]


def bfloat16(self):
    raise UnsupportedError(explain("bfloat16: NumPy has no such dtype", help="use x.half() or x.float()"))


def fill_diagonal_(self, fill_value, wrap=False):
    """Replace the elements whose indices are all equal, and give this Tensor."""
    functions.fill_diagonal(self, fill_value, wrap)
    return self


def put_(self, index, source, accumulate=False):
    """Replace the elements of the flattened Tensor at `index`, or add to them."""
    change = indexing.index_add if accumulate else indexing.index_set
    index, source = (shaping.reshape(shaping.as_value(x), (-1,)) for x in (index, source))
    return self._rebind(shaping.reshape(change(shaping.reshape(self, (-1,)), index, source), self.shape))


def shape_changing(name):
    """A method that gives this Tensor another shape. Views of it would no longer fit."""

    def method(self, *args, **kwargs):
        if getattr(self, "part", None) is not None or getattr(self, "views", False):
            asked = f"{name}_ of a Tensor that is a view or has views"
            raise UnsupportedError(explain(asked, help=f"write x = x.{name}(...)"))
        return self._bind(getattr(self.clone(), name)(*args, **kwargs).clone())

    method.__name__ = f"{name}_"
    return method


def _elementwise_in_place(name):
    def method(self, *others):
        if any(isinstance(x, Tensor) and x.requires_grad for x in (self, *others[:-1])):
            asked = f"{name} of a Tensor that requires grad: a Python function of numbers has no derivative"
            raise NonDifferentiableError(explain(asked, help="write it with functions of chainrule, or detach the Tensor"))
        function = others[-1]
        arrays = [np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (self, *others[:-1])]
        new = np.array([function(*xs) for xs in zip(*(a.ravel().tolist() for a in np.broadcast_arrays(*arrays)), strict=True)])
        return self.copy_(new.reshape(self.shape))

    method.__name__ = name
    method.__doc__ = "Replace each element by what a Python function gives of it (and of those of other arrays); slow."
    return method


def resize_(self, *sizes, memory_format=None):
    """Give this Tensor another shape: its elements in order, as far as there are any, and zeros behind them."""
    shape = shaping.as_shape(sizes[0] if len(sizes) == 1 else sizes)
    flat = shaping.reshape(self.clone(), (-1,))
    lacking = max(int(np.prod(shape)) - self.numel(), 0)
    if lacking:
        flat = joining.concatenate([flat, np.zeros(lacking, self.dtype)])
    if getattr(self, "part", None) is not None or getattr(self, "views", False):
        raise UnsupportedError(explain("resize_ of a Tensor that is a view or has views", help="write x = x.reshape(...)"))
    return self._bind(shaping.reshape(flat[: int(np.prod(shape))], shape).clone())


# What PyTorch has as functions of a Tensor, too.
QUESTIONS = frozenset(
    ["detach", "is_conj", "is_inference", "is_neg", "is_same_size", "is_signed", "resolve_conj", "resolve_neg"]
)

OTHERS = {
    "cuda": lambda self, device="cuda", **options: self.to(device),
    "apply_": _elementwise_in_place("apply_"),
    "map_": _elementwise_in_place("map_"),
    "is_conj": lambda self: False,
    "is_inference": lambda self: False,
    "is_neg": lambda self: False,
    "is_shared": lambda self: False,
    "resize_": resize_,
    "resize_as_": lambda self, the_template, memory_format=None: resize_(self, the_template.shape),
    "storage_offset": lambda self: 0,
    "bernoulli": lambda self, *, generator=None: random.bernoulli(self, generator),
    "add": add,
    "argsort": argsort,
    "bfloat16": bfloat16,
    "byte": in_dtype(np.uint8),
    "char": in_dtype(np.int8),
    "cdouble": in_dtype(np.complex128),
    "cfloat": in_dtype(np.complex64),
    "cov": cov,
    "data_ptr": lambda self: self.detach().numpy().ctypes.data,
    "element_size": lambda self: self.itemsize,
    "equal": equal,
    "fill_diagonal_": fill_diagonal_,
    "get_device": lambda self: -1,
    "half": in_dtype(np.float16),
    "index_add": index_add,
    "is_pinned": lambda self: False,
    "is_same_size": lambda self, other: self.shape == shaping.shape_of(other),
    "is_signed": lambda self: self.dtype.kind in "ifc",
    "lstsq": lambda self, b, **options: linalg.lstsq(self, b, **options),
    "ndimension": lambda self: self.ndim,
    "nelement": lambda self: self.numel(),
    "norm": norm,
    "new": new_filled(0),
    "new_empty": new_filled(0),
    "new_full": new_full,
    "new_ones": new_filled(1),
    "new_tensor": new_tensor,
    "new_zeros": new_filled(0),
    "pin_memory": lambda self: self,
    "polygamma": polygamma,
    "put_": put_,
    "resolve_conj": lambda self: self,
    "resolve_neg": lambda self: self,
    "repeat": repeat,
    "select": select,
    "split": split,
    "share_memory_": lambda self: self,
    "short": in_dtype(np.int16),
    "stride": stride,
    "sum_to_size": sum_to_size,
    "tile": tile,
    "type": type_,
    "unfold": unfold,
    "where": where,
}


PROPERTIES = {
    "mH": pytorch.adjoint,
    "is_cpu": lambda self: True,
    "is_cuda": lambda self: False,
    "is_mkldnn": lambda self: False,
    "is_mps": lambda self: False,
    "is_nested": lambda self: False,
    "is_sparse_csr": lambda self: False,
    "layout": lambda self: pytorch.strided,
    "is_meta": lambda self: False,
    "is_quantized": lambda self: False,
    "is_sparse": lambda self: False,
    "retains_grad": lambda self: self.requires_grad and not self.is_leaf and self.grad is not None,
}


def install():
    """Put the methods on the class, once."""
    for name in SAME.split():
        setattr(Tensor, name, _found(name))
    for name, method in OTHERS.items():
        setattr(Tensor, name, method)
    pytorch.keywords.accept_in(KEYWORDS.split(), functools.partial(getattr, Tensor), functools.partial(setattr, Tensor))
    for name in IN_PLACE.split():
        setattr(Tensor, f"{name}_", _in_place(name))
    for name, draw in RANDOM.items():
        setattr(Tensor, name, _random_in_place(name, draw))
    for name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
        setattr(Tensor, f"{name}_", shape_changing(name))
    for name, get in PROPERTIES.items():
        setattr(Tensor, name, property(get))
