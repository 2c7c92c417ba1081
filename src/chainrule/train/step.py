"""One step of training as a function, and functions that run as compiled programs where that pays.

A step is written so that a program can do it again: what it reads and changes are Tensors, and the only decision is whether
loss and gradients are finite. If they are not, nothing is changed, so that what went wrong can be looked at.
"""

import copy
import functools
import importlib
import warnings

import numpy as np

from ..core.value import Value
from ..errors import ArgumentError, CompileError, explain
from ..nn.utils import clip_grad_value_
from ..ops import absolute, isfinite, minimum, sqrt, square, stack, sum as sum_of
from ..ops.shaping import as_value, cast
from ..optim import LBFGS
from ..transforms.scope import no_grad

SHAPES = 8  # kinds of batches that get a program of their own
# Estimates for whether compiling pays, in seconds: for each parameter array, a program and an eager step; each element's part.
PROGRAM, ARRAY, ELEMENT = 0.12, 150e-6, 10e-9


def layers_of(model):
    """The trained parameters of each module that has some of its own, by path."""
    layers: dict = {}
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(path.rpartition(".")[0] or type(model).__name__, []).append(parameter)
    return layers


def per_sample(loss):
    """The loss of each sample, for weighting; from a loss that averages."""
    if getattr(loss, "reduction", None) is None:
        raise ArgumentError(
            explain(
                "weights of samples and classes need a loss with `reduction`",
                f"found: {getattr(loss, '__name__', type(loss).__name__)}",
                help="use a loss module such as nn.CrossEntropyLoss(), or weigh in a loss of your own",
            )
        )

    of_each = copy.copy(loss)
    of_each.reduction = "none"

    def weighted(output, target, weight):
        values = of_each(output, target)
        if values.ndim > 1:
            values = values.reshape(values.shape[0], -1).mean(axis=1)
        return (values * cast(weight.reshape(values.shape), values.dtype)).mean()

    return weighted


def make_forward(model, loss, weighted):
    """A function (*inputs, target) -> (loss, output); if `weighted`, weights of the samples come after the target."""
    loss_of = per_sample(loss) if weighted else loss
    n = 2 if weighted else 1

    def forward(*batch):
        output = model(*batch[:-n])
        value = loss_of(output, *batch[-n:])
        if value is None:
            raise ArgumentError(explain("fit: the loss gave None", help="a loss function must return its value"))
        return value, output

    return forward


def make_step(model, loss, optimizer, options, last=True):
    """A function (*inputs, target) -> (loss, output or None, norms of the layers' gradients or None): a step of training.

    Parameters
    ----------
    options : dict with clip_norm, clip_value, accumulate, averaged, weighted (a weight comes after the target), keep_output
    last : False for batches whose gradients wait for those that follow
    """
    clip_norm, clip_value, averaged = options["clip_norm"], options["clip_value"], options["averaged"]
    weighted, keep_output, share = options["weighted"], options["keep_output"], 1 / options["accumulate"]
    layers = list(layers_of(model).values())
    forward = make_forward(model, loss, weighted)

    def training_step(*batch):
        value, output = forward(*batch)
        (value if share == 1 else value * share).backward()
        value = value.detach()
        kept = output.detach() if keep_output else None
        if not last:
            return value, kept, None
        norms = norms_of(layers)
        if all_finite(value, norms):
            clip(layers, norms, clip_norm, clip_value)
            optimizer.step()
            if averaged is not None:
                averaged.update_parameters(model)
        optimizer.zero_grad()
        return value, kept, norms

    def closure_step(*batch):
        first = []

        def closure():
            optimizer.zero_grad()
            value = loss(model(*batch[:-1]), batch[-1])
            value.backward()
            first.append((value.detach(), norms_of(layers)))
            return value

        optimizer.step(closure)
        optimizer.zero_grad()
        with no_grad():
            kept = model(*batch[:-1]) if keep_output else None
        return first[0][0], kept, first[0][1]

    if not isinstance(optimizer, LBFGS):
        return training_step
    if clip_norm or clip_value or weighted or averaged is not None or share != 1:
        raise ArgumentError(
            explain(
                "fit: L-BFGS evaluates the loss several times a step; clipping, weights, ema and accumulate do not fit",
                help="leave these out, or use another optimiser",
            )
        )
    return closure_step


def make_flush(model, optimizer, options):
    """A function that steps with the gradients of fewer batches than `accumulate`, at the end of an epoch."""
    layers = list(layers_of(model).values())

    def flush(share):
        for parameters in layers:
            for p in parameters:
                if p.grad is not None:
                    p.grad = p.grad.detach() * np.asarray(share, p.grad.dtype)
        norms = norms_of(layers)
        if all_finite(np.float64(0), norms):
            clip(layers, norms, options["clip_norm"], options["clip_value"])
            optimizer.step()
            if options["averaged"] is not None:
                options["averaged"].update_parameters(model)
        optimizer.zero_grad()
        return norms

    return flush


def make_evaluation(model, loss, keep_output, weighted=False):
    """A function (*inputs, target) -> (loss or None, output or None), without a derivative; see `make_forward`."""
    loss_of, n = per_sample(loss) if weighted else loss, 2 if weighted else 1

    def evaluation(*batch):
        with no_grad():
            output = model(*batch[:-n])
            return None if loss is None else loss_of(output, *batch[-n:]), output if keep_output else None

    return evaluation


