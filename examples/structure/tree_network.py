"""A recursive network has the shape of each expression: it learns to evaluate nested sums, minima and maxima modulo 5

Differentiated: the cross entropy of the five possible values, through a small network that stands at every node of an
expression and joins what comes from its two parts, with respect to its weights. The graph is another one for each expression.

Written twice: as plain recursion, and for many expressions at a time, with each one's shape in arrays of indices, so that one
compiled program serves all shapes. Both have the same gradients, which is checked.

Reference: Socher, Lin, Ng and Manning, "Parsing natural scenes and natural language with recursive neural networks", ICML 2011;
the task is a relative of ListOps (Nangia and Bowman 2018). The baseline is told how often each symbol occurs, but not where.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.nn import functional as F

VALUES = 5
MOST = 8  # leaves of an expression in training
OPERATORS = {"+": lambda a, b: (a + b) % VALUES, "min": min, "max": max}
SYMBOLS = [*range(VALUES), *OPERATORS]


def expression(rng, leaves):
    """A random tree (operator, left, right) with that many leaves, which are numbers."""
    if leaves == 1:
        return int(rng.integers(VALUES))
    left = int(rng.integers(1, leaves))
    return str(rng.choice(list(OPERATORS))), expression(rng, left), expression(rng, leaves - left)


def value(tree):
    return tree if isinstance(tree, int) else OPERATORS[tree[0]](value(tree[1]), value(tree[2]))


def written(tree):
    return str(tree) if isinstance(tree, int) else f"({written(tree[1])} {tree[0]} {written(tree[2])})"


def counts(tree):
    """How often each symbol occurs."""
    if isinstance(tree, int):
        return np.eye(len(SYMBOLS), dtype=np.float32)[tree]
    return np.eye(len(SYMBOLS), dtype=np.float32)[SYMBOLS.index(tree[0])] + counts(tree[1]) + counts(tree[2])


def flat(trees, most=MOST):
    """Arrays for many trees: leaves; sign, left and right part of each inner node, parts before wholes; where the value stands.

    Leaves have the numbers 0 to most - 1, inner nodes those that follow. What a smaller tree does not need is filled up with 0.
    """
    leaves, nodes = np.zeros((len(trees), most), int), np.zeros((3, len(trees), most - 1), int)
    roots = np.zeros(len(trees), int)

    def visit(tree, i, used):
        if isinstance(tree, int):
            leaves[i, used[0]] = tree
            used[0] += 1
            return used[0] - 1
        left, right = visit(tree[1], i, used), visit(tree[2], i, used)
        nodes[:, i, used[1]] = list(OPERATORS).index(tree[0]), left, right
        used[1] += 1
        return most + used[1] - 1

    for i, tree in enumerate(trees):
        roots[i] = visit(tree, i, [0, 0])
    return leaves, *nodes, roots


class TreeNetwork(nn.Module):
    def __init__(self, size=32, hidden=96):
        super().__init__()
        self.leaf = nn.Embedding(VALUES, size)
        self.sign = nn.Embedding(len(OPERATORS), hidden)
        self.join, self.out = nn.Linear(2 * size, hidden), nn.Linear(hidden, size)
        self.read = nn.Linear(size, VALUES)

    def node(self, sign, left, right):
        h = F.relu(self.join(cr.cat([left, right], 1)) + self.sign(sign))
        return cr.tanh(self.out(h))

    def recursive(self, tree):
        """The state of one tree, (1, size): the network calls itself on both parts."""
        if isinstance(tree, int):
            return self.leaf(cr.tensor([tree]))
        sign = cr.tensor([list(OPERATORS).index(tree[0])])
        return self.node(sign, self.recursive(tree[1]), self.recursive(tree[2]))

    def forward(self, leaves, signs, left, right, roots):
        """Scores of the values of many trees, as `flat` gives them: inner nodes one after the other, all trees at a time."""
        states, rows = self.leaf(leaves), cr.arange(len(leaves))
        for k in range(signs.shape[1]):
            new = self.node(signs[:, k], states[rows, left[:, k]], states[rows, right[:, k]])
            states = cr.cat([states, new[:, None]], 1)
        return self.read(states[rows, roots])


def main(demo):
    def expressions(n, low, high):
        trees = [expression(demo.rng, int(demo.rng.integers(low, high + 1))) for _ in range(n)]
        return trees, np.array([value(tree) for tree in trees])

    trees, values = expressions(2000 if demo.quick else 20000, 1, MOST)
    net, bag = TreeNetwork(), nn.Sequential(nn.Linear(len(SYMBOLS), 96), nn.ReLU(), nn.Linear(96, VALUES))

    def trained(net, *inputs, name, epochs, batch_size=50):
        optimizer = optim.Adam(net.parameters(), lr=3e-3)
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(trees) // batch_size))

        @demo.compile
        def step(y, *x):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(*x), y)
            loss.backward()
            optimizer.step()
            return loss

        for batch in demo.batches(values, *inputs, batch_size=batch_size, epochs=epochs, name=name):
            demo.log(**{name: step(*batch)})
            schedule.step()

    trained(net, *flat(trees), name="tree network", epochs=12 if demo.quick else 30)
    trained(bag, np.stack([counts(tree) for tree in trees]), name="bag of symbols", epochs=1 if demo.quick else 5)

    few = 5
    gradients = []
    for scores in (net(*map(demo.tensor, flat(trees[:few]))), net.read(cr.cat([net.recursive(t) for t in trees[:few]]))):
        net.zero_grad()
        F.cross_entropy(scores, demo.tensor(values[:few])).backward()
        gradients.append(np.concatenate([p.grad.numpy().ravel() for p in net.parameters()]))
    difference = np.max(np.abs(gradients[0] - gradients[1])) / np.max(np.abs(gradients[0]))
    demo.result("gradients: recursion against one program for all", difference, at_most=1e-4)

    accuracy = {}
    with cr.no_grad():
        for low, high in ((1, MOST), (MOST + 1, 2 * MOST), (2 * MOST + 1, 4 * MOST)):
            new, true = expressions(50 if demo.quick else 1000, low, high)
            said = net(*map(demo.tensor, flat(new, high))).numpy().argmax(1)
            guess = bag(demo.tensor(np.stack([counts(tree) for tree in new]))).numpy().argmax(1)
            accuracy[f"{low} to {high}"] = np.mean(said == true), np.mean(guess == true)
    for (sizes, (found, baseline)), bound in zip(accuracy.items(), (0.99, 0.95, 0.9)):
        demo.result(f"accuracy, {sizes} numbers", found, at_least=bound, reference=f"bag of symbols: {baseline:.2f}")
    example = max(trees[:20], key=lambda tree: len(written(tree)))
    demo.figure(picture(net, example), caption="What the network says at each node of an expression; red where it is wrong.")
    series = {name: demo.curve(name) for name in ("tree network", "bag of symbols")}
    demo.figure(plot.curves(series, "Cross entropy of each batch", "step", log=True), "tree_network_loss")


def picture(net, tree):
    """The tree with the value that the network reads at each node; leaves stand side by side, wholes above their parts."""
    figure, axes = plot.subplots(1, 1, (7.5, 4.2))
    places = iter(range(100))

    def draw(tree):
        with cr.no_grad():
            said = int(net.read(net.recursive(tree)).argmax(1).numpy()[0])
        color = plot.GREEN if said == value(tree) else plot.RED
        if isinstance(tree, int):
            x, height, text = next(places), 0, f"{said}"
        else:
            parts = [draw(part) for part in tree[1:]]
            x, height = np.mean([p[0] for p in parts]), 1 + max(p[1] for p in parts)
            text = f"{tree[0]}\n{said}"
            for p in parts:
                axes.plot([x, p[0]], [height, p[1]], color="#bbbbbb", linewidth=1.2, zorder=1)
        axes.text(
            x, height, text, ha="center", va="center", color="white", bbox={"boxstyle": "round", "fc": color, "ec": "none"}
        )
        return x, height

    _, height = draw(tree)
    axes.set(title=f"{written(tree)} = {value(tree)}", ylim=(-0.5, height + 0.5))
    axes.margins(x=0.08)
    axes.set_axis_off()
    return figure
