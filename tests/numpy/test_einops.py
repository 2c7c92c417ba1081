"""einops on Tensors: the same numbers as on arrays, with derivatives, compiled and mapped."""

import numpy as np
import pytest

einops = pytest.importorskip("einops")

import chainrule as cr  # noqa: E402
from chainrule import einops as ours, nn  # noqa: E402

X = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
CALLS = {
    "transpose": lambda x: einops.rearrange(x, "b c h w -> h w b c"),
    "split": lambda x: einops.rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=2, q=3),
    "list": lambda x: einops.rearrange([x[0], x[1]], "b c h w -> (b c) h w"),
    "ellipsis": lambda x: einops.rearrange(x, "b ... w -> w (b ...)"),
    "mean": lambda x: einops.reduce(x, "b c h w -> b c", "mean"),
    "max": lambda x: einops.reduce(x, "b c (h 2) (w 2) -> b c h w", "max"),
    "sum": lambda x: einops.reduce(x, "b c h w -> c () h 1", "sum"),
    "prod": lambda x: einops.reduce(x, "b c h w -> b c w", "prod"),
    "repeat": lambda x: einops.repeat(x, "b c h w -> b (c k) h w", k=2),
    "new axis": lambda x: einops.repeat(x, "b c h w -> k b c h w", k=3),
    "einsum": lambda x: einops.einsum(x, x[0], "b c h w, c h v -> b v w"),
    "pack": lambda x: einops.pack([x, x[:, :, 0]], "b c *")[0],
    "unpack": lambda x: einops.unpack(x.reshape(2, 3, 24), [(2, 2), (20,)], "b c *")[0],
}


@pytest.mark.parametrize("name", CALLS)
def test_like_arrays(name):
    f = CALLS[name]
    weights = np.random.default_rng(1).normal(size=f(X).shape)
    t = cr.tensor(X, requires_grad=True)
    out = f(t)
    np.testing.assert_allclose(out.detach().numpy(), f(X), rtol=1e-12)
    (out * weights).sum().backward()
    cr.gradcheck(lambda x: (f(x) * weights).sum(), (X,))
    gradient = cr.grad(lambda x: (cr.sin(f(x)) * weights).sum())
    np.testing.assert_allclose(cr.compile(gradient)(X), gradient(X), rtol=1e-9)
    np.testing.assert_allclose(cr.vmap(gradient)(np.stack([X, 2 * X]))[1], gradient(2 * X), rtol=1e-9)


def test_the_rest():
    t = cr.tensor(X)
    assert ours.parse_shape(t, "b c _ w") == {"b": 2, "c": 3, "w": 6}
    assert np.array_equal(ours.asnumpy(t), X) and ours.rearrange is einops.rearrange
    net = nn.Sequential(ours.Rearrange("b c h w -> b (c h w)"), nn.Linear(72, 5, dtype=float), nn.ReLU())
    assert net(X).shape == (2, 5) and "b c h w" in repr(net)
    assert np.allclose(ours.Reduce("b c h w -> b c", "mean")(t).numpy(), X.mean((2, 3)))
    with pytest.raises(einops.EinopsError):
        einops.rearrange(t, "a b -> b a")
