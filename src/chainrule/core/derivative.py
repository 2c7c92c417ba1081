"""How an op depends on one argument. Each kind is stated once and answers both modes.

The parameter names of a rule say what it needs, and so what the tape must keep: array arguments of the op
by their names, `out` for its result, its static parameters by theirs, `in_shape` for the shape of the argument
itself, `i` for the argument's position. `bind` turns the names into direct look-ups once, when a row is defined.
"""

import functools
import inspect
from types import FunctionType

# Not empty while some walk back treats every zero cotangent as strong: times infinity or NaN it is still zero.
strict: list = []


def names_of(rule) -> tuple[str, ...]:
    """Names of a rule's parameters; `inspect` is asked only where it has to be, since a thousand rules wait for it."""
    code = rule.__code__ if type(rule) is FunctionType and not rule.__dict__ else None
    if code is None or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return tuple(inspect.signature(rule).parameters)
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


@functools.cache
def _code(source):
    """Many rules are called alike. Named as this file's, so that tracebacks and recorded programs know it as ours."""
    return compile(source, __file__, "eval")


def bind(rule, lead, row, i, template="{call}", **names):
    """`rule` as a function of (lead, env, params, aval), and the positions in env that it reads.

    env holds the array arguments in order and then the result; aval is that of argument `i`. The template may wrap the
    call of the rule in an expression over these and `names`, which saves a call.
    """
    keeps: set = set()
    sources = []
    for name in names_of(rule):
        if name == lead:
            sources.append(lead)
        elif name == "out":
            keeps.add(-1)
            sources.append("env[-1]")
        elif name in row.args:
            k = row.args.index(name)
            tail = row.variadic and k == len(row.args) - 1
            keeps.add(f"{k}:" if tail else k)
            sources.append(f"env[{k}:-1]" if tail else f"env[{k}]")
        elif name in row.params:
            sources.append(f"params[{name!r}]")
        elif name == "in_shape":
            sources.append(f"(aval or {lead}).shape")  # no aval: the argument has the shape of the cotangent
        elif name == "i":
            sources.append(str(i))
        else:
            raise TypeError(
                f"{row.name}: a rule asks for {name!r}, but the row has arguments {row.args} and parameters {row.params}"
            )
    source = f"lambda {lead}, env, params, aval: " + template.format(call=f"rule({', '.join(sources)})")
    return eval(_code(source), {"rule": rule, **names}), frozenset(keeps)


class Bound:
    """A kind fastened to argument `i` of a row: `push` carries a tangent forward, `pull` a cotangent back."""

    __slots__ = ("push", "pull", "keeps")

    def __init__(self, push, pull, keeps):
        self.push, self.pull, self.keeps = push, pull, keeps


class Zero:
    """Nothing flows through this argument: the op is piecewise constant in it, or it holds integers."""

    def bind(self, row, i):
        return None


class OneWay(Bound):
    """As of `Forward`: there is nothing to pull back."""


class Forward:
    """Tangents go on as they are, but nothing flows back: what `no_grad` makes of a value."""

    def bind(self, row, i):
        return OneWay(lambda t, env, params, aval: t, None, frozenset())


def flows_back(kind):
    """Whether a bound kind, None for zero, has something to do in reverse mode."""
    return kind is not None and type(kind) is not OneWay


class Linear:
    """The op is linear here: its tangent rule is the op itself; only the transpose is written."""

    def __init__(self, transpose):
        self.transpose = transpose

    def bind(self, row, i):
        pull, keeps = bind(self.transpose, "g", row, i)

        def push(t, env, params, aval):
            args = list(env[:-1])
            args[i] = t
            return row.call(*args, **params)

        return Bound(push, pull, keeps)


class Pair:
    """A hand-written rule for each mode, `jvp(t, ...)` and `vjp(g, ...)`, for ops that no other kind describes."""

    def __init__(self, jvp, vjp):
        self.jvp, self.vjp = jvp, vjp

    def bind(self, row, i):
        push, _ = bind(self.jvp, "t", row, i)
        pull, keeps = bind(self.vjp, "g", row, i)
        return Bound(push, pull, keeps)


class Joint:
    """All arguments at once, for ops that run whole programs: loops and branches. Their tangents need the values on the
    way, and so do their pullbacks; both are therefore found together with the results.

    push(args, tangents, params)     (results, their tangents); a tangent of None is zero
    record(args, active, params)     (results, kept): runs the op, and keeps arrays for `pull`. active: a flag per argument
    pull(gs, kept, active, params)   a cotangent per argument, None where there is none; a cotangent g of None is zero

    narrow(step, used)               the step with fewer arguments and results; used: a flag per result, at least one set
    end(active, params)              the step in it at which derivatives end, if no result has one; else None

    `kept` is a flat list, of arrays as a rule; `keeps_results` says that it is the results, which derivatives of the pullback
    need not find anew. Rows with such a derivative give several results. `ruled`: the user states the derivative, which may be
    another than that of what is computed.
    """

    def __init__(self, push, record, pull, narrow=None, end=lambda active, params: None, keeps_results=False, ruled=False):
        self.push, self.record, self.pull, self.narrow, self.end = push, record, pull, narrow, end
        self.keeps_results, self.ruled = keeps_results, ruled

    def bind(self, row, i):
        return Bound(None, None, frozenset())


zero = Zero()


class Deferred:
    """A cotangent that is cheaper to add into a total than to build: that of reading a part of an array."""

    def added_to(self, total, owned):
        """(total + this, whether that array is now ours to change in place). `total` may be None."""
        raise NotImplementedError