def make_prediction(model):
    """A function (*inputs) -> output, without a derivative."""

    def prediction(*inputs):
        with no_grad():
            return model(*inputs)

    return prediction


# --- gradients --------------------------------------------------------------------------------------------------------


def norms_of(layers):
    """The Euclidean norm of each layer's gradient, in float64, where the squares of float32 numbers have room."""
    grads = [[p.grad.detach() for p in parameters if p.grad is not None] for parameters in layers]
    if not any(isinstance(g.value, Value) for gs in grads for g in gs):
        return np.array([_norm(gs) for gs in grads])  # not part of a program: NumPy is quicker than the operations below
    zero = as_value(np.float64(0))
    return stack([sqrt(sum((_squares(g) for g in gs), zero)) for gs in grads])


def _norm(grads):
    total = 0.0
    for g in grads:
        a = np.asarray(g).ravel()
        squares = float(np.vdot(a, a).real)
        if not 1e-20 < squares < 1e30:  # perhaps too small or large for float32 only
            squares = float(np.linalg.norm(a.astype(np.result_type(a, np.float64)))) ** 2
        total += squares
    return total**0.5


def _squares(g):
    return sum_of(square(cast(absolute(g), np.float64)))


def all_finite(value, norms):
    """Whether loss and gradients are. In a program, this is its one decision."""
    if isinstance(norms, np.ndarray):
        return bool(np.isfinite(norms).all() and np.isfinite(float(value)))
    return isfinite(cast(value, np.float64) + sum_of(norms))


def clip(layers, norms, clip_norm, clip_value):
    """Scale or limit the gradients."""
    if clip_value is not None:
        for parameters in layers:
            clip_grad_value_(parameters, clip_value)
    if clip_norm is None:
        return
    if isinstance(norms, np.ndarray):
        total = float(np.sqrt((norms**2).sum()))
        factor = 1.0 if total <= clip_norm else clip_norm / total
        if factor == 1.0:
            return
    else:
        factor = minimum(clip_norm / (sqrt(sum_of(square(norms))) + 1e-30), 1.0)
    for p in (p for parameters in layers for p in parameters):
        if p.grad is not None:
            g = p.grad.detach()
            p.grad = g * (cast(factor, g.dtype) if isinstance(factor, Value) else np.asarray(factor, g.dtype))


# --- programs ---------------------------------------------------------------------------------------------------------


def pays(model, steps):
    """Whether a run of so many steps (None: of unknown length) is long enough for a program, by estimates and not by clocks.

    Clocks would make runs differ in their last digits, and a run that is resumed must go the way that it went.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    elements = sum(p.value.size for p in parameters)
    return steps is None or steps * (ARRAY * len(parameters) + ELEMENT * elements) >= PROGRAM * len(parameters)


def _call(sees, f, *args):
    return f(*args)


class Programs:
    """A function that runs as a compiled program for each kind of arguments, or as it stands where it cannot be compiled.

    Recording a program is a real run, by NumPy, whose last digits may differ from those of the program. So each kind of
    arguments is recorded before it is first used, and what that changed is put back: every run that counts is the program's.

    Parameters
    ----------
    f : function of Tensors
    sees : the objects that it works with: model, loss, optimiser. The compiler looks at them for settings that change
    keeping : function that gives an object with `restore()`, which undoes what calls of `f` have changed since
    name : for messages
    enabled : False to call `f` as it stands

    Attributes
    ----------
    reason : why `f` runs as it stands; None if it does not
    """

    def __init__(self, f, sees, keeping, name, enabled=True):
        self.f, self.sees, self.keeping, self.name = f, sees, keeping, name
        self.enabled, self.reason = enabled, None
        self.compiled = None
        self.known: dict = {}  # kind of arguments -> what to call

    def __call__(self, *args):
        if not self.enabled:
            return self.f(*args)
        kind = tuple([(getattr(x, "shape", None), getattr(x, "dtype", type(x))) for x in args])
        call = self.known.get(kind) or self.made(kind, args)
        return call(*args)

    def made(self, kind, args):
        """What to call for arguments of this kind."""
        if sum(call is not self.f for call in self.known.values()) >= SHAPES:
            self.explain(f"batches come in more than {SHAPES} shapes; programs exist for the first ones")
            return self.f
        if self.compiled is None:  # the compiler is imported for the first program
            call = functools.partial(_call, self.sees, self.f)
            self.compiled = importlib.import_module("..compiler.compile", __package__).compile(call)
        before = self.keeping()
        try:
            self.compiled(*args)
            if before.grown():  # an optimiser has made its state: programs begin with the next step, which finds it there
                self.compiled = None
                return self.f
            self.compiled(*args)
        except CompileError as error:
            self.enabled = False
            self.explain(str(error))
            return self.f
        finally:
            before.restore()
        self.known[kind] = self.compiled
        return self.compiled

    def explain(self, reason):
        """Say once why something runs uncompiled."""
        if self.reason is None:
            self.reason = reason
            lines = reason.split("\n  help:")[0]
            warnings.warn(
                explain(
                    f"{self.name}: runs uncompiled",
                    *lines.split("\n"),
                    help="compile=False says that this is meant",
                ),
                stacklevel=4,
            )
