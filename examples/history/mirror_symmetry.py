"""Two hidden units learn mirror symmetry (all 64 patterns of six bits): as backpropagation did in 1986

Differentiated: half the sum of squared errors over all 64 patterns, with respect to the 17 weights of a 6-2-1 network of
logistic units; 32 networks that start from other weights learn side by side. A unit that tells every pattern from its mirror
image needs weights of opposite sign on both sides of the middle, and sizes of which no sum cancels, such as 1 : 2 : 4.
Nobody tells the network so.

Reference: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323 (1986), Fig. 1:
1,425 sweeps with rate 0.1 and momentum 0.9, weights antisymmetric, in the ratio 1 : 2 : 4.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot


class Networks(nn.Module):
    """Networks of six inputs, two hidden units and one output, each with weights of its own."""

    def __init__(self, count):
        super().__init__()
        self.w1 = nn.Parameter(cr.empty(count, 6, 2, dtype=cr.float32))
        self.b1 = nn.Parameter(cr.empty(count, 1, 2, dtype=cr.float32))
        self.w2 = nn.Parameter(cr.empty(count, 2, 1, dtype=cr.float32))
        self.b2 = nn.Parameter(cr.empty(count, 1, 1, dtype=cr.float32))
        for p in self.parameters():
            nn.init.uniform_(p, -0.3, 0.3)

    def forward(self, x):
        hidden = cr.sigmoid(x @ self.w1 + self.b1)
        return cr.sigmoid(hidden @ self.w2 + self.b2).squeeze(2)


def draw(w1, b1, w2, b2):
    """The units as in the paper's figure: for each, a square an input, white for weights above 0, black for those below."""
    figure, axes = plot.subplots(1, 2, size=(8.4, 1.9))
    most = np.abs(w1).max()
    for unit, ax in enumerate(axes):
        weights = w1[:, unit]
        ax.set_facecolor("#b9b9b9")
        sides = 0.9 * np.sqrt(np.abs(weights) / most)  # areas are proportional to weights
        for i, (w, side) in enumerate(zip(weights, sides, strict=True)):
            ax.bar(i, side, side, bottom=-side / 2, color="white" if w > 0 else "black")
            ax.text(i, -0.72, f"{w:+.2f}", ha="center", va="center", fontsize=9)
        ax.axvline(2.5, color="#555555", linestyle=":", linewidth=1)
        ax.set(xlim=(-0.6, 5.6), ylim=(-0.9, 0.6), yticks=[], xticks=range(6), xticklabels=range(1, 7), xlabel="input")
        ax.set_title(f"hidden unit {unit + 1}: bias {b1[0, unit]:.2f}, to the output {w2[unit, 0]:.2f}", fontsize=11)
        ax.grid(visible=False)
        ax.set_aspect("equal")
    figure.suptitle(f"What the hidden units learnt; bias of the output {b2[0, 0]:.2f}", x=0.01, ha="left")
    return figure


def main(demo):
    patterns = np.array([[i >> k & 1 for k in range(6)] for i in range(64)], np.float32)
    symmetric = (patterns == patterns[:, ::-1]).all(1).astype(np.float32)
    x, y = demo.tensor(patterns), demo.tensor(symmetric)
    count, sweeps = 32, 1500 if demo.quick else 6000
    net = Networks(count)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    @demo.compile
    def step():
        optimizer.zero_grad()
        errors = 0.5 * ((net(x) - y) ** 2).sum(1)  # of each network
        errors.sum().backward()
        optimizer.step()
        return errors.detach()

    curves = []
    for _ in demo.steps(sweeps, "sweep"):
        curves.append(step().numpy())
        demo.log(error=np.median(curves[-1]))

    with cr.no_grad():
        right = ((net(x).numpy() > 0.5) == symmetric).sum(1)
    curves = np.array(curves)
    best = np.argmin(curves[-1])
    learnt = right == 64
    w1, b1, w2, b2 = (p.detach().numpy()[best] for p in net.parameters())
    # The two sides of the middle, and the sizes in order, in units of the smallest: 1 : 2 : 4 after infinitely many sweeps.
    asymmetry = np.abs(w1 + w1[::-1]).max() / np.abs(w1).max()
    sizes = np.sort(np.abs(w1[:3]), axis=0)
    ratios = sizes / sizes[0]
    every = np.sort(np.abs(net.w1.detach().numpy()[:, :3]), axis=1)
    doubling = (np.abs(every / every[:, :1] - np.array([1, 2, 4])[:, None]) < 0.5).all((1, 2))
    demo.result("patterns right, best network", right[best], at_least=64, reference="saying 'not symmetric' to all: 56")
    demo.result("networks that know all patterns", learnt.mean(), at_least=0.5, reference=f"of {count} beginnings")
    demo.result("asymmetry of the weights", asymmetry, at_most=0.02, reference="0 in the limit")
    demo.result(
        "second weight over the smallest", ratios[1].mean(), at_least=1.9, at_most=2.1, reference="the paper: 7.2 / 3.6"
    )
    demo.result(
        "largest weight over the smallest", ratios[2].mean(), at_least=3.8, at_most=4.2, reference="the paper: 14.2 / 3.6"
    )
    demo.result(
        "learnt with ratio 1 : 2 : 4", doubling[learnt].mean() if learnt.any() else 0.0, reference="others found are 2 : 3 : 4"
    )
    demo.figure(
        draw(w1, b1, w2, b2), caption="Weights of both hidden units, drawn as in the paper: area for size, white for positive."
    )
    shown = {f"network {best}, drawn": curves[:, best]} | {f"network {k}": curves[:, k] for k in range(5) if k != best}
    figure = plot.curves(shown, "Squared error over all patterns", "sweep", log=True, smooth=1)
    demo.figure(figure, "mirror_symmetry_error", "Plateaus, and how suddenly they end.")
