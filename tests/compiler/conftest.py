"""Every arena that a test of the compiler makes is guarded: a program that writes behind its end is found out."""

import numpy as np
import pytest

from chainrule.compiler import runtime

GUARD, MARK = 1 << 16, 0xAB


@pytest.fixture(autouse=True)
def guarded_arenas(monkeypatch):
    made = []

    def aligned_empty(n):
        raw = np.full(n + 192 + GUARD, MARK, np.uint8)
        start = -raw.ctypes.data % 64
        end = start + n + 64
        made.append(raw[end : end + GUARD])
        return raw[start:end]

    monkeypatch.setattr(runtime, "aligned_empty", aligned_empty)
    yield
    written = [np.flatnonzero(guard != MARK) for guard in made]
    assert not any(map(len, written)), f"a program wrote {max(w[-1] + 1 for w in written if len(w))} bytes behind its arena"
