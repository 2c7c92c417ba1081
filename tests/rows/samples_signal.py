"""Sample arguments for the rows of signals and polynomials."""

import numpy as np
import sampling
from sampling import C128, F32, F64, INT, Sample, normal

sampling.start(20)


def slides():
    pairs = ((F64, F64), (F32, F32), (C128, C128), (F32, F64), (C128, F64), (F64, C128), (F64, INT))
    samples = [Sample(normal(5, dtype=a), normal(3, dtype=b) * (3 if b == INT else 1), before=2, after=1) for a, b in pairs]
    samples += [
        Sample(normal(4), normal(4), before=0, after=0),
        Sample(normal(6), normal(2), before=-1, after=0),
        Sample(normal(6), normal(2), before=1, after=-2),
        Sample(normal(2), normal(3), before=2, after=2),
        Sample(normal(1), normal(1), before=0, after=0),
        Sample(normal(2, 4), normal(3), before=1, after=0),
        Sample(normal(4), normal(2, 1, 2), before=0, after=1),
        Sample(normal(2, 1, 4), normal(3, 2), before=0, after=1),
        Sample(normal(0, 4), normal(2), before=0, after=1),
    ]
    return [Sample(*(x.astype(INT) if x.dtype == INT else x for x in s.args), **s.params) for s in samples]


def polynomials():
    lead = [1.5, -0.7, 0.4, 0.9, -0.3]
    samples = [Sample(np.array(lead[:n], d)) for n in (2, 3, 5) for d in (F64, F32)]
    return [
        *samples,
        Sample(np.poly([3.0 + 0.2j, -2.0j, -0.9, 0.3 + 0.2j])),
        Sample(np.array([[1.0, 2.0, -3.0], [1.0, 2.0, 4.0]])),
        Sample(np.array([2, 3, -4])),
        Sample(np.ones((0, 3))),
        Sample(np.array([2.0])),
    ]


def recursions():
    pairs = ((F64, F64), (F32, F32), (C128, C128), (F32, F64), (C128, F64), (F64, C128), (F64, INT))
    return [
        *(Sample((0.4 * normal(2, dtype=a)).astype(a), (3 * normal(5, dtype=b)).astype(b)) for a, b in pairs),
        Sample(np.array([0.5]), normal(2, 4)),
        Sample(0.3 * normal(3), normal(2)),
        Sample(0.4 * normal(2, 2), normal(4)),
        Sample(0.4 * normal(3, 1, 2), normal(2, 4)),
        Sample(0.4 * normal(1), normal(1)),
        Sample(0.4 * normal(2), normal(0, 3)),
    ]


SAMPLES = {"recur": recursions(), "slide": slides(), "roots": polynomials()}
HOLOMORPHIC = {"slide", "recur"}
