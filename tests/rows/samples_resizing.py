"""Samples of the row of resizing."""

import sampling
from sampling import C128, F32, Sample, normal

from chainrule.ops.resizing import Resizing

sampling.start(20)


def resized(n, m, mode, *shape, axis=0, dtype=float, antialias=False):
    return Sample(normal(*shape, dtype=dtype), axis=axis, way=Resizing(n, m, mode, antialias=antialias))


SAMPLES = {
    "resample": [
        resized(4, 7, "linear", 4),
        resized(4, 3, "cubic", 2, 4, 3, axis=1),
        resized(5, 2, "cubic", 5, 2, antialias=True),
        resized(3, 5, "nearest", 2, 3, axis=1),
        resized(4, 7, "linear", 0, 4, axis=1),
        resized(4, 7, "linear", 4, dtype=F32),
        resized(4, 2, "linear", 4, 2, dtype=C128),
    ]
}
HOLOMORPHIC = {"resample"}
