"""The value that users hold: an array with its derivative bookkeeping. Methods are one line each over the ops."""

import math
import sys
from typing import Any

import numpy as np

from .assignment import Assignable
from .core.dispatch import state
from .devices import CPU
from .errors import ArgumentError, LostDerivativeError, ShapeError, explain
from .numpy_calls import NUMPY_FUNCTIONS, TRANSLATIONS, translation
from .numpy_errors import reword
from .operators import READERS, USUAL, guarded, operator, reflected, usual
from .ops import comparison, contraction, elementwise, shaping
from .scipy_calls import SCIPY, name_scipy, no_operator, warn_of_loss
from .shapes import Size
from .ufunc_calls import call_ufunc


class Count(int):
    """A number of elements that answers PyTorch's `x.size()` and `x.size(0)` too."""

    lengths: tuple  # not `shape`, by which NumPy would take it for an array

    def __call__(self, dim=None):
        return self.lengths if dim is None else self.lengths[dim]


def _from_users(args):
    """The array of `Tensor(data)`, or of `Tensor(2, 3)`, to which PyTorch gives that shape and any values: here zeros."""
    if all(isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in args):
        return np.zeros(args)
    if len(args) > 1:
        raise ArgumentError(explain("Tensor takes data or the sizes of axes", help="write cr.tensor(data) for several numbers"))
    return np.zeros(args[0]) if type(args[0]) is Size else np.array(args[0], float)


