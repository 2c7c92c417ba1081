"""Samples of the rows of segments and running extrema."""

import numpy as np
import sampling
from sampling import C128, F32, Sample, along_axis, ints, spread

sampling.start(20)

IDS = np.array([2, 0, 2, -1, 0, 3])


def segments(**params):
    return [
        Sample(spread((6,), -2, 2), IDS, num=5, **params),
        Sample(spread((6, 2, 3), 0.5, 2), IDS, num=4, **params),
        Sample(spread((6,), -2, 2, F32), IDS, num=4, **params),
        Sample(spread((0, 2), -2, 2), IDS[:0], num=2, **params),
        Sample(spread((1,), -2, 2), IDS[:1], num=3, **params),
        Sample(ints(1, 5, 6), IDS, num=4, **params),
    ]


SAMPLES = {
    # A segment without elements has an infinite extremum, so that all here have some.
    "segment_extremum": [
        Sample(s.args[0][: len(IDS)], np.abs(s.args[1]) % 2, num=2, largest=largest)
        for s in segments()
        if len(s.args[1]) > 1
        for largest in (False, True)
    ]
    + [Sample(spread((6, 2), -2, 2), np.array([1, 0, 1, -1, 0, 1]), num=2, largest=True)],
    "segment_prod": segments()
    + [
        Sample(np.array([0.0, 2.0, 0.0, 3.0, 0.0, 4.0]), np.array([0, 0, 0, 1, 1, 1]), num=2),
        Sample(spread((6,), 0.5, 2, C128), IDS, num=4),
    ],
    "running_position": [
        Sample(*s.args, **s.params, largest=largest)
        for s in along_axis(-2, 2, complex=True, zeros=True)
        for largest in (False, True)
    ],
}
HOLOMORPHIC = {"segment_prod"}
