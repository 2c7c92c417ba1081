"""SciPy's functions that ask Tensors for plain numbers: which function did, for whom, and what to call in its place."""

import importlib
import importlib.util
import sys
import warnings
from pathlib import Path
from types import FrameType, FunctionType
from typing import NamedTuple

import numpy as np

from .errors import LostDerivativeError, LostDerivativeWarning, explain

_found = importlib.util.find_spec("scipy")  # without loading it
SCIPY = str(Path(_found.origin).resolve().parent) if _found and _found.origin else "no SciPy"
_BETWEEN = (str(Path(__file__).resolve().parent), str(Path(np.__file__).resolve().parent))
_COUNTERPARTS = {
    "scipy.fft": "chainrule.fft",
    "scipy.integrate": "chainrule.integrate",
    "scipy.linalg": "chainrule.linalg",
    "scipy.signal": "chainrule.signal",
    "scipy.sparse.linalg": "chainrule.linalg",
    "scipy.special": "chainrule.special",
    "scipy.stats": "chainrule.stats",
}
_ROOTS = "chainrule.custom_root, which differentiates whatever solver it is given"
_INTEGRALS = "scipy.integrate.fixed_quad, which computes with Tensors, or chainrule.integrate.odeint"
_QZ = "chainrule.linalg.schur(chainrule.linalg.solve(B, A)), or eig of that"
_INSTEAD = {
    **dict.fromkeys(
        ["qr_delete", "qr_insert", "qr_update"], "chainrule.linalg.qr of the changed matrix, such as q @ r + outer(u, v)"
    ),
    **dict.fromkeys(["ordqz", "qz"], _QZ),
    "cossin": "chainrule.linalg.svd of a block, such as x[:p, :q]",
    **dict.fromkeys(["bisect", "brenth", "brentq", "fsolve", "newton", "ridder", "root", "root_scalar", "toms748"], _ROOTS),
    **dict.fromkeys(["dblquad", "nquad", "quad", "quad_vec", "tplquad"], _INTEGRALS),
    "solve_ivp": "chainrule.integrate.odeint",
}
_shown: dict = {}  # what has been warned of, by Python's own book-keeping


class Call(NamedTuple):
    """A call of a function of SciPy's, by its public name, and the line of the program that made it."""

    name: str
    file: str
    line: int

    @property
    def instead(self):
        """What differentiates in its place; None if nothing is known."""
        module, _, name = self.name.rpartition(".")
        ours = _COUNTERPARTS.get(module, "")
        found = name in getattr(importlib.import_module(ours) if ours else None, "__all__", ())
        return f"{ours}.{name}" if found else _INSTEAD.get(name)


def call_of_scipy() -> Call | None:
    """The call of SciPy that has led here, by way of nobody else but NumPy and ourselves."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    name, module = None, None
    while frame is not None and frame.f_code.co_filename.startswith((SCIPY, *_BETWEEN)):
        name = _public_name(frame) or name
        module = next(iter(_public(frame.f_globals.get("__name__", ""))[1:2]), module)
        frame = frame.f_back
    if module is None or frame is None:
        return None
    return Call(name or f"scipy.{module}", frame.f_code.co_filename, frame.f_lineno)


def _public(module):
    """The parts of the name of a module of SciPy's that users see."""
    parts = module.split(".")
    return [p for p in parts if not p.startswith("_")] if parts[0] == "scipy" else []


def _public_name(frame):
    """What users call the function, or the class, that runs in this frame; None for SciPy's own helpers."""
    owner = frame.f_locals.get("self")
    kind, distribution = type(owner), getattr(getattr(owner, "dist", owner), "name", None)
    if isinstance(distribution, str) and hasattr(getattr(sys.modules.get("scipy.stats"), distribution, None), "rvs"):
        return f"scipy.stats.{distribution}"
    names = [(frame.f_globals.get("__name__", ""), frame.f_code.co_name), (kind.__module__, kind.__name__)]
    names += [(f.__module__, f.__name__) for f in frame.f_locals.values() if type(f) is FunctionType]  # a decorator calls it
    for module, name in names:
        parts = _public(module)
        while len(parts) > 1 and not name.startswith("_"):
            if callable(getattr(sys.modules.get(".".join(parts)), name, None)):
                return ".".join([*parts, name])
            parts.pop()
    return None


def name_scipy(error: LostDerivativeError):
    """Let the error say which function of SciPy's has asked, if one has; gives its call."""
    call = call_of_scipy()
    if call is not None:
        lines = str(error).split("\n")
        if call.instead:
            lines[-1] = f"  help: use {call.instead}; x.detach() if no derivative is needed"
        error.args = ("\n".join([f"{call.name}: {lines[0]}", *lines[1:]]),)
    return call


def warn_of_loss(x, asked):
    """Warn, once a line of the program, if SciPy makes a number of a Tensor whose derivative is lost thereby.

    On level 0 nothing is raised, as in PyTorch; elsewhere SciPy's compiled code may put an error of its own, which says
    nothing, in the place of the one that is.
    """
    try:
        x.owner.to_array(x, asked)
    except LostDerivativeError as error:
        call = name_scipy(error)
        if call is not None:
            warnings.warn_explicit(str(error), LostDerivativeWarning, call.file, call.line, registry=_shown)


def no_operator(x):
    """What `x.matvec` says: SciPy asks for it where it takes an operator in place of a matrix."""
    call = call_of_scipy()
    if call is None:
        raise AttributeError("'Tensor' object has no attribute 'matvec'")
    help = f"use {call.instead}; x.detach().numpy() if no derivative is needed" if call.instead else "pass x.detach().numpy()"
    raise LostDerivativeError(explain(f"{call.name} takes no Tensors", f"Tensor: {x.dtype} {x.shape}", help=help))
