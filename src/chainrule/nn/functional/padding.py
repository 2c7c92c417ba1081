"""Padding with PyTorch's conventions: pairs of widths from the last axis backwards."""

from ... import ops
from ...core.value import dtype_of, ndim_of, shape_of
from ...errors import ArgumentError, ShapeError, explain
from ...ops.shaping import as_value

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def check_widths(widths, sizes, mode, what):
    """Raise unless this mode can pad axes of these sizes by (before, after)."""
    limits = {"reflect": 1, "circular": 0}
    too_much = mode in limits and any(max(pair) > n - limits[mode] for n, pair in zip(sizes, widths, strict=True))
    if too_much or (mode != "constant" and any(n == 0 and any(pair) for n, pair in zip(sizes, widths, strict=True))):
        raise ShapeError(
            explain(
                f"{what}: mode {mode!r} cannot pad by more than there is",
                f"padding: {tuple(map(tuple, widths))}    sizes: {tuple(sizes)}",
                help="use less padding, or mode 'replicate'" if mode in limits else "use mode 'constant'",
            )
        )


def pad(input, pad, mode="constant", value=None):
    """Elements added around an array; negative widths cut some off.

    Parameters
    ----------
    input : array
    pad : (before, after) of the last axis, then of the one in front of it, and so on
    mode : 'constant'; 'reflect' (mirrored, without the edge), 'replicate' (the edge again) or 'circular'
    value : what 'constant' pads with, default 0

    Raises
    ------
    ShapeError
        There are more pairs than axes, or more to pad with than there is.
    ArgumentError
        The widths are no pairs, or the mode is unknown.

    Examples
    --------
    >>> import chainrule.nn.functional as F
    >>> F.pad(np.array([[1.0, 2.0, 3.0]]), (2, -1), mode="reflect")
    array([[3., 2., 1., 2.]])
    """
    x, widths = as_value(input), tuple(int(w) for w in pad)
    if mode not in MODES:
        raise ArgumentError(explain(f"pad: unknown mode {mode!r}", help=f"use one of {', '.join(MODES)}"))
    if len(widths) % 2:
        raise ArgumentError(explain("pad: widths come in pairs (before, after)", f"found: {widths}", help="add a 0"))
    if len(widths) > 2 * ndim_of(x):
        raise ShapeError(
            explain(
                "pad: there are more pairs of widths than axes",
                f"input: {dtype_of(x)} {shape_of(x)}    pad: {widths}",
                help="the first pair is for the last axis",
            )
        )
    if mode != "constant" and value:
        raise ArgumentError(explain(f"pad: mode {mode!r} takes no value", f"value: {value}", help="use mode 'constant'"))
    return pad_last(x, widths, mode, value, "pad")


def pad_last(x, widths, mode, value, what):
    """The same without checks of what a user gave, but of sizes."""
    n = len(widths) // 2
    pairs = [(widths[2 * i], widths[2 * i + 1]) for i in range(n)][::-1]  # in the order of the axes
    sizes = shape_of(x)[ndim_of(x) - n :]
    if mode != "constant":
        check_widths(pairs, sizes, mode, what)
    if any(b + size + a < 0 or -min(b, a) > size for size, (b, a) in zip(sizes, pairs, strict=True)):
        raise ShapeError(
            explain(f"{what}: nothing would be left to cut", f"sizes: {sizes}    padding: {pairs}", help="cut off less")
        )
    full = ((0, 0),) * (ndim_of(x) - n) + tuple((max(b, 0), max(a, 0)) for b, a in pairs)
    options = {"constant_values": value} if mode == "constant" and value else {}
    if mode == "circular":  # goes around what is left, as in PyTorch
        return ops.pad(_cut(x, pairs), full, MODES[mode])
    return _cut(ops.pad(x, full, MODES[mode], **options), pairs)


def _cut(x, pairs):
    """`x` without what negative widths of its last axes take away."""
    if all(min(pair) >= 0 for pair in pairs):
        return x
    sizes = shape_of(x)[ndim_of(x) - len(pairs) :]
    return x[(..., *(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(sizes, pairs, strict=True)))]


def pad_spatial(input, padding, mode, value, ndim, what):
    """Padding of the last `ndim` axes of (batch, channels, ...) or (channels, ...)."""
    x = as_value(input)
    if mode != "constant" and ndim_of(x) not in (ndim + 1, ndim + 2):
        raise ShapeError(
            explain(
                f"{what}: the input needs {ndim + 2} axes, or {ndim + 1} without a batch",
                f"found: {dtype_of(x)} {shape_of(x)}",
                help="F.pad takes any number of axes",
            )
        )
    if ndim_of(x) < ndim:
        raise ShapeError(
            explain(f"{what}: the input needs at least {ndim} axes", f"found: {dtype_of(x)} {shape_of(x)}", help="add axes")
        )
    return pad_last(x, padding, mode, value, what)
