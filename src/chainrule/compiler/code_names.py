"""What can be read off the code of a function: the names that it uses, and the modules that it imports."""

import contextlib
import dis
import functools
import importlib.util
import sys
import types


@functools.lru_cache(4096)
def global_names(code):
    """The names that code looks up as globals, functions inside of it included; attributes may be called like other globals."""
    found = {step.argval for step in dis.get_instructions(code) if "GLOBAL" in step.opname or step.opname == "LOAD_NAME"}
    return found.union(*(global_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


@functools.lru_cache(4096)
def all_names(code):
    """All names that code uses for globals or attributes, functions inside of it included."""
    return frozenset(code.co_names).union(*(all_names(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def texts(code):
    """The strings that stand in code."""
    return {c for c in code.co_consts if isinstance(c, str)}


@functools.lru_cache(4096)
def _import_statements(code):
    """(level, name) of what the code imports when it runs."""
    found, constants = [], [None, None]
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_CONST":
            constants = [constants[1], step.argval]
        elif step.opname == "IMPORT_NAME":
            found.append((constants[0] or 0, step.argval))
    return found


def imported_modules(code, around):
    """The modules that the code imports when it runs, as far as they are loaded."""
    for level, name in _import_statements(code):
        with contextlib.suppress(ImportError, KeyError):
            yield sys.modules[importlib.util.resolve_name("." * level + name, around.get("__package__"))]


def attribute_chains(code):
    """(name, attribute, attribute of that or None) for every `name.attribute` of a global name in the code."""
    found: set = set()
    chain: list = []
    for step in dis.get_instructions(code):
        if step.opname in ("CACHE", "PRECALL"):
            continue
        if chain and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain.append(step.argval)
            continue
        if len(chain) > 1:
            found.add((*chain, None)[:3])
        chain = [step.argval] if step.opname == "LOAD_GLOBAL" else []
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            found |= attribute_chains(c)
    return found
