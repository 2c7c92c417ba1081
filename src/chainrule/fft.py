"""Fourier transforms in NumPy's names; also `chainrule.numpy.fft` and what np.fft does with a Tensor."""

__all__ = [name for name, thing in list(globals().items()) if callable(thing)]  # the functions above, no modules
