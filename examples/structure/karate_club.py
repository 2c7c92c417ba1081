"""A graph convolutional network learns from two labels who went with whom when Zachary's karate club split

Differentiated: the cross entropy of two labelled members with respect to 594 weights, through two rounds in which each member
adds up what its friends have (a sum over the 78 friendships, which is a product with a sparse matrix). Nothing is known of the
members but who is friends with whom; the two labels are those of the instructor and the administrator.

Reference: Kipf and Welling, "Semi-supervised classification with graph convolutional networks", ICLR 2017. The club: Zachary,
"An information flow model for conflict and fission in small groups", Journal of Anthropological Research 33 (1977).
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

FRIENDS = {  # of each member, those with a higher number
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31], 1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32], 3: [7, 12, 13], 4: [6, 10], 5: [6, 10, 16], 6: [16], 8: [30, 32, 33], 9: [33], 13: [33],
    14: [32, 33], 15: [32, 33], 18: [32, 33], 19: [33], 20: [32, 33], 22: [32, 33], 23: [25, 27, 29, 32, 33], 24: [25, 27, 31],
    25: [31], 26: [29, 33], 27: [33], 28: [31, 33], 29: [32, 33], 30: [32, 33], 31: [32, 33], 32: [33],
}  # fmt: skip
MEMBERS = 34
INSTRUCTOR, ADMINISTRATOR = 0, 33
WITH_INSTRUCTOR = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21}


class GraphConvolution(nn.Module):
    """H -> A (H W + b), where A is sparse, given by its entries: row `to`, column `of`, and `weight` of each."""

    def __init__(self, inputs, outputs, edges):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.to, self.of, self.weight = edges

    def forward(self, x):
        h = self.linear(x)
        return cr.zeros_like(h).scatter_add(0, self.to.expand(-1, h.shape[1]), self.weight * h[self.of])


class Network(nn.Module):
    def __init__(self, edges, hidden=16):
        super().__init__()
        self.first = GraphConvolution(MEMBERS, hidden, edges)
        self.second = GraphConvolution(hidden, 2, edges)

    def forward(self, x):
        return self.second(cr.tanh(self.first(x)))


def adjacency(pairs):
    """Entries of D^-1/2 (A + I) D^-1/2: rows, columns, values."""
    own = np.arange(MEMBERS)
    rows, columns = np.concatenate([pairs, pairs[:, ::-1], np.stack([own, own], 1)]).T
    degree = np.bincount(rows)
    return rows, columns, 1 / np.sqrt(degree[rows] * degree[columns])


def main(demo):
    pairs = np.array([(i, j) for i, friends in FRIENDS.items() for j in friends])
    rows, columns, values = adjacency(pairs)
    edges = demo.tensor(rows[:, None]), demo.tensor(columns), demo.tensor(values[:, None].astype(np.float32))
    nobody = demo.tensor(np.eye(MEMBERS, dtype=np.float32))  # of each member, only who it is
    known, labels = demo.tensor(np.array([INSTRUCTOR, ADMINISTRATOR])), demo.tensor(np.array([0, 1]))
    net = Network(edges)
    optimizer = optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.05)

    @demo.compile
    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(net(nobody)[known], labels)
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(20 if demo.quick else 500):
        demo.log(loss=step())

    with cr.no_grad():
        towards = F.softmax(net(nobody), dim=1)[:, 1].numpy()  # the administrator
    true = np.array([i not in WITH_INSTRUCTOR for i in range(MEMBERS)])
    asked = np.setdiff1d(np.arange(MEMBERS), [INSTRUCTOR, ADMINISTRATOR])
    friends = csr_array((np.ones(len(pairs)), pairs.T), shape=(MEMBERS, MEMBERS))
    distance = shortest_path(friends, directed=False, unweighted=True)
    nearer = distance[ADMINISTRATOR] - distance[INSTRUCTOR]  # ties are worth a half
    baseline = np.mean(np.where(nearer == 0, 0.5, (nearer < 0) == true)[asked])
    accuracy = np.mean((towards > 0.5) == true, where=np.isin(np.arange(MEMBERS), asked))
    reference = f"the nearer of the two: {baseline:.3f}"
    demo.result("accuracy on the other 32 members", accuracy, at_least=0.93, reference=reference)
    caption = "The club, coloured by what the network says. Squares are the two labels."
    demo.figure(picture(layout(distance, demo.rng), pairs, towards, true), caption=caption)
    demo.figure(plot.curves({"two members": demo.curve("loss")}, "Cross entropy", "step"), "karate_club_loss")


def layout(distance, rng):
    """Places in the plane whose distances are near those in the graph, by Kamada and Kawai's energy and its gradient."""
    wanted, apart = distance, ~np.eye(MEMBERS, dtype=bool)

    def energy(places):
        actual = np.sqrt(np.sum((places[:, None] - places[None]) ** 2, -1) + 1e-9)
        return np.sum(((actual - wanted)[apart] / wanted[apart]) ** 2)

    return optim.scipy.minimize(energy, rng.normal(size=(MEMBERS, 2)), method="L-BFGS-B").x


def picture(places, pairs, towards, true):
    figure, axes = plot.subplots(1, 1, (7, 4.6))
    for i, j in pairs:
        axes.plot(*places[[i, j]].T, color="#bbbbbb", linewidth=0.8, zorder=1)
    for marker, members in (
        ("s", [INSTRUCTOR, ADMINISTRATOR]),
        ("o", np.delete(np.arange(MEMBERS), [INSTRUCTOR, ADMINISTRATOR])),
    ):
        wrong = (towards > 0.5)[members] != true[members]
        edge = np.where(wrong, plot.RED, "#444444")
        spots = axes.scatter(
            *places[members].T,
            c=towards[members],
            s=210,
            marker=marker,
            cmap="RdYlBu",
            vmin=0,
            vmax=1,
            edgecolors=edge,
            linewidths=np.where(wrong, 3, 0.8),
            zorder=2,
        )
    for i, place in enumerate(places):
        color = "white" if abs(towards[i] - 0.5) > 0.4 else "black"
        axes.text(*place, str(i), ha="center", va="center", fontsize=7.5, color=color)
    figure.colorbar(spots, ax=axes, label="probability of going with the administrator")
    axes.set_axis_off()
    axes.set_title(f"Zachary's karate club; wrong, ringed red: {np.sum((towards > 0.5) != true)}")
    return figure
