"""chainrule: exact derivatives of Python programs, in forward and reverse mode, to any order.

Three doors to one engine: PyTorch's (`tensor`, `requires_grad`, `backward`, `nn`, `optim`), JAX's (`grad`, `jvp`, `vmap`, ...)
and plain NumPy, whose functions work on Tensors.
"""

import importlib

from . import (
    autograd as autograd,
    cuda as cuda,
    eager as eager,
    errors as errors,
    fft as fft,
    linalg as linalg,
    numeric as numeric,
    numpy as numpy,
    pytorch as pytorch,
    random as random,
    signal as signal,
    special as special,
    stats as stats,
    torch_methods as torch_methods,
    trees as trees,
)
from .array_functions import *
from .associative import associative_scan as associative_scan
from .autograd.anomaly_mode import is_anomaly_enabled as is_anomaly_enabled
from .creation import *
from .dtypes import *
from .gradcheck import GradcheckError as GradcheckError, gradcheck as gradcheck
from .pytorch import *
from .random import (
    Generator as Generator,
    bernoulli as bernoulli,
    get_rng_state as get_rng_state,
    manual_seed as manual_seed,
    normal as normal,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
    set_rng_state as set_rng_state,
    uniform as uniform,
)
from .tensor import Tensor as Tensor
from .transforms.autograd import GradientTape as GradientTape
from .transforms.batch import vmap as vmap
from .transforms.checkpoint import checkpoint as checkpoint
from .transforms.control import (
    cond as cond,
    fori_loop as fori_loop,
    scan as scan,
    switch as switch,
    while_loop as while_loop,
)
from .transforms.custom import custom_jvp as custom_jvp, custom_vjp as custom_vjp
from .transforms.derivatives import (
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacfwd as jacfwd,
    jacobian as jacobian,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    stop_gradient as stop_gradient,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from .transforms.equations import custom_linear_solve as custom_linear_solve, custom_root as custom_root
from .transforms.record import graph as graph
from .transforms.scope import enable_grad as enable_grad, is_grad_enabled as is_grad_enabled, no_grad as no_grad
from .trees import tree_leaves as tree_leaves, tree_map as tree_map

eager.install()
torch_methods.install()
pytorch.keywords.install(globals(), linalg)
__version__ = "0.1.0"

# Imported when they are first used: programs that only want derivatives should not wait for them.
_LATER = (
    "amp",
    "data",
    "distributions",
    "flatten_util",
    "func",
    "integrate",
    "jit",
    "lax",
    "nn",
    "optim",
    "plot",
    "saving",
    "symbolic",
    "testing",
    "train",
    "utils",
)
_FUNCTIONS = {
    "GradScaler": ".amp",
    "autocast": ".amp",
    "compile": ".compiler.compile",
    "get_num_threads": ".compiler.threads",
    "load": ".saving",
    "load_pytorch": ".saving",
    "save": ".saving",
    "set_num_threads": ".compiler.threads",
}


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f".{name}", __name__)
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name], __name__), name)
    if name in pytorch.FUNCTIONAL:
        return getattr(importlib.import_module(".nn.functional", __name__), name)
    if name in torch_methods.QUESTIONS or (name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name)):
        return getattr(Tensor, name)  # PyTorch's functions that ask or change their first argument are its methods
    if name.startswith(pytorch.foreach.PREFIX):
        return pytorch.foreach.function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LATER, *_FUNCTIONS])
