"""Random numbers for the loading of data: a stream for each sample, whichever process loads it."""

import threading

import numpy as np

from ..errors import ArgumentError, explain
from ..random import Generator, default_generator


class _Here(threading.local):
    key: tuple | None = None  # of the sample that is being loaded
    stream: np.random.Generator | None = None


_here = _Here()


def begin(key):
    """From now on, `stream()` draws for the sample with this key, a tuple of ints; None ends it."""
    _here.key, _here.stream = key, None


def stream():
    """The generator to draw from while a sample is loaded, a `numpy.random.Generator`.

    While a DataLoader loads a sample, its numbers depend only on the loader's seed, the epoch, and the sample's place in it:
    not on the number of worker processes. Otherwise they follow from chainrule's default generator, which
    `chainrule.manual_seed` starts.

    >>> import chainrule as cr
    >>> _ = cr.manual_seed(0)
    >>> a = cr.data.stream().normal()
    >>> _ = cr.manual_seed(0)
    >>> a == cr.data.stream().normal()
    True
    """
    if _here.key is None:
        return numpy_generator([drawn_key(default_generator)])
    if _here.stream is None:
        _here.stream = numpy_generator(_here.key)
    return _here.stream


def numpy_generator(key):
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([int(k) for k in key])))


def drawn_key(generator):
    """A number to start a stream from."""
    return int(generator.integers(0, 2**63 - 1).item())


def generator_for(generator, seed, asked):
    """The generator that was given, a new one from `seed`, or the default one."""
    if generator is not None and seed is not None:
        raise ArgumentError(
            explain(f"{asked}: give `generator` or `seed`, not both", f"seed: {seed!r}", help="a seed alone is enough")
        )
    if seed is not None:
        return Generator(seed)
    return default_generator if generator is None else generator
