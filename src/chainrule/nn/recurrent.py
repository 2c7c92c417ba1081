"""Recurrent layers: a cell that is run along a sequence, its state handed on from step to step.

The part of a cell that only depends on the input is one matrix product over the whole sequence, before the loop over time.
"""

import math
from typing import ClassVar

import numpy as np

from ..core.value import dtype_of, ndim_of, shape_of
from ..errors import ArgumentError, ShapeError, explain
from ..ops import concatenate, matmul, moveaxis, relu, reshape, sigmoid, stack, tanh, transpose, where
from ..ops.shaping import expand
from ..tensor import Tensor
from ..transforms.control import scan
from . import functional as F, init
from .entry import check_last, enter, parameter_dtype
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence, filled_up, pack_again

# --- one step ---------------------------------------------------------------------------------------------------------
# Each takes what the input contributes to all gates, the state, and the recurrent weights; and gives the new state.


def _rnn_step(projected, state, weight, bias, activation):
    (h,) = state
    total = projected + matmul(h, weight)
    return (activation(total if bias is None else total + bias),)


def _gates(x, count):
    """Equal parts of the last axis."""
    size = shape_of(x)[-1] // count
    return [x[..., i * size : (i + 1) * size] for i in range(count)]


def _lstm_step(projected, state, weight, bias, activation):
    h, c = state
    total = projected + matmul(h, weight)
    i, f, g, o = _gates(total if bias is None else total + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * activation(g)
    return sigmoid(o) * activation(c), c


def _gru_step(projected, state, weight, bias, activation):
    (h,) = state
    own = matmul(h, weight)
    size = shape_of(h)[-1]
    own = own if bias is None else own + bias
    r, z = _gates(sigmoid(projected[..., : 2 * size] + own[..., : 2 * size]), 2)
    n = activation(projected[..., 2 * size :] + r * own[..., 2 * size :])
    return (n + z * (h - n),)


def _as_parts(state, count):
    """What users give as a state as its parts: h alone, or the pair (h, c); None for zeros."""
    return [state] if count == 1 and state is not None else state


def _as_state(parts):
    return tuple(parts) if len(parts) > 1 else parts[0]


def _check_state(state, shapes, what):
    if len(state) != len(shapes):
        raise ArgumentError(
            explain(f"{what}: the initial state is a pair (h, c)", f"found: {len(state)} arrays", help="leave it out for zeros")
        )
    for name, h, shape in zip("hc", state, shapes, strict=False):
        if shape_of(h) != shape:
            raise ShapeError(
                explain(
                    f"{what}: the initial state {name} does not fit",
                    f"expected: {shape}    found: {dtype_of(h)} {shape_of(h)}",
                    help="leave it out for zeros",
                )
            )


# --- layers -----------------------------------------------------------------------------------------------------------


class RNNBase(Module):
    """Layers of cells in one or two directions."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    step: ClassVar
    weight_ih_l0: Tensor

    def _build(self, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, dtype):
        if not 0 <= dropout <= 1:
            raise ArgumentError(
                explain(f"{type(self).__name__}: dropout must be a probability", f"dropout: {dropout}", help="0 drops nothing")
            )
        if hidden_size < 1 or num_layers < 1 or not 0 <= proj_size < hidden_size:
            raise ArgumentError(
                explain(
                    f"{type(self).__name__}: sizes do not fit",
                    f"hidden_size: {hidden_size}    num_layers: {num_layers}    proj_size: {proj_size}",
                    help="hidden_size and num_layers must be positive, proj_size smaller than hidden_size",
                )
            )
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.proj_size = proj_size
        out, rows = proj_size or hidden_size, self.gates * hidden_size
        for layer in range(num_layers):
            below = input_size if layer == 0 else out * (2 if bidirectional else 1)
            for suffix in self._suffixes(layer):
                shapes: dict[str, tuple] = {"weight_ih": (rows, below), "weight_hh": (rows, out)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                for name, shape in shapes.items():
                    self.register_parameter(name + suffix, Parameter(np.zeros(shape, dtype)))
        self.reset_parameters()

    def flatten_parameters(self):
        """PyTorch's request to lay parameters side by side in a GPU's memory; without effect."""

    @property
    def all_weights(self):
        """The parameters of each layer and direction."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [[p for name, p in self.named_parameters() if name[name.index("_l") :] == suffix] for suffix in suffixes]

    def _suffixes(self, layer):
        return (f"_l{layer}", f"_l{layer}_reverse") if self.bidirectional else (f"_l{layer}",)

    def reset_parameters(self):
        """Draw the parameters anew, uniformly from +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _activation(self):
        return tanh

    def forward(self, input, hx=None):
        """Outputs of the last layer at every step and the last state of every layer, `(out, h)`; for LSTM `(out, (h, c))`.

        `input` may be a `PackedSequence`; then `out` is one too.
        """
        out, state = self._forward(input, _as_parts(hx, self.states))
        return out, _as_state(state)

    def _run(self, xs, state, suffix, reverse, inside):
        """(outputs, last state) of one direction of one layer over `xs` (time, batch, features).

        `inside` says at which places of (time, batch) the state moves; None for everywhere.
        """
        weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = (
            getattr(self, name + suffix, None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        )
        projected = matmul(xs, transpose(weight_ih))
        projected = projected if bias_ih is None else projected + bias_ih
        step, activation, weight = type(self).step, self._activation(), transpose(weight_hh)
        shorten = None if weight_hr is None else transpose(weight_hr)

        def cell(state, x):
            h, *rest = step(x, state, weight, bias_hh, activation)
            h = h if shorten is None else matmul(h, shorten)
            return (h, *rest), h

        def cell_inside(state, at):
            x, moves = at
            new, h = cell(state, x)
            return tuple(where(moves, a, b) for a, b in zip(new, state, strict=True)), h

        if inside is None:
            state, ys = scan(cell, state, projected, reverse=reverse)
        else:
            state, ys = scan(cell_inside, state, (projected, inside[:, :, None]), reverse=reverse)
        return ys, state

    def _forward(self, x, state):
        """(outputs, last states, each of shape (layers * directions, batch, features)), all without batch if `x` is."""
        if isinstance(x, PackedSequence):
            return self._forward_packed(x, state)
        x = enter(x, self.weight_ih_l0.dtype)
        what, batched = self._what(), ndim_of(x) == 3
        if ndim_of(x) not in (2, 3) or shape_of(x)[1 if batched and self.batch_first else 0] == 0:
            raise ShapeError(
                explain(
                    f"{what}: the input needs 3 axes, or 2 without a batch, and at least one step",
                    f"found: {dtype_of(x)} {shape_of(x)}",
                    help="(time, batch, features), with batch_first (batch, time, features); or (time, features)",
                )
            )
        check_last(x, (self.input_size,), what, "input_size")
        x = expand(x, (1,)) if not batched else moveaxis(x, 0, 1) if self.batch_first else x
        state = self._first_state(state, (shape_of(x)[1],) if batched else (), dtype_of(x))
        x, ends = self._layers(x, state if batched else [expand(h, (1,)) for h in state], None)
        if not batched:
            return reshape(x, (shape_of(x)[0], shape_of(x)[2])), [h[:, 0] for h in ends]
        return (moveaxis(x, 0, 1) if self.batch_first else x), ends

    def _forward_packed(self, packed, state):
        """The same for sequences of different lengths: at places that they do not reach, the state stays."""
        x, inside = filled_up(packed.with_data(enter(packed.data, self.weight_ih_l0.dtype)))
        if ndim_of(x) != 3:
            raise ShapeError(
                explain(
                    f"{self._what()}: packed data needs 2 axes", f"found: {shape_of(packed.data)}", help="(steps, features)"
                )
            )
        check_last(x, (self.input_size,), self._what(), "input_size")
        there, back = packed.sorted_indices, packed.unsorted_indices
        state = self._first_state(state, (shape_of(x)[1],), dtype_of(x))
        state = state if there is None else [h[:, there] for h in state]
        x, ends = self._layers(x, state, None if inside.all() else inside)
        return pack_again(x, packed), ends if back is None else [h[:, back] for h in ends]

    def _what(self):
        return f"{type(self).__name__}({self.extra_repr()})"

    def _first_state(self, state, batch, dtype):
        """The state that was given, or zeros: arrays of shape (layers * directions, *batch, features)."""
        rows = self.num_layers * (2 if self.bidirectional else 1)
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: self.states]
        if state is None:
            return [np.zeros((rows, *batch, n), dtype) for n in sizes]
        state = [enter(h, dtype) for h in state]
        _check_state(state, [(rows, *batch, n) for n in sizes], self._what())
        return state

    def _layers(self, x, state, inside):
        """(outputs of the last layer, last states of all) over `x` (time, batch, features)."""
        directions = 2 if self.bidirectional else 1
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outs = []
            for k, suffix in enumerate(self._suffixes(layer)):
                first = tuple(h[layer * directions + k] for h in state)
                ys, end = self._run(x, first, suffix, k == 1, inside)
                outs.append(ys)
                last.append(end)
            x = outs[0] if directions == 1 else concatenate(outs, -1)
        return x, [stack(hs) for hs in zip(*last, strict=True)]

    def extra_repr(self):
        shown = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        return ", ".join(shown + [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v])


class RNN(RNNBase):
    """`h' = tanh(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh)` along a sequence (Elman, 1990).

    Parameters
    ----------
    input_size : number of features of the input
    hidden_size : number of features of the state
    num_layers : layers on top of each other
    nonlinearity : 'tanh' or 'relu'
    bias : False leaves the biases away
    batch_first : inputs and outputs are (batch, time, features) instead of (time, batch, features)
    dropout : probability of an output to be dropped on the way to the next layer, while training
    bidirectional : a second cell runs from the end of the sequence; outputs stand side by side
    dtype : of the parameters, default float32; floating point inputs are cast to it

    Attributes
    ----------
    weight_ih_l0 ... : Parameters as in PyTorch, drawn uniformly from +-1 / sqrt(hidden_size)

    Raises
    ------
    ShapeError
        An input has other axes or features, or no step; an initial state does not fit.

    Examples
    --------
    >>> from chainrule import nn
    >>> out, h = nn.RNN(3, 4)(np.ones((7, 2, 3)))
    >>> out.shape, h.shape
    ((7, 2, 4), (1, 2, 4))
    """

    gates, step = 1, staticmethod(_rnn_step)

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        self.nonlinearity = _checked(nonlinearity, "RNN")
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0)
        self._build(*sizes, parameter_dtype(dtype, device))

    def _activation(self):
        return ACTIVATIONS[self.nonlinearity]


class LSTM(RNNBase):
    """Long short-term memory along a sequence (Hochreiter and Schmidhuber, 1997).

    `i, f, g, o = split(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh)`; `c' = sigmoid(f) * c + sigmoid(i) * tanh(g)`;
    `h' = sigmoid(o) * tanh(c')`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype : as for `RNN`
    proj_size : if positive, h is shortened to this size by a further matrix

    Raises
    ------
    ShapeError
        An input has other axes or features, or no step; an initial state does not fit.

    Examples
    --------
    >>> from chainrule import nn
    >>> out, (h, c) = nn.LSTM(3, 4, num_layers=2, bidirectional=True)(np.ones((7, 2, 3)))
    >>> out.shape, h.shape, c.shape
    ((7, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    gates, states, step = 4, 2, staticmethod(_lstm_step)

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        self._build(*sizes, parameter_dtype(dtype, device))


class GRU(RNNBase):
    """Gated recurrent units along a sequence (Cho et al., 2014).

    `r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)`, `z` in the same way; `n = tanh(W_in x + b_in + r * (W_hn h + b_hn))`;
    `h' = (1 - z) * n + z * h`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype : as for `RNN`

    Raises
    ------
    ShapeError
        An input has other axes or features, or no step; an initial state does not fit.

    Examples
    --------
    >>> from chainrule import nn
    >>> out, h = nn.GRU(3, 4, batch_first=True)(np.ones((2, 7, 3)))
    >>> out.shape, h.shape
    ((2, 7, 4), (1, 2, 4))
    """

    gates, step = 3, staticmethod(_gru_step)

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
    ):
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0)
        self._build(*sizes, parameter_dtype(dtype, device))


ACTIVATIONS = {"tanh": tanh, "relu": relu}


def _checked(nonlinearity, what):
    if nonlinearity not in ACTIVATIONS:
        raise ArgumentError(explain(f"{what}: unknown nonlinearity {nonlinearity!r}", help="use 'tanh' or 'relu'"))
    return nonlinearity


# --- cells ------------------------------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """One step, for loops of one's own."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    step: ClassVar
    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        dtype = parameter_dtype(dtype, device)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self.gates * hidden_size
        self.weight_ih = Parameter(np.zeros((rows, input_size), dtype))
        self.weight_hh = Parameter(np.zeros((rows, hidden_size), dtype))
        self.register_parameter("bias_ih", Parameter(np.zeros(rows, dtype)) if bias else None)
        self.register_parameter("bias_hh", Parameter(np.zeros(rows, dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew, uniformly from +-1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _activation(self):
        return tanh

    def forward(self, input, hx=None):
        """The new state, of the shape that the old one has or would have."""
        what = f"{type(self).__name__}({self.extra_repr()})"
        dtype, state = self.weight_ih.dtype, _as_parts(hx, self.states)
        x = enter(input, dtype)
        if ndim_of(x) not in (1, 2):
            raise ShapeError(
                explain(
                    f"{what}: the input needs 2 axes, or 1 without a batch", f"found: {shape_of(x)}", help="(batch, features)"
                )
            )
        check_last(x, (self.input_size,), what, "input_size")
        shape = (*shape_of(x)[:-1], self.hidden_size)
        state = [np.zeros(shape, dtype_of(x))] * self.states if state is None else [enter(h, dtype) for h in state]
        _check_state(state, [shape] * self.states, what)
        projected = matmul(x, transpose(self.weight_ih))
        projected = projected if self.bias_ih is None else projected + self.bias_ih
        return _as_state(type(self).step(projected, state, transpose(self.weight_hh), self.bias_hh, self._activation()))

    def extra_repr(self):
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RNNCellBase):
    """One step of `RNN`: `(x, h)` gives the new h.

    >>> from chainrule import nn
    >>> nn.RNNCell(3, 4)(np.ones((2, 3))).shape
    (2, 4)
    """

    gates, step = 1, staticmethod(_rnn_step)

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        self.nonlinearity = _checked(nonlinearity, "RNNCell")
        super().__init__(input_size, hidden_size, bias, device, dtype)

    def _activation(self):
        return ACTIVATIONS[self.nonlinearity]

    def extra_repr(self):
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: `(x, (h, c))` gives the new (h, c).

    >>> from chainrule import nn
    >>> h, c = nn.LSTMCell(3, 4)(np.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates, states, step = 4, 2, staticmethod(_lstm_step)


class GRUCell(RNNCellBase):
    """One step of `GRU`: `(x, h)` gives the new h.

    >>> from chainrule import nn
    >>> nn.GRUCell(3, 4)(np.ones((2, 3))).shape
    (2, 4)
    """

    gates, step = 3, staticmethod(_gru_step)
