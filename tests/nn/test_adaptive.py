"""AdaptiveLogSoftmaxWithLoss: PyTorch's numbers, as full a loss as the one over all classes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, ShapeError
from chainrule.nn import IndexRangeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 12))
Y = RNG.permutation(np.r_[np.arange(15), RNG.integers(0, 40, 5)])


def make(**options):
    cr.manual_seed(0)
    return nn.AdaptiveLogSoftmaxWithLoss(12, 40, **{"cutoffs": [4, 10, 25], "div_value": 2.0, "dtype": float} | options)


@pytest.mark.parametrize("head_bias", [False, True])
@pytest.mark.parametrize("target", [Y, np.zeros(20, int), np.full(20, 39)], ids=["all", "shortlist", "last"])
def test_against_pytorch(head_bias, target):
    torch = pytest.importorskip("torch")
    ours = make(head_bias=head_bias)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(12, 40, [4, 10, 25], div_value=2.0, head_bias=head_bias, dtype=torch.float64)
    theirs.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in ours.state_dict().items()})
    x, tx = cr.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    (output, loss), (toutput, tloss) = ours(x, target), theirs(tx, torch.tensor(target))
    weights = RNG.normal(size=20)
    ((output * weights).sum() + loss).backward()
    ((toutput * torch.tensor(weights)).sum() + tloss).backward()
    pairs = [(output, toutput), (loss, tloss), (ours.log_prob(X), theirs.log_prob(tx)), (x.grad, tx.grad)]
    pairs += [(p.grad, q.grad) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)]
    for a, b in pairs:
        if b is None or a is None:
            assert b is None or not b.any()
            continue
        np.testing.assert_allclose(np.asarray(a.detach()), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert np.array_equal(ours.predict(X), theirs.predict(tx).numpy())


def test_it_is_the_cross_entropy_over_all_classes():
    layer = make()
    np.testing.assert_allclose(np.exp(layer.log_prob(X).detach()).sum(1), 1)
    np.testing.assert_allclose(layer(X, Y).loss.item(), nn.functional.nll_loss(layer.log_prob(X), Y).item())
    one = layer(X[0], Y[0])
    assert one.output.shape == () and one.output.item() == pytest.approx(layer.log_prob(X[:1])[0, Y[0]].item())


def test_compiled_vmap_and_second_order():
    layer = make()
    expected = layer(X, Y)
    compiled = cr.compile(lambda x, y: tuple(layer(x, y)))
    for y in Y, Y[::-1].copy():
        np.testing.assert_allclose(compiled(X, y)[0].detach(), layer(X, y).output.detach(), rtol=1e-10)
    one_by_one = cr.vmap(lambda x, y: layer(x, y).output)(X, Y)
    np.testing.assert_allclose(np.asarray(one_by_one.detach()), expected.output.detach(), rtol=1e-10)
    v = RNG.normal(size=X.shape)
    h = cr.jvp(cr.grad(lambda x: layer(x, Y).loss), (X,), (v,))[1]
    g = cr.grad(lambda x: layer(x, Y).loss)
    above, below, e = g(X + 1e-5 * v), g(X - 1e-5 * v), 1e-5
    slope = (np.asarray(above.detach()) - np.asarray(below.detach())) / (2 * e)
    np.testing.assert_allclose(np.asarray(h.detach()), slope, rtol=1e-6, atol=1e-9)


def test_bad_input():
    for cutoffs in ([], [0, 3], [5, 3], [3, 3], [40], [2.5]):
        with pytest.raises(ArgumentError, match="cutoffs must be increasing"):
            make(cutoffs=cutoffs)
    layer = make()
    with pytest.raises(ShapeError):
        layer(X[:, :5], Y)
    with pytest.raises(ShapeError, match=r"target \(n,\)"):
        layer(X, Y[:5])
    with pytest.raises(IndexRangeError):
        layer(X, np.full(20, 40))
