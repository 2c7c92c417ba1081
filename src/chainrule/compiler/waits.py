"""Which kernels wait for which, while they are put together."""


class Waits:
    """Which kernels must have run before others, while kernels become one. They are taken in one after the other, in order.

    Parameters
    ----------
    direct : list of the sets of kernels, by number, whose results each kernel reads
    decide : of each kernel, whether it decides about branches
    """

    def __init__(self, direct, decide):
        self.direct = direct
        self.now: list = []  # number of the kernel that each one is part of
        self.before: dict = {}  # bit sets of all kernels that must have run
        self.after: dict = {}  # kernels that read what it computes
        needed = {k for k, decides in enumerate(decide) if decides}
        for k in reversed(range(len(direct)) if needed else ()):
            if k in needed:
                needed |= direct[k]
        self.awaited = sum(1 << k for k in needed)  # a bit set of the kernels that decisions need

    def add(self, k):
        """Take in the next kernel."""
        self.now.append(k)
        self.direct[k] = {self.now[d] for d in self.direct[k]}
        self.after[k] = set()
        self.before[k] = 0
        for d in self.direct[k]:
            self.before[k] |= self.before[d] | 1 << d
            self.after[d].add(k)

    def between(self, c, k):
        """Whether a kernel must run after `c` and before `k`, the one taken in last."""
        return any(self.before[d] >> c & 1 for d in self.direct[k] if d != c)

    def join(self, c, k):
        """Make `k`, the one taken in last, part of `c`."""
        self.now[k] = c
        own = self.direct[k] - {c}
        for d in self.direct[k]:
            self.after[d].discard(k)
        for d in own:
            self.after[d].add(c)
        joint = self.before[k] & ~(1 << c)
        if (self.awaited >> c | self.awaited >> k) & 1:
            self.awaited = (self.awaited | joint | self.before[c] | 1 << c) & ~(1 << k)
        todo = [c] if joint & ~self.before[c] else []
        seen = {c}
        while todo:
            d = todo.pop()
            self.before[d] |= joint
            todo.extend(self.after[d] - seen)
            seen |= self.after[d]
        del self.before[k], self.after[k]
