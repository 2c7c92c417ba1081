"""Text of LLVM IR: modules, functions, and values that overload arithmetic. Knows nothing of arrays or graphs."""

import contextlib
import functools
import struct

import numpy as np

# Types are LLVM's own words: 'float', 'i64', 'ptr', '<8 x float>'.
SIZES = {"float": 4, "double": 8, "i128": 16, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "i1": 1, "ptr": 8}
_SUFFIX = {"float": "f32", "double": "f64"}


@functools.cache
def lanes(t: str) -> int:
    """Number of lanes of a vector type, 0 for a scalar."""
    return int(t[1:].split(" x ")[0]) if t[0] == "<" else 0


@functools.cache
def element(t: str) -> str:
    """The scalar type that a vector type is made of."""
    return t[1:-1].split(" x ")[1] if t[0] == "<" else t


@functools.cache
def vector(t: str, n: int) -> str:
    """The type of `n` lanes of `t`; `t` itself for 0."""
    return f"<{n} x {t}>" if n else t


@functools.cache
def is_float(t: str) -> bool:
    return element(t) in ("float", "double")


@functools.cache
def suffix(t: str) -> str:
    """How intrinsics abbreviate a type."""
    n, e = lanes(t), element(t)
    return (f"v{n}" if n else "") + _SUFFIX.get(e, e)


@functools.cache
def _float_text(t: str, x: float) -> str:
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(np.float32(x)) if t == 'float' else x))[0]:016X}"


def literal(t: str, x) -> str:
    """A number as a constant of type `t`, in every lane."""
    e = element(t)
    if e == "ptr":
        return "null" if not x else str(x)
    if e in ("float", "double"):
        with np.errstate(over="ignore"):
            s = _float_text(e, float(x)) if x == x else ("0x7FF8000000000000")
    elif e == "i1":
        s = "true" if x else "false"
    else:
        bits = 8 * SIZES[e]
        x = int(x) & ((1 << bits) - 1)
        s = str(x - (1 << bits) if x >> (bits - 1) else x)
    return f"splat ({e} {s})" if t[0] == "<" else s


class Module:
    """Functions, what they declare, and global data."""

    def __init__(self):
        self.functions: list[Function] = []
        self.declarations: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def declare(self, name, returns, args, attributes=""):
        """Make an outside function known; `args` are types."""
        if name not in self.declarations:
            self.declarations[name] = f"declare {returns} @{name}({', '.join(args)}) {attributes}"

    def text(self):
        return "\n".join(
            [
                *self.globals.values(),
                *(f.text() for f in self.functions),
                *self.declarations.values(),
                "!0 = distinct !{!0, !1}",
                '!1 = !{!"llvm.loop.unroll.disable"}',
                "",
            ]
        )


