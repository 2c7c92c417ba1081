"""What chainrule raises. Every message says what was asked, what was found, and a `help:` line.

Each class also derives from the built-in exception that NumPy or PyTorch users would catch.
"""


def explain(asked: str, *found: str, help: str) -> str:
    """Lay out an error message: one line for what was asked, some for what was found, one of help."""
    return "\n".join([asked, *(f"  {line}" for line in found), f"  help: {help}"])


class ChainruleError(Exception):
    """Base of all errors that chainrule raises on purpose."""


class NonDifferentiableError(ChainruleError, TypeError):
    """A derivative was asked for where none exists: integer inputs, non-array outputs."""


class NonScalarOutputError(ChainruleError, TypeError, RuntimeError):
    """A gradient was asked of a function with a non-scalar output, and no cotangent was given."""


class GraphFreedError(ChainruleError, RuntimeError):
    """`backward` ran a second time over values that the first run has freed."""


class AnomalyError(ChainruleError, RuntimeError):
    """A derivative is NaN, and `detect_anomaly` was asked to find where."""


class LeakedTensorError(ChainruleError, RuntimeError):
    """A traced Tensor was used after the transform that made it had ended."""


KEEP_DERIVATIVE = (
    "np.stack([...]) for np.array([...]) of Tensors, np.zeros_like(x) for an array that is assigned to, a @ x for "
    "a.dot(x) of a plain array; x.detach() if no derivative is needed"
)


class LostDerivativeError(ChainruleError, TypeError, RuntimeError):
    """An operation would have turned a traced Tensor into a plain number and lost its derivative."""


class ShapeError(ChainruleError, ValueError, RuntimeError):
    """Shapes do not fit together. To NumPy's programs that is a ValueError, to PyTorch's a RuntimeError."""


class TreeError(ChainruleError, ValueError, TypeError):
    """Two trees of arrays that should have the same structure differ."""


class ArgumentError(ChainruleError, ValueError, TypeError):
    """An argument such as `argnums` or `in_axes` does not fit the call."""


class UnsupportedError(ChainruleError, TypeError, NotImplementedError):
    """A NumPy function or option that chainrule does not (yet) differentiate through."""


class CompileError(ChainruleError, RuntimeError):
    """A function uses something that a compiled program cannot follow, or a compiled program differs from its function."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional package is needed and not installed."""


class DataError(ChainruleError, ValueError):
    """A data file is truncated or not what its name says."""


class MissingDataError(DataError, FileNotFoundError):
    """A data file is missing."""


class ZeroGradientWarning(UserWarning):
    """A gradient is zero everywhere because the input goes only through operations that have no derivative."""


class LostDerivativeWarning(UserWarning):
    """A function of SciPy's has made a plain number of a Tensor that derivatives flow through."""


class RepeatedValuesWarning(RuntimeWarning):
    """Where eigenvalues or singular values are equal, a derivative was asked for that is not known to be right."""


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error to raise when `package` of the optional dependency group `extra` cannot be imported."""
    return MissingExtraError(
        explain(f"{purpose} needs the package {package!r}, which is not installed", help=f"pip install 'chainrule[{extra}]'")
    )
