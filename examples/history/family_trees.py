"""A network learns two families (104 facts about 24 people) and infers facts that it was never told, as in 1986

Differentiated: the squared error of naming those who stand in a relation to somebody ("Colin has uncle: Arthur, Charles"),
with respect to the weights of a network 24+12 -> 6+6 -> 12 -> 6 -> 24. Both families have the same tree, which nobody tells
the network: to put a person into six units, it must find out what matters of people, such as family, generation and branch.
48 networks learn side by side, each with four facts of its own held out.

Reference: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323 (1986), Figs. 2
to 4: of four facts that were held out, one network got all right, another three.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot

ENGLISH = [
    "Christopher", "Penelope", "Andrew", "Christine", "Margaret", "Arthur",
    "Victoria", "James", "Jennifer", "Charles", "Colin", "Charlotte",
]  # fmt: skip
ITALIAN = [
    "Roberto", "Maria", "Pierro", "Francesca", "Gina", "Emilio", "Lucia", "Marco", "Angela", "Tomaso", "Alfonso", "Sophia",
]  # fmt: skip
# Two words for each kind of relation, to a man and to a woman; `facts` has the kinds in this order.
RELATIONS = [
    "father", "mother", "husband", "wife", "son", "daughter", "uncle", "aunt", "brother", "sister", "nephew", "niece",
]  # fmt: skip
TREE = {(0, 1): (5, 6), (2, 3): (7, 8), (7, 6): (10, 11), (5, 4): (), (9, 8): ()}  # (him, her): their son and daughter
MEN = {0, 2, 5, 7, 9, 10}
# What a unit may tell about the people of both families, -1 or 1 or between; only for reading the weights.
FEATURES = {
    "family": np.repeat([-1, 1], 12),
    "generation": np.tile([-1] * 4 + [0] * 6 + [1] * 2, 2),
    "branch": np.tile([-1, -1, 1, 1, -1, -1, -1, 1, 1, 1, 0, 0], 2),
}


def facts():
    """What is true in both families: {(person, relation): the people}."""
    partner = {person: couple[::-1][i : i + 1] for couple in TREE for i, person in enumerate(couple)}
    children = {person: TREE[couple] for couple in TREE for person in couple}
    parents = {child: couple for couple in TREE for child in TREE[couple]}

    def siblings(person):
        return [child for child in TREE.get(parents.get(person), ()) if child != person]

    found = {}
    for p in range(12):
        uncles = [u for parent in parents.get(p, ()) for s in siblings(parent) for u in (s, *partner[s])]
        nephews = [n for one in (p, *partner.get(p, ())) for s in siblings(one) for n in children.get(s, ())]
        kin = [parents.get(p, ()), partner.get(p, ()), children.get(p, ()), uncles, siblings(p), nephews]
        for i, others in enumerate(kin):
            for other in others:
                for family in (0, 12):
                    found.setdefault((p + family, 2 * i + (other not in MEN)), []).append(other + family)
    return found


class Networks(nn.Module):
    """Networks of one shape side by side, each with weights of its own."""

    def __init__(self, count):
        super().__init__()

        def layer(n_in, n_out):
            weight = nn.Parameter(cr.empty(count, n_in, n_out, dtype=cr.float32))
            nn.init.uniform_(weight, -1, 1)
            return weight, nn.Parameter(cr.zeros(count, 1, n_out, dtype=cr.float32))

        self.person, self.person_bias = layer(24, 6)
        self.relation, self.relation_bias = layer(12, 6)
        self.middle, self.middle_bias = layer(12, 12)
        self.code, self.code_bias = layer(12, 6)
        self.output, self.output_bias = layer(6, 24)
        nn.init.constant_(self.output_bias, -3)  # few of 24 people are an answer: learning this first would drown all else

    def forward(self, person, relation):
        who = cr.sigmoid(person @ self.person + self.person_bias)
        how = cr.sigmoid(relation @ self.relation + self.relation_bias)
        middle = cr.sigmoid(cr.cat([who, how], 2) @ self.middle + self.middle_bias)
        code = cr.sigmoid(middle @ self.code + self.code_bias)
        return cr.sigmoid(code @ self.output + self.output_bias)


def told_by_units(weights, order):
    """The share of the variance of the weights (..., 24, 6) that each feature explains in each unit (features, ..., 6)."""
    weights = (weights - weights.mean(-2, keepdims=True)) / weights.std(-2, keepdims=True)
    known = np.stack(list(FEATURES.values()))[:, order]
    known = known / np.sqrt((known**2).mean(1, keepdims=True))
    return np.moveaxis((np.moveaxis(weights, -2, -1) @ known.T / 24) ** 2, -1, 0)


def draw(weights, told):
    """The weights from all people to each of six units, a row for each family."""
    figure, axes = plot.subplots(3, 2, size=(9.6, 5.4))
    for unit, ax in enumerate(axes.flat):
        ax.imshow(
            weights[:, unit].reshape(2, 12), cmap="RdBu", vmin=-abs(weights).max(), vmax=abs(weights).max(), aspect="auto"
        )
        said = ", ".join(f"{name} {share:.0%}" for name, share in zip(FEATURES, told[:, unit], strict=True) if share > 0.2)
        ax.set_title(f"unit {unit + 1}" + (f": {said}" if said else ""), fontsize=10)
        ax.set_yticks([0, 1], ["English", "Italian"] if unit % 2 == 0 else ["", ""], fontsize=8.5)
        ax.set_xticks(range(12), [f"{e}, {i}" for e, i in zip(ENGLISH, ITALIAN, strict=True)] if unit > 3 else [""] * 12)
        ax.tick_params(axis="x", rotation=90, labelsize=8.5)
        ax.tick_params(length=0)
        ax.grid(visible=False)
    figure.suptitle("Weights from people to units (blue above 0), and the variance that features explain", x=0.01, ha="left")
    return figure


def main(demo):
    known, count, sweeps = facts(), 48, 600 if demo.quick else 6000
    person, relation, answer = (np.zeros((len(known), n), np.float32) for n in (24, len(RELATIONS), 24))
    for row, ((who, how), others) in enumerate(known.items()):
        person[row, who] = relation[row, how] = 1
        answer[row, others] = 1
    held_out = np.zeros((count, len(known)), bool)
    for row in held_out:
        row[demo.rng.choice(len(known), 4, replace=False)] = True
    net = Networks(count)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=3e-3)
    schedule = optim.lr_scheduler.MultiStepLR(optimizer, [sweeps // 2], gamma=0.2)
    who, how, target, told = (demo.tensor(a) for a in (person, relation, answer, (~held_out[:, :, None]).astype(np.float32)))

    @demo.compile
    def step():
        optimizer.zero_grad()
        out = net(who, how)
        errors = ((out - target) ** 2 * told).sum((1, 2))  # of each network
        errors.sum().backward()
        optimizer.step()
        return errors.detach(), out.detach()

    shares, right = [], None
    for i in demo.steps(sweeps, "sweep"):
        errors, out = step()
        schedule.step()
        if i % 50 == 0 or i == sweeps - 1:
            out = out.numpy()  # right: everyone who stands in the relation is above everyone who does not
            right = np.where(answer > 0, out, 2).min(2) > np.where(answer > 0, -1, out).max(2)
            shares.append((i + 1, right[~held_out].mean(), right[held_out].mean()))
            demo.log(error=errors.numpy().mean(), inferred=shares[-1][2])

    # Who knows the other facts of the same family and relation, and nothing of the person, repeats one of their answers.
    alike = [[o for (p, r), o in known.items() if r == how and p // 12 == who // 12 and p != who] for who, how in known]
    guess = np.mean([others.count(answer) / len(others) for others, answer in zip(alike, known.values(), strict=True)])
    order = np.arange(24)
    weights = net.person.detach().numpy()
    found = told_by_units(weights, order).max(-1).mean(1)
    chance = np.mean([told_by_units(weights, demo.rng.permutation(order)).max(-1).mean(1) for _ in range(50)], axis=0)
    demo.result("told facts right", right[~held_out].mean(), at_least=0.85)
    demo.result(
        "held-out facts right",
        right[held_out].mean(),
        at_least=0.48,
        reference=f"the answer of another fact of this family and relation: {guess:.2f}",
    )
    inferred = (right & held_out).sum(1)
    demo.result("best network, of its 4 held-out facts", inferred.max(), at_least=3, reference="the paper: 3 and 4")
    for (name, share), random, bound in zip(zip(FEATURES, found, strict=True), chance, (0.6, 0.5, 0.38), strict=True):
        reference = f"of people in random order: {random:.2f}"
        demo.result(f"{name} in one unit, variance explained", share, at_least=bound, reference=reference)
    best = inferred.argmax()
    demo.figure(
        draw(weights[best], told_by_units(weights[best], order)),
        caption="What six units know about people, as in Fig. 4 of the paper.",
    )
    steps, of_told, of_held_out = np.array(shares).T
    series = {"told": (steps, of_told), "held out": (steps, of_held_out)}
    demo.figure(
        plot.curves(series, f"Share of facts that are right, {count} networks", "sweep", smooth=1), "family_trees_right"
    )