class Value:
    """A register or constant of a function. Comparisons of floats are false for NaN; integers are signed."""

    __slots__ = ("f", "type", "text")

    def __init__(self, f, type, text):
        self.f, self.type, self.text = f, type, text

    def __repr__(self):
        return f"{self.type} {self.text}"

    def _with(self, other, on_float, on_int, swap=False):
        a, b = self.f.alike(self, other)
        if swap:
            a, b = b, a
        f = self.f
        if is_float(a.type):
            if on_float is None:
                raise TypeError(f"{on_int} of {a.type}")
            return f.emit(a.type, f"{on_float} contract {a.type} {a.text}, {b.text}")
        return f.emit(a.type, f"{on_int} {a.type} {a.text}, {b.text}")

    def __add__(self, other):
        if type(other) is int and not is_float(self.type):
            if other == 0:
                return self
            if self.text.lstrip("-").isdigit():
                return Value(self.f, self.type, str(int(self.text) + other))
        return self._with(other, "fadd", "add")

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self._with(other, "fsub", "sub")

    def __rsub__(self, other):
        return self._with(other, "fsub", "sub", True)

    def __mul__(self, other):
        if type(other) is int and not is_float(self.type):
            if other == 1:
                return self
            if self.text.lstrip("-").isdigit():
                return Value(self.f, self.type, str(int(self.text) * other))
        return self._with(other, "fmul", "mul")

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self._with(other, "fdiv", "sdiv")

    def __rtruediv__(self, other):
        return self._with(other, "fdiv", "sdiv", True)

    def __floordiv__(self, other):
        return self._with(other, None, "sdiv")

    def __mod__(self, other):
        return self._with(other, None, "srem")

    def __and__(self, other):
        return self._with(other, None, "and")

    def __or__(self, other):
        return self._with(other, None, "or")

    def __xor__(self, other):
        return self._with(other, None, "xor")

    def __lshift__(self, other):
        return self._with(other, None, "shl")

    def __rshift__(self, other):
        return self._with(other, None, "ashr")

    def lshr(self, other):
        """Shift right, filling with zeros."""
        return self._with(other, None, "lshr")

    def __neg__(self):
        if is_float(self.type):
            return self.f.emit(self.type, f"fneg {self.type} {self.text}")
        return self.f.constant(self.type, 0) - self

    def __invert__(self):
        return self ^ (True if element(self.type) == "i1" else -1)

    def compare(self, other, on_float, on_int):
        """Compare with LLVM's predicates, such as 'olt' for floats and 'slt' for integers."""
        a, b = self.f.alike(self, other)
        op = f"fcmp {on_float}" if is_float(a.type) else f"icmp {on_int}"
        return self.f.emit(vector("i1", lanes(a.type)), f"{op} {a.type} {a.text}, {b.text}")

    def __lt__(self, other):
        return self.compare(other, "olt", "slt")

    def __le__(self, other):
        return self.compare(other, "ole", "sle")

    def __gt__(self, other):
        return self.compare(other, "ogt", "sgt")

    def __ge__(self, other):
        return self.compare(other, "oge", "sge")

    def equals(self, other):
        return self.compare(other, "oeq", "eq")

    def differs(self, other):
        """Not equal; true if either is NaN."""
        return self.compare(other, "une", "ne")

    def is_nan(self):
        return self.compare(self, "uno", "ne")


class Loop:
    """A loop while it is being written: its `index`, and the values `carried` from one turn to the next.

    Inside, assign to `carried` what the next turn gets; afterwards it holds the final values.
    """

    __slots__ = ("index", "carried")

    def __init__(self, index, carried):
        self.index, self.carried = index, carried