class Tensor(Assignable):
    """An n-dimensional array that takes part in differentiation.

    Made by `chainrule.tensor`, or by a transform such as `grad` for the arguments of the function that it runs. It
    has NumPy's and PyTorch's everyday methods, and NumPy's own functions accept it. Its `value` is the array, or a
    Tensor of an outer transform; its `owner` is the trace that runs operations on it; `note` is the owner's.
    """

    __slots__ = ("origin",)
    origin: Any  # the Leaf whose gradient `.grad` shows, where that is not the note
    __array_priority__ = 1000

    def __init__(self, value=(), owner=None, note=None, *more):
        if owner is None or owner.__class__ is int:  # as users call it; traces always say who owns the value
            value = _from_users([x for x in (value, owner, note, *more) if x is not None])
            owner, note, self.place = state.root, None, True
        self.value = value
        self.owner = owner
        self.note = note

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def shape(self):
        """The lengths of the axes: a tuple, with the methods of PyTorch's `Size`."""
        return Size(self.owner.shape_of(self))

    @shape.setter
    def shape(self, shape):
        self._reshape(shape)

    @property
    def ndim(self):
        return len(self.owner.shape_of(self))

    @property
    def size(self):
        """Number of elements; called, as in PyTorch, the shape or one of its lengths."""
        shape = self.shape
        size = Count(math.prod(shape))
        size.lengths = shape
        return size

    @property
    def itemsize(self):
        return self.dtype.itemsize

    @property
    def nbytes(self):
        return self.size * self.itemsize

    def numel(self):
        return math.prod(self.shape)

    def dim(self):
        return self.ndim

    @property
    def device(self):
        return CPU

    def is_floating_point(self):
        return self.dtype.kind == "f"

    def is_complex(self):
        return self.dtype.kind == "c"

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a Tensor without axes")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a Tensor without axes")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self):
        return self.owner.describe(self)

    __hash__ = object.__hash__

    # --- derivatives --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self):
        """Whether derivatives flow back through this Tensor. Can be set on Tensors that the user made."""
        return self.owner.carries_derivative(self)

    @requires_grad.setter
    def requires_grad(self, value):
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad=True):
        """Make this Tensor a leaf whose `.grad` is filled in by `backward`; integer dtypes raise."""
        state.ambient().require(self, requires_grad)
        self.place = True
        return self

    @property
    def is_leaf(self):
        return self.owner.is_leaf(self)

    @property
    def grad_fn(self):
        """The recorded operation that made this Tensor, with its `name` and `next_functions`; None for a leaf."""
        return self.owner.grad_fn(self)

    @property
    def grad(self):
        """The accumulated gradient, a Tensor, or None."""
        holder = self._grad_holder()
        if holder is not None and state.recorder is not None:
            state.recorder.grad_read(holder)
        elif state.whole is not None and state.whole.reads([self]):
            state.whole.to_array(self, ".grad")
        return None if holder is None else holder.grad

    @grad.setter
    def grad(self, value):
        holder = self._grad_holder()
        if holder is None:
            if value is None:
                return
            holder = self.owner.holder(self)
        if value is self:
            raise ArgumentError(explain("a Tensor cannot be its own grad", help="assign x.clone()"))
        if value is not None and not isinstance(value, Tensor):
            value = self.owner.constant(np.asarray(value, self.dtype))
        if value is not None and value.shape != self.shape:
            raise ArgumentError(
                explain(
                    "grad must have the shape of its Tensor",
                    f"Tensor: {self.shape}    grad: {value.shape}",
                    help="reshape or sum it first",
                )
            )
        if state.recorder is not None:
            state.recorder.grad_written(holder)
        elif state.whole is not None and state.whole.reads([self]):
            state.whole.to_array(self, ".grad")
        holder.grad = value

    @grad.deleter
    def grad(self):
        self.grad = None

    def _clear_grad(self, set_to_none):
        """Forget the gradient, or make it zero, in place where it is a constant."""
        grad = None if set_to_none else self.grad  # not looked at without need, since programs hang on what is seen
        if grad is None:
            self.grad = None
        elif type(grad) is Tensor and not grad.requires_grad:
            grad.data = np.zeros(self.shape, self.dtype)
        else:
            self.grad = np.zeros(self.shape, self.dtype)

    def _grad_holder(self):
        origin = getattr(self, "origin", None)
        return origin or (self.note if self.owner.is_leaf(self) else None)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Accumulate into `.grad` of every leaf the derivative of this Tensor, weighted by `gradient`.

        Parameters
        ----------
        gradient : array of this Tensor's shape; needed unless it has one element
        retain_graph : keep what a second `backward` over the same operations needs; default `create_graph`
        create_graph : record the backward pass too, so that gradients can be differentiated again
        inputs : leaves to accumulate into; default all

        Raises
        ------
        NonScalarOutputError
            This Tensor has several elements and no `gradient` is given.
        GraphFreedError
            The operations were walked before without `retain_graph=True`.

        Examples
        --------
        >>> import chainrule as cr
        >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        self.owner.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self):
        """Fill in `.grad` of this Tensor too, although it is not a leaf."""
        self.owner.retain_grad(self)

    def register_hook(self, hook):
        """Call `hook(gradient)` when the gradient of this Tensor is known; what it returns, if anything, replaces it.

        Returns a handle whose `remove()` takes the hook off again.
        """
        return self.owner.register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(self)` when `backward` has added to `.grad` of this leaf; returns a handle with `remove()`.

        >>> import chainrule as cr
        >>> x = cr.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (x * x).sum().backward()
        tensor([2., 4.])
        """
        return self.owner.register_post_accumulate_grad_hook(self, hook)

    @property
    def retains_grad(self):
        """Whether `retain_grad` was called on this Tensor, which is no leaf."""
        return not self.is_leaf and hasattr(self, "origin")

    def detach(self):
        """The same values as a constant: no derivative flows through the result, in any mode or order."""
        return self.owner.detach(self)

    def detach_(self):
        """Make this Tensor itself a constant."""
        self._rebind(self.detach())
        return self

    @property
    def data(self):
        """The values as a constant. Assigning to it, or to a part of it, replaces them and leaves the bookkeeping."""
        return self._view(self.detach(), lambda x: x.detach() if isinstance(x, Tensor) else x, None)

    @data.setter
    def data(self, value):
        if value is None:
            raise ArgumentError(explain("data cannot be None", help="assign an array of the same shape"))
        self._replace(value)

    def assign(self, value):
        """Replace the values, as TensorFlow's Variables do: nothing is recorded, and shape and dtype stay; returns this Tensor.

        >>> import chainrule as cr
        >>> v = cr.Variable([1.0, 2.0])
        >>> v.assign([3.0, 4.0]).assign_add([1.0, 1.0]).assign_sub([0.0, 5.0])
        tensor([4., 0.], requires_grad=True)
        """
        if shaping.shape_of(value) != self.shape:
            raise ShapeError(
                explain(
                    "assign: the new values must have the shape of the old ones",
                    f"expected: {tuple(self.shape)}    found: {tuple(shaping.shape_of(value))}",
                    help="broadcast or reshape them first",
                )
            )
        self.data = value
        return self

    def assign_add(self, delta):
        """Add to the values, as TensorFlow's Variables do; nothing is recorded."""
        return self.assign(self.detach() + shaping.as_value(delta))

    def assign_sub(self, delta):
        """Subtract from the values, as TensorFlow's Variables do; nothing is recorded."""
        return self.assign(self.detach() - shaping.as_value(delta))

    # --- ways out -----------------------------------------------------------------------------------------------------

    def __array__(self, dtype=None, copy=None):
        # Whole numbers have no derivative that could be lost.
        x = shaping.cast(self, dtype) if dtype is not None and np.dtype(dtype).kind in "biu" else self
        try:
            array = np.asarray(x.owner.to_array(x, "np.asarray"), dtype)
        except LostDerivativeError as error:
            name_scipy(error)
            raise
        return array.copy() if copy else array

    def numpy(self, *, force=False):
        """The values as a NumPy array that shares memory; raises if a derivative would be lost, unless with `force`."""
        return np.asarray(self.owner.to_array(self.detach() if force else self, ".numpy()"))

    def item(self, *place):
        """The only element, or the one at `place` (one number counts through the flattened Tensor), as a Python number."""
        if place:
            at = place[0] if len(place) == 1 else place
            return (self if isinstance(at, tuple) else shaping.reshape(self, (-1,)))[at].item()
        return self._number(".item()").item()

    def tolist(self):
        """The values as nested lists of Python numbers."""
        return np.asarray(self.owner.to_scalar(self, ".tolist()")).tolist()

    def _number(self, asked):
        if sys._getframe(2).f_code.co_filename.startswith(SCIPY):
            warn_of_loss(self, asked)
        value = np.asarray(self.owner.to_scalar(self, asked))
        if value.size != 1:
            raise ArgumentError(
                explain(
                    "can only convert an array of size 1 to a Python scalar",
                    f"{asked} of a Tensor with {value.size} elements",
                    f"Tensor: {self.dtype} {self.shape}",
                    help="reduce it to one element first, or use .tolist()",
                )
            )
        return value

    def __float__(self):
        return float(self._number("float()").reshape(()))

    def __int__(self):
        x = elementwise.trunc(self) if self.dtype.kind == "f" else self  # which has no derivative that could be lost
        return int(x._number("int()").reshape(()))

    def __complex__(self):
        return complex(self._number("complex()").reshape(()))

    def __index__(self):
        if self.dtype.kind not in "iu" or self.ndim:  # NumPy indexes with one that has axes as with an array
            raise TypeError("only Tensors of one integer without axes can be used as an index")
        return int(self._number("index").reshape(()))

    def __bool__(self):
        if self.size != 1:
            raise ArgumentError(
                explain(
                    f"the truth of a Tensor with {self.size} elements is ambiguous",
                    f"Tensor: {self.dtype} {self.shape}",
                    help="use .any() or .all(), or cr.where(condition, x, y) to choose element by element",
                )
            )
        return self.owner.truth(self)

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __reduce__(self):
        array = np.asarray(self.owner.to_array(self.detach(), "pickle"))
        return _rebuild, (array, self.requires_grad and self.is_leaf)

    def __copy__(self):
        return self.clone()

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise LostDerivativeError(
                explain("deepcopy of a Tensor that is not a leaf", f"made by: {self.grad_fn}", help="copy x.detach() instead")
            )
        new = self.owner.copy_leaf(self)
        memo[id(self)] = new
        return new

    # --- protocols of NumPy -------------------------------------------------------------------------------------------

    @property
    def matvec(self):
        no_operator(self)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        given = inputs if method != "__call__" or USUAL.issuperset(map(type, inputs)) else usual(inputs)
        if given is None:
            return NotImplemented
        try:
            if not kwargs and method == "__call__" and ufunc in NUMPY_FUNCTIONS:
                return NUMPY_FUNCTIONS[ufunc](*given)
            return call_ufunc(ufunc, method, given, kwargs.copy())
        except Exception as error:
            reword(error, getattr(ufunc, method), inputs, kwargs)
            raise

    def __array_namespace__(self, *, api_version=None):
        """The Array API namespace, `chainrule.numpy`."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"version {api_version!r} of the Array API is not known; chainrule.numpy follows 2024.12")
        return sys.modules["chainrule.numpy"]

    def __array_function__(self, func, types, args, kwargs):
        known = TRANSLATIONS.get(func) or translation(func)
        try:
            if state.recorder is not None and self.owner is state.recorder:
                return state.recorder.of_numpy(known(args, kwargs), args, kwargs)
            if len(args) <= known.straight and (not kwargs or known.same.issuperset(kwargs)):
                return known.ours(*args, **kwargs)  # here rather than in `known`: one call less
            return known(args, kwargs)
        except Exception as error:
            reword(error, func, args, kwargs)
            raise

    # --- operators ----------------------------------------------------------------------------------------------------

    __pandas_priority__ = 5000  # data frames let Tensors answer
    __add__, __radd__ = operator(elementwise.add), reflected(elementwise.add)
    __mul__, __rmul__ = operator(elementwise.multiply), reflected(elementwise.multiply)
    __sub__, __rsub__ = operator(elementwise.subtract), reflected(elementwise.subtract)
    __truediv__, __rtruediv__ = operator(elementwise.divide), reflected(elementwise.divide)
    __mod__, __rmod__ = operator(elementwise.remainder), reflected(elementwise.remainder)
    __floordiv__, __rfloordiv__ = operator(elementwise.floor_divide), reflected(elementwise.floor_divide)
    __matmul__, __rmatmul__ = guarded(contraction.matmul), reflected(contraction.matmul)
    __and__, __rand__ = operator(comparison.bitwise_and), reflected(comparison.bitwise_and)
    __or__, __ror__ = operator(comparison.bitwise_or), reflected(comparison.bitwise_or)
    __xor__, __rxor__ = operator(comparison.bitwise_xor), reflected(comparison.bitwise_xor)
    __lshift__, __rlshift__ = operator(comparison.left_shift), reflected(comparison.left_shift)
    __rshift__, __rrshift__ = operator(comparison.right_shift), reflected(comparison.right_shift)
    __lt__, __le__ = operator(comparison.less), operator(comparison.less_equal)
    __gt__, __ge__ = operator(comparison.greater), operator(comparison.greater_equal)
    __eq__, __ne__ = operator(comparison.equal), operator(comparison.not_equal)
    _power, __rpow__ = operator(elementwise.power), reflected(elementwise.power)
    __neg__, __abs__, __invert__ = elementwise.negative, elementwise.absolute, comparison.invert
    __floor__, __ceil__, __trunc__ = comparison.floor, comparison.ceil, elementwise.trunc

    def __pow__(self, exponent):
        return elementwise.square(self) if type(exponent) is int and exponent == 2 else self._power(exponent)

    pow = __pow__

    def __pos__(self):
        return self.clone()

    def __rdivmod__(self, other):
        return other // self, other % self

    def __round__(self, digits=0):
        return comparison.round(self, digits or 0)

    def __divmod__(self, other):
        return self // other, self % other


USUAL.add(Tensor)
READERS[Count] = int  # which takes the dtype of what stands beside it


def _renewed(view):
    """A view that what it is a part of has changed since it was read, as that has it now."""
    chain = [view]
    while type(chain[-1].part.whole) is Stale:
        chain.append(chain[-1].part.whole)
    for stale in reversed(chain):
        _read_anew(stale)
    return view


def _read_anew(view):
    view.__class__ = Tensor
    new = view.part.read(view.part.whole)
    if hasattr(type(view.owner), "rebind"):
        loops, state.abstract = state.abstract, []  # reading is no assignment
        try:
            view.owner.rebind(view, new)
        finally:
            state.abstract = loops
    else:  # it was of a transform that has ended
        Tensor.__init__(view, new.value, new.owner, new.note)


def _fresh(name):
    def write(view, x):
        setattr(_renewed(view), name, x)

    return property(lambda view: getattr(_renewed(view), name), write)


class Stale(Tensor):
    """What a view is while what it is a part of has changed: it is read anew when somebody looks."""

    __slots__ = ()
    value, owner, note = _fresh("value"), _fresh("owner"), _fresh("note")


Tensor.stale = Stale


def _rebuild(array, requires_grad):
    t = state.ambient().constant(array)
    t.place = True
    return t.requires_grad_() if requires_grad else t
