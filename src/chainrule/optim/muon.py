"""Muon."""

import math

from ..errors import ArgumentError, explain
from ..ops import maximum, sqrt, square
from .optimizer import Optimizer, mean, zeros
from .settings import check, only_real


def orthogonalized(x, coefficients, steps, eps):
    """Nearly the orthogonal factor of a matrix: its singular values become about 1, by Newton-Schulz iteration."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / maximum(sqrt(square(x).sum()), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


class Muon(Optimizer):
    """Muon (Jordan et al., 2024): momentum whose singular values are made equal. For matrices of hidden layers only.

    Other parameters (biases, embeddings, the last layer) need another optimiser, such as AdamW. Computed in the dtype of the
    parameters; PyTorch uses bfloat16, so results agree to that precision.

    Parameters
    ----------
    params : iterable of matrices, or of groups of them; see `Optimizer`
    lr : learning rate, a number or a Tensor without axes
    weight_decay : parameters shrink by `lr * weight_decay` each step
    momentum : weight of the past in the mean of gradients
    nesterov : use the gradient where momentum alone would lead to
    ns_coefficients : the three coefficients of the iteration's polynomial
    eps : least size of the momentum
    ns_steps : iterations, less than 100
    adjust_lr_fn : how the rate depends on the shape: None or 'original' (grows with tall matrices), or 'match_rms_adamw'
        (so that rates for AdamW can be used)

    Examples
    --------
    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> x = cr.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> optim.Muon([x], lr=0.1).step()
    >>> x.detach().numpy().round(2)
    array([[0.88, 0.  ],
           [0.  , 1.91]])
    """

    def __init__(
        self, params, lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315),
        eps=1e-7, ns_steps=5, adjust_lr_fn=None,
    ):  # fmt: skip
        super().__init__(params, locals())

    @classmethod
    def check(cls, settings):
        super().check(settings)
        how, steps = settings["adjust_lr_fn"], settings["ns_steps"]
        check(
            how in (None, "original", "match_rms_adamw"),
            "Muon: unknown adjust_lr_fn",
            repr(how),
            "'original' or 'match_rms_adamw'",
        )
        check(0 <= steps < 100, "Muon: ns_steps must be below 100", steps, "5 are enough")
        check(
            len(settings["ns_coefficients"]) == 3,
            "Muon: three coefficients are needed",
            settings["ns_coefficients"],
            "leave them out",
        )

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        for i, p in enumerate(self.param_groups[-1]["params"]):
            only_real(p, "Muon")
            if p.ndim != 2:
                raise ArgumentError(
                    explain(
                        f"Muon: parameter {i} is not a matrix",
                        f"found: shape {p.shape}",
                        help="give it to another optimiser: [p for p in model.parameters() if p.ndim != 2]",
                    )
                )

    def init_one(self, param, hyper):
        return zeros(param, "momentum_buffer")

    def step_one(self, param, grad, state, hyper):
        momentum = hyper["momentum"]
        buffer = mean(state["momentum_buffer"], grad, momentum)
        direction = grad + momentum * (buffer - grad) if hyper["nesterov"] else buffer
        direction = orthogonalized(direction, hyper["ns_coefficients"], hyper["ns_steps"], hyper["eps"])
        n, m = param.shape
        scale = 0.2 * math.sqrt(max(n, m)) if hyper["adjust_lr_fn"] == "match_rms_adamw" else math.sqrt(max(1.0, n / m))
        param = param * (1 - hyper["lr"] * hyper["weight_decay"])
        return param - hyper["lr"] * scale * direction, {"momentum_buffer": buffer}