class Function:
    """Builder of one function. `args` are (type with attributes, name) pairs; they stand in `arguments` by name."""

    def __init__(self, module, name, args, returns="void", linkage="", attributes="nounwind"):
        self.module, self.name, self.returns = module, name, returns
        self.head = f"define {linkage} {returns} @{name}({', '.join(f'{t} %{a}' for t, a in args)}) {attributes} {{"
        self.arguments = {a: Value(self, t.split(" ")[0], f"%{a}") for t, a in args}
        self.entry: list[str] = []  # allocas
        self.lines: list[str] = []
        self.count = 0
        self.block = "body"
        module.functions.append(self)

    def text(self):
        return "\n".join([self.head, "entry:", *self.entry, "  br label %body", "body:", *self.lines, "}"])

    # --- values -------------------------------------------------------------------------------------------------------

    def fresh(self, prefix="v"):
        self.count += 1
        return f"{prefix}{self.count}"

    def line(self, text):
        self.lines.append("  " + text)

    def emit(self, t, text):
        """A new value of type `t`, computed by this instruction."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"  {name} = {text}")
        return Value(self, t, name)

    def constant(self, t, x):
        return Value(self, t, literal(t, x))

    def index(self, x):
        return x if isinstance(x, Value) else Value(self, "i64", str(x))

    def alike(self, *xs):
        """Values of one type: numbers become constants, scalars are spread over the lanes of vectors."""
        values = [x for x in xs if isinstance(x, Value)]
        t = next((x.type for x in values if lanes(x.type)), values[0].type)
        out = []
        for x in xs:
            if not isinstance(x, Value):
                x = Value(self, t, literal(t, x))
            elif x.type != t:
                if lanes(x.type) or element(t) != x.type:
                    raise TypeError(f"operands of types {[v.type for v in values]}")
                x = self.splat(x, lanes(t))
            out.append(x)
        return out

    def splat(self, x, n):
        """`x` in each of `n` lanes."""
        if not n or lanes(x.type):
            return x
        t = vector(x.type, n)
        if x.text[0] != "%":
            return Value(self, t, f"splat ({x.type} {x.text})")
        one = self.emit(t, f"insertelement {t} poison, {x.type} {x.text}, i32 0")
        return self.emit(t, f"shufflevector {t} {one.text}, {t} poison, <{n} x i32> zeroinitializer")

    def lane(self, x, i):
        """One lane of a vector."""
        return self.emit(element(x.type), f"extractelement {x.type} {x.text}, i32 {i}")

    def insert(self, x, value, i):
        return self.emit(x.type, f"insertelement {x.type} {x.text}, {value.type} {value.text}, i32 {i}")

    def steps(self, n, t="i64"):
        """The vector 0, 1, 2 ..."""
        return Value(self, vector(t, n), "<" + ", ".join(f"{t} {i}" for i in range(n)) + ">")

    def shuffle(self, x, y, positions):
        t = vector(element(x.type), len(positions))
        mask = ", ".join(f"i32 {i}" for i in positions)
        return self.emit(t, f"shufflevector {x.type} {x.text}, {x.type} {y.text}, <{len(positions)} x i32> <{mask}>")

    def select(self, condition, x, y):
        x, y = self.alike(x, y)
        if lanes(x.type) and not lanes(condition.type):
            condition = self.splat(condition, lanes(x.type))
        elif lanes(condition.type) and not lanes(x.type):
            x, y = (self.splat(v, lanes(condition.type)) for v in (x, y))
        return self.emit(x.type, f"select {condition.type} {condition.text}, {x.type} {x.text}, {y.type} {y.text}")

    def cast(self, op, x, t):
        """`op` is LLVM's: bitcast, sitofp, fptosi, zext, sext, trunc, fpext, fptrunc, uitofp ..."""
        t = vector(t, lanes(x.type)) if not lanes(t) else t
        return self.emit(t, f"{op} {x.type} {x.text} to {t}")

    def fma(self, x, y, z):
        """x * y + z, rounded once."""
        x, y, z = self.alike(x, y, z)
        return self.intrinsic("fma", x.type, x, y, z)

    def intrinsic(self, name, t, *args):
        """A call of `llvm.<name>.<suffix of the first argument>`, giving type `t`."""
        full = f"llvm.{name}.{suffix(args[0].type)}"
        return self.call(full, t, *args)

    def call(self, name, returns, *args, attributes=""):
        """A call of a function of this or another module."""
        if not any(fn.name == name for fn in self.module.functions):
            self.module.declare(name, returns, [a.type for a in args], attributes)
        text = f"call {returns} @{name}({', '.join(map(repr, args))})"
        if returns == "void":
            self.line(text)
            return None
        return self.emit(returns, text)

    def unary(self, name, x):
        """An intrinsic of one argument that keeps its type: sqrt, fabs, floor, rint ..."""
        return self.intrinsic(name, x.type, x)

    def binary(self, name, x, y):
        """An intrinsic of two arguments that keeps their type: minnum, maxnum, copysign, smax ..."""
        x, y = self.alike(x, y)
        return self.intrinsic(name, x.type, x, y)

    def fold(self, op, x):
        """All lanes of a vector folded to one number: op is fadd, fmul, fmax, fmin, add, mul, and, or, smax, smin ...

        Halves are combined with halves, so the order is fixed.
        """
        n = lanes(x.type)
        while n > 1:
            if n % 2:
                last = self.lane(x, n - 1)
                rest = self.fold(op, self.shuffle(x, x, range(n - 1)))
                return self.combine(op, rest, last)
            n //= 2
            x = self.combine(op, self.shuffle(x, x, range(n)), self.shuffle(x, x, range(n, 2 * n)))
        return self.lane(x, 0)

    def combine(self, op, x, y):
        """Two values by one of the operations of `fold`. fmax and fmin give NaN if either is."""
        if op in ("fmax", "fmin"):
            better = x.compare(y, "ogt" if op == "fmax" else "olt", "")
            return self.select(better, x, self.select(x.is_nan(), x, y))
        if op in ("smax", "smin", "umax", "umin"):
            return self.binary(op, x, y)
        if op in ("fadd", "fmul"):
            return self.emit(x.type, f"{op} contract {x.type} {x.text}, {y.text}")
        return self.emit(x.type, f"{op} {x.type} {x.text}, {y.text}")

    # --- memory -------------------------------------------------------------------------------------------------------

    def offset(self, pointer, i, t="i8"):
        """`pointer` moved on by `i` elements of type `t`."""
        if isinstance(i, int) and i == 0:
            return pointer
        i = self.index(i)
        if i.text == "0":
            return pointer
        return self.emit("ptr", f"getelementptr {element(t)}, ptr {pointer.text}, {i.type} {i.text}")

    def load(self, t, pointer, i=0, align=None):
        """A value of type `t` at `pointer`, moved on by `i` elements."""
        p = self.offset(pointer, i, t)
        return self.emit(t, f"load {t}, ptr {p.text}, align {align or SIZES[element(t)]}")

    def prefetch(self, pointer):
        """Have a line of memory brought into the second cache; any address will do."""
        self.call(
            "llvm.prefetch.p0", "void", pointer, self.constant("i32", 0), self.constant("i32", 2), self.constant("i32", 1)
        )

    def store(self, x, pointer, i=0, align=None):
        p = self.offset(pointer, i, x.type)
        self.line(f"store {x.type} {x.text}, ptr {p.text}, align {align or SIZES[element(x.type)]}")

    def mask(self, n, valid):
        """The first `valid` of `n` lanes; `valid` may be a value."""
        if isinstance(valid, int):
            bits = ", ".join(f"i1 {'true' if i < valid else 'false'}" for i in range(n))
            return Value(self, vector("i1", n), f"<{bits}>")
        return self.steps(n, valid.type).compare(self.splat(valid, n), "", "slt")

    def load_some(self, t, pointer, valid, i=0, otherwise=0):
        """As `load`, but only the first `valid` lanes (or those of a mask) touch memory; the others are `otherwise`."""
        p = self.offset(pointer, i, t)
        mask = valid if isinstance(valid, Value) and lanes(valid.type) else self.mask(lanes(t), valid)
        name = f"llvm.masked.load.{suffix(t)}.p0"
        self.module.declare(name, t, ["ptr", mask.type, t])
        align = SIZES[element(t)]
        others = literal(t, otherwise) if otherwise else "zeroinitializer"
        return self.emit(t, f"call {t} @{name}(ptr align {align} {p.text}, {mask}, {t} {others})")

    def store_some(self, x, pointer, valid, i=0):
        """As `store`, of the first `valid` lanes or those of a mask."""
        p = self.offset(pointer, i, x.type)
        mask = valid if isinstance(valid, Value) and lanes(valid.type) else self.mask(lanes(x.type), valid)
        name = f"llvm.masked.store.{suffix(x.type)}.p0"
        self.module.declare(name, "void", [x.type, "ptr", mask.type])
        self.line(f"call void @{name}({x}, ptr align {SIZES[element(x.type)]} {p.text}, {mask})")

    def stack(self, t, n=1, align=64):
        """Memory for `n` elements that lasts as long as the call."""
        name = f"%{self.fresh('s')}"
        self.entry.append(f"  {name} = alloca {t}, i64 {n}, align {align}")
        return Value(self, "ptr", name)

    def copy(self, target, source, size):
        """Copy `size` bytes between places that do not overlap."""
        size = self.index(size)
        self.module.declare("llvm.memcpy.p0.p0.i64", "void", ["ptr", "ptr", "i64", "i1"])
        self.line(f"call void @llvm.memcpy.p0.p0.i64({target}, {source}, {size}, i1 false)")

    def clear(self, target, size):
        """Set `size` bytes to zero."""
        size = self.index(size)
        self.module.declare("llvm.memset.p0.i64", "void", ["ptr", "i8", "i64", "i1"])
        self.line(f"call void @llvm.memset.p0.i64({target}, i8 0, {size}, i1 false)")

    # --- control ------------------------------------------------------------------------------------------------------

    def label(self, name):
        self.lines.append(f"{name}:")
        self.block = name

    @contextlib.contextmanager
    def loop(self, start, stop, step=1, carried=(), unroll=False):
        """Write a loop: `with f.loop(0, n, carried=[total]) as turn:` uses turn.index and turn.carried, sets the latter."""
        static = isinstance(start, int) and isinstance(stop, int)
        turn = Loop(None, list(carried))
        if static and stop <= start:
            mark, before = len(self.lines), self.block
            kept = turn.carried
            turn.index = self.index(start)
            yield turn
            del self.lines[mark:]  # a loop without turns: what it wrote is dropped
            self.block, turn.carried = before, kept
            return
        if static and start + step >= stop:
            turn.index = self.index(start)
            yield turn
            return
        start, stop = self.index(start), self.index(stop)
        tag = self.fresh("loop")
        before = self.block
        if not static:
            # Tested at the top, for it may have no turns at all.
            self.line(f"br label %{tag}.head")
            self.label(f"{tag}.head")
        else:
            self.line(f"br label %{tag}")
            self.label(tag)
        turn.index = Value(self, "i64", f"%{tag}.i")
        slot = len(self.lines)
        self.lines.append("")
        names = [f"%{tag}.c{k}" for k in range(len(turn.carried))]
        first = turn.carried
        heads = [Value(self, v.type, name) for v, name in zip(first, names, strict=True)]
        turn.carried = list(heads)
        if not static:
            more = turn.index < stop
            self.line(f"br i1 {more.text}, label %{tag}, label %{tag}.end")
            self.label(tag)
        yield turn
        following = turn.index + step
        last = self.block
        phis = [f"  %{tag}.i = phi i64 [ {start.text}, %{before} ], [ {following.text}, %{last} ]"]
        for v, name, new in zip(first, names, turn.carried, strict=True):
            if v.type != new.type:
                raise TypeError(f"carried value changes from {v.type} to {new.type}")
            phis.append(f"  {name} = phi {v.type} [ {v.text}, %{before} ], [ {new.text}, %{last} ]")
        self.lines[slot] = "\n".join(phis)
        note = "" if unroll else ", !llvm.loop !0"
        if not static:
            self.line(f"br label %{tag}.head{note}")
            self.label(f"{tag}.end")
            turn.carried = heads
        else:
            more = following < stop
            self.line(f"br i1 {more.text}, label %{tag}, label %{tag}.end{note}")
            self.label(f"{tag}.end")

    @contextlib.contextmanager
    def when(self, condition):
        """What is written inside runs only if the i1 `condition` holds."""
        tag = self.fresh("when")
        self.line(f"br i1 {condition.text}, label %{tag}, label %{tag}.end")
        self.label(tag)
        yield
        self.line(f"br label %{tag}.end")
        self.label(f"{tag}.end")

    def choose(self, condition, then, otherwise):
        """Run `then()` or `otherwise()`, which give lists of values of the same types; the values of the one that ran."""
        tag = self.fresh("choose")
        self.line(f"br i1 {condition.text}, label %{tag}.then, label %{tag}.else")
        self.label(f"{tag}.then")
        a, from_a = then(), self.block
        self.line(f"br label %{tag}.end")
        self.label(f"{tag}.else")
        b, from_b = otherwise(), self.block
        self.line(f"br label %{tag}.end")
        self.label(f"{tag}.end")
        return [
            self.emit(x.type, f"phi {x.type} [ {x.text}, %{from_a} ], [ {y.text}, %{from_b} ]")
            for x, y in zip(a, b, strict=True)
        ]

    def any(self, mask):
        """Whether any lane of an i1 vector is set; the value itself if it is a scalar."""
        n = lanes(mask.type)
        if not n:
            return mask
        bits = self.emit(f"i{n}", f"bitcast {mask.type} {mask.text} to i{n}")
        return self.emit("i1", f"icmp ne i{n} {bits.text}, 0")

    def give(self, x=None):
        """Return from the function."""
        self.line("ret void" if x is None else f"ret {x}")
