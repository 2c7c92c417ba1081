"""One number for each axis of a window, from one or several."""


def _ntuple(n):
    def several(x):
        return tuple(x) if isinstance(x, (tuple, list)) else (x,) * n

    return several


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
