"""Labels and indices out of range are refused by eager code, and by programs that were made with good ones."""

import numpy as np
import pytest

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim
from chainrule.errors import ArgumentError

RNG = np.random.default_rng(0)
SCORES, TABLE = RNG.normal(size=(6, 4)), RNG.normal(size=(4, 3))
LABELS = RNG.integers(0, 4, 6)
SEVERAL = np.array([[3, 0, -1, 1]] * 6)
LOGS = np.asarray(F.log_softmax(RNG.normal(size=(7, 2, 4)), -1))
SEQUENCES = np.array([[1, 2], [3, 1]])
HEAD = nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4])

CASES = {
    "cross_entropy": (lambda t: F.cross_entropy(SCORES, t), LABELS, 4),
    "cross_entropy, weighted": (lambda t: F.cross_entropy(SCORES, t, np.arange(4.0), label_smoothing=0.1), LABELS, 4),
    "nll_loss": (lambda t: F.nll_loss(SCORES, t), LABELS, 4),
    "multi_margin_loss": (lambda t: F.multi_margin_loss(SCORES, t), LABELS, 4),
    "multilabel_margin_loss": (lambda t: F.multilabel_margin_loss(SCORES, t), SEVERAL, 4),
    "ctc_loss": (lambda t: F.ctc_loss(LOGS, t, np.array([7, 7]), np.array([2, 2])), SEQUENCES, 4),
    "one_hot": (lambda t: F.one_hot(t, 4), LABELS, 4),
    "embedding": (lambda t: F.embedding(t, TABLE), LABELS, 4),
    "embedding_bag": (lambda t: F.embedding_bag(t.reshape(2, 3), TABLE), LABELS, 4),
    "adaptive softmax": (lambda t: HEAD(SCORES, t).loss.detach(), LABELS, 6),
}


@pytest.mark.parametrize("name", CASES)
def test_out_of_range(name):
    f, good, size = CASES[name]
    program = cr.compile(f)
    for _ in range(2):
        np.testing.assert_allclose(program(good), f(good), rtol=1e-5)
    for wrong in (size, size + 3, -1, -size):
        if name == "multilabel_margin_loss" and wrong < 0:
            continue  # which ends a list of labels
        bad = good.copy()
        bad.flat[0] = wrong
        for call in (f, program):
            with pytest.raises(nn.IndexRangeError, match=f"below {size}(.|\n)*found: {wrong} at position"):
                call(bad)
    np.testing.assert_allclose(program(good), f(good), rtol=1e-5)


def test_a_compiled_step_changes_nothing():
    model = nn.Linear(4, 4)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @cr.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, ignore_index=-7)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step(SCORES, LABELS)
    before = model.weight.detach().numpy().copy()
    for wrong in (-1, 4):
        bad = LABELS.copy()
        bad[3] = wrong
        with pytest.raises(nn.IndexRangeError, match=f"found: {wrong} at position"):
            step(SCORES, bad)
        np.testing.assert_array_equal(model.weight.detach(), before)
    ignored = LABELS.copy()
    ignored[3] = -7
    assert np.isfinite(step(SCORES, ignored).item())


@pytest.mark.parametrize("bad", [None, "text", ["a", "b"]])
def test_inputs_that_are_no_numbers(bad):
    with pytest.raises(ArgumentError, match=r"needs numbers as its input(.|\n)*in: 0 of Sequential(.|\n)*help:"):
        nn.Sequential(nn.Linear(4, 4))(bad)
