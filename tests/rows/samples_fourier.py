"""Sample arguments for the rows of Fourier, cosine and sine transforms."""

import sampling
from sampling import C128, F32, F64, INT, Sample, normal

sampling.start(20)

C64 = C128.type(0).astype("F").dtype


def fft_samples():
    samples = [Sample(normal(4, dtype=d), axes=(0,), inverse=i, norm="backward") for d in (F64, F32, C128, C64) for i in (0, 1)]
    samples += [Sample(normal(5, dtype=C128), axes=(0,), inverse=True, norm=n) for n in ("ortho", "forward")]
    samples += [
        Sample(normal(3, dtype=INT), axes=(0,), inverse=False, norm="backward"),
        Sample(normal(2, 3, dtype=C128), axes=(1,), inverse=False, norm="forward"),
        Sample(normal(2, 3, 4), axes=(2, 0), inverse=False, norm="ortho"),
        Sample(normal(2, 3, dtype=C128), axes=(0, 1, 0), inverse=True, norm="backward"),
        Sample(normal(0, 3, dtype=C128), axes=(1,), inverse=False, norm="backward"),
        Sample(normal(1, 2), axes=(0,), inverse=False, norm="backward"),
    ]
    return [Sample(*s.args, **{**s.params, "inverse": bool(s.params["inverse"])}) for s in samples]


def rfft_samples():
    return [
        *(Sample(normal(n, dtype=d), axis=0, norm="backward") for n in (4, 5) for d in (F64, F32)),
        *(
            Sample(normal(2, n, 2), axis=1, norm=norm)
            for n, norm in ((1, "ortho"), (2, "forward"), (3, "ortho"), (6, "forward"))
        ),
        Sample(normal(3, dtype=INT), axis=0, norm="backward"),
        Sample(normal(0, 3), axis=1, norm="backward"),
    ]


def irfft_samples():
    return [
        *(Sample(normal(n // 2 + 1, dtype=d), n=n, axis=0, norm="backward") for n in (4, 5) for d in (C128, C64, F64, F32)),
        *(
            Sample(normal(2, n // 2 + 1, 2, dtype=C128), n=n, axis=1, norm=norm)
            for n, norm in ((1, "ortho"), (2, "forward"), (3, "ortho"), (6, "forward"))
        ),
        Sample(normal(3, dtype=INT), n=4, axis=0, norm="backward"),
        Sample(normal(0, 2, dtype=C128), n=3, axis=1, norm="backward"),
    ]


def cosine_samples():
    norms = ("backward", "ortho", "forward")
    samples = [
        Sample(normal(2, 4), kind=kind, type=type, axis=1, norm=norms[type % 3], orthogonal=orthogonal)
        for kind in ("dct", "dst")
        for type in (1, 2, 3, 4)
        for orthogonal in (False, True)
    ]
    params = {"kind": "dct", "type": 2, "axis": 0, "norm": "backward", "orthogonal": False}
    samples += [Sample(normal(3, dtype=d), **params) for d in (F32, C128, C64)]
    samples += [
        Sample(normal(3, 2, dtype=F32), **{**params, "type": 3, "kind": "dst"}),
        Sample(normal(2, 2), **{**params, "type": 1}),
        Sample(normal(1, 2), **{**params, "kind": "dst"}),
        Sample(normal(3, 0), **params),
    ]
    return samples


SAMPLES = {"fft": fft_samples(), "rfft": rfft_samples(), "irfft": irfft_samples(), "dct": cosine_samples()}
HOLOMORPHIC = {"dct"}
