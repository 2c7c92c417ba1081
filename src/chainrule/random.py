"""Random numbers: generators in the manner of NumPy's, and PyTorch's functions that draw from a default one.

A draw is a pure function of the generator's state, which it advances. So a recorded program draws anew each time it runs, and
seeds give the same numbers eager, recorded, compiled and in another process. Samples of continuous distributions are smooth
functions of their parameters, and derivatives of any order flow to these.
"""

import contextlib

import numpy as np

from .core.value import shape_of
from .devices import CPU, on_cpu
from .ops.shaping import as_shape, cast
from .sampling.continuous import Continuous
from .sampling.order import Order
from .sampling.stream import result_dtype


class Generator(Continuous, Order):
    """A stream of random numbers, with the methods of `numpy.random.Generator`; the results are Tensors.

    Its whole state is the Tensor `state`: two words of key and a counter. The random words are those of Philox4x64-10.

    Parameters
    ----------
    seed : None takes one from the operating system; else an int, a sequence of ints, or a NumPy `SeedSequence`

    Notes
    -----
    Samples have the dtype of those parameters that are arrays, float64 if all are Python numbers; the keyword `dtype` asks for
    another. Parameters are checked where they are plain numbers and arrays. Inside of `vmap`, each entry draws numbers of its
    own, unless it is told otherwise (`vmap(..., randomness="same")`).

    Derivatives flow to the parameters of continuous distributions, at fixed random bits. Whole numbers, choices and shuffles
    are constants; `gumbel_softmax` and `relaxed_bernoulli` stand in for them where a derivative is needed.

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.random.Generator(7), cr.random.Generator(7)
    >>> bool((a.normal(size=3) == b.normal(size=3)).all())
    True
    """

    device = CPU


def default_rng(seed=None):
    """A new generator with this seed; a generator is given back as it is.

    >>> import chainrule as cr
    >>> rng = cr.random.default_rng(7)
    >>> rng.uniform(size=(2, 3)).shape
    (2, 3)
    """
    return seed if isinstance(seed, Generator) else Generator(seed)


default_generator = Generator()


def manual_seed(seed):
    """Start the default generator from `seed`.

    >>> import chainrule as cr
    >>> _ = cr.manual_seed(0)
    """
    return default_generator.manual_seed(seed)


seed = manual_seed


def _shape(shape, size=None):
    return as_shape(size if size is not None else shape[0] if len(shape) == 1 else shape)


def _made(t, requires_grad):
    return t.requires_grad_() if requires_grad else t


def _parts(draw, shape, dtype):
    """`draw(shape, dtype)`; real and imaginary parts one by one for a complex dtype."""
    if np.dtype(dtype).kind != "c":
        return draw(shape, dtype)
    parts = draw((2, *((shape,) if isinstance(shape, int) else shape)), np.zeros(0, dtype).real.dtype)
    return parts[0] + 1j * parts[1]


def rand(*shape, size=None, dtype=np.float64, requires_grad=False, generator=None, device=None):
    """Uniform numbers from [0, 1), as a Tensor; of complex numbers both parts.

    >>> import chainrule as cr
    >>> cr.rand(2, 3).shape
    (2, 3)
    """
    on_cpu(device)
    return _made(_parts((generator or default_generator).random, _shape(shape, size), dtype), requires_grad)


def randn(*shape, size=None, dtype=np.float64, requires_grad=False, generator=None, device=None):
    """Standard normal numbers, as a Tensor.

    >>> import chainrule as cr
    >>> cr.randn(2, 3).shape
    (2, 3)
    """
    on_cpu(device)
    z = _parts((generator or default_generator).standard_normal, _shape(shape, size), dtype)
    return _made(z * z.real.dtype.type(0.5**0.5) if z.dtype.kind == "c" else z, requires_grad)  # of variance 1


def rand_like(x, dtype=None, requires_grad=False, generator=None, device=None):
    """Uniform numbers in the shape and dtype of `x`."""
    return rand(shape_of(x), dtype=dtype or x.dtype, requires_grad=requires_grad, generator=generator, device=device)


def randn_like(x, dtype=None, requires_grad=False, generator=None, device=None):
    """Standard normal numbers in the shape and dtype of `x`."""
    return randn(shape_of(x), dtype=dtype or x.dtype, requires_grad=requires_grad, generator=generator, device=device)


def randint(low, high=None, size=None, generator=None, dtype=np.int64, device=None):
    """Whole numbers from [low, high), or [0, low).

    >>> import chainrule as cr
    >>> bool((cr.randint(3, (5,)) < 3).all())
    True
    """
    if size is None and isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    on_cpu(device)
    return (generator or default_generator).integers(low, high, size, dtype)


def randperm(n, generator=None, dtype=None, device=None):
    """The numbers 0 to n-1 in random order."""
    on_cpu(device)
    drawn = (generator or default_generator).permutation(n)
    return drawn if dtype is None else cast(drawn, np.dtype(dtype))


def normal(mean=0.0, std=1.0, size=None, generator=None):
    """Normal numbers; derivatives flow to `mean` and `std`."""
    return (generator or default_generator).normal(mean, std, size)


def uniform(low=0.0, high=1.0, size=None, generator=None):
    """Uniform numbers from [low, high); derivatives flow to both ends."""
    return (generator or default_generator).uniform(low, high, size)


def bernoulli(p, generator=None):
    """1 with probability `p`, else 0, in the shape and dtype of `p`."""
    return (generator or default_generator).bernoulli(p, dtype=result_dtype(None, p, what="bernoulli"))


def get_rng_state():
    """State of the default generator."""
    return default_generator.get_state()


def set_rng_state(new):
    """Continue the default generator from a state that `get_rng_state` gave."""
    default_generator.set_state(new)


@contextlib.contextmanager
def fork_rng(devices=(), enabled=True, **unused):
    """What is drawn inside leaves the default generator as it was; `devices` and other options of PyTorch's choose nothing.

    >>> import chainrule as cr
    >>> _ = cr.manual_seed(0)
    >>> with cr.random.fork_rng():
    ...     inside = cr.rand(2)
    >>> bool((cr.rand(2) == inside).all())
    True
    """
    before = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)
