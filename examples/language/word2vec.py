"""word2vec: vectors of words from the company they keep (King James Bible, 790,000 words), and a map of them

Differentiated: the skip-gram loss with negative sampling, with respect to two tables of vectors. The product of a word's vector
with those of words within five places of it should be large, that with those of words drawn at random small.

Reference: Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed representations of words and phrases and their
compositionality", NeurIPS (2013). Compared with counting: the singular vectors of the positive pointwise mutual information.
Judged by the odd word out of four: three from a group such as kinship or weapons, one from another group.
"""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds

from chainrule import nn, optim, plot
from chainrule.data import Tokenizer, Vocabulary, load_bible
from chainrule.nn import functional as F

GROUPS = {
    "kin": "father mother brother sister son daughter wife husband",
    "body": "hand foot eye ear mouth tongue arm finger head",
    "animals": "ox ass sheep goat lamb camel horse bullock ram",
    "numbers": "two three four five six seven eight ten twenty",
    "plants": "vine fig olive wheat barley corn grapes cedar",
    "metals": "gold silver brass iron tin lead copper",
    "weapons": "sword spear bow shield arrows helmet",
    "tribes": "judah benjamin ephraim manasseh naphtali zebulun issachar asher",
    "apostles": "peter john james andrew philip thomas paul barnabas",
    "lands": "egypt assyria babylon moab edom ammon syria",
    "weather": "rain wind snow hail dew storm cloud thunder",
    "feelings": "joy gladness sorrow anger fear grief mourning wrath",
}
SHOWN = "king water sword bread moses jerusalem gold seven wept lamb righteousness ship wine mother chariots heaven"
WINDOW = 5


class SkipGram(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.words, self.contexts = nn.Embedding(words, width), nn.Embedding(words, width)
        nn.init.uniform_(self.words.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.contexts.weight)

    def forward(self, words, contexts):
        """Products of each word's vector with those of its contexts (n, k)."""
        return (self.contexts(contexts) @ self.words(words)[:, :, None]).flatten(1)


def pairs(text, rng):
    """Words with words near them: two words d places apart are a pair with probability 1 - (d - 1) / WINDOW."""
    found = []
    for d in range(1, WINDOW + 1):
        chosen = np.flatnonzero(rng.random(len(text) - d) * WINDOW < WINDOW + 1 - d)
        found += [np.stack([text[chosen], text[chosen + d]], 1), np.stack([text[chosen + d], text[chosen]], 1)]
    return np.concatenate(found)


def singular_vectors(near, n, width):
    """Vectors made by counting: how much more often two of n words are a pair than by chance, as a matrix of lower rank."""
    counts = coo_matrix((np.ones(len(near)), near.T), (n, n)).tocsr().tocoo()  # equal pairs are added up
    often = np.bincount(near[:, 0], minlength=n)
    counts.data = np.maximum(np.log(counts.data * len(near) / (often[counts.row] * often[counts.col])), 0)
    left, values, _ = svds(counts, k=width, random_state=0)
    return left * np.sqrt(values)


def odd_ones_out(vectors, numbers, n, rng):
    """The share of n sets of four words, three of one group and one of another, whose odd one lies farthest from the others."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    right = 0
    for _ in range(n):
        home, other = rng.choice(len(numbers), 2, replace=False)
        four = vectors[[*rng.choice(numbers[home], 3, replace=False), rng.choice(numbers[other])]]
        right += (four @ four.T).sum(1).argmin() == 3
    return right / n


def main(demo):
    manifold = demo.needs("sklearn.manifold")
    verses = load_bible()
    if demo.quick:
        verses = verses[::20]
    tokens = [Tokenizer(r"[a-z]+")(v.text) for v in verses]
    words = Vocabulary(tokens, min_count=5, specials=())
    text = np.array([words[t] for line in tokens for t in line if t in words])
    share = np.bincount(text, minlength=len(words)) / len(text)
    # The words that are everywhere tell least of their neighbours, so most of their occurrences are left out.
    kept = text[demo.rng.random(len(text)) < np.sqrt(5e-4 / share)[text]]
    near = pairs(kept, demo.rng)
    noise = share**0.75 / (share**0.75).sum()
    epochs, batch_size, negatives = (1, 2048, 5) if demo.quick else (3, 2048, 5)
    net = SkipGram(len(words), 64)
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=epochs * (len(near) // batch_size))

    @demo.compile
    def step(words, contexts, truth):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(net(words, contexts), truth, reduction="sum") / len(words)
        loss.backward()
        optimizer.step()
        return loss

    truth = np.zeros((batch_size, 1 + negatives), np.float32)
    truth[:, 0] = 1
    truth = demo.tensor(truth)
    for pair in demo.batches(near, batch_size=batch_size, epochs=epochs):
        pair = pair.numpy()
        drawn = demo.rng.choice(len(words), (batch_size, negatives), p=noise)
        contexts = np.concatenate([pair[:, 1:], drawn], axis=1)
        demo.log(loss=step(demo.tensor(pair[:, 0]), demo.tensor(contexts), truth))
        schedule.step()

    learnt = net.words.weight.detach().numpy()
    counted = singular_vectors(near, len(words), learnt.shape[1])
    numbers = [[words[w] for w in group.split() if w in words] for group in GROUPS.values()]
    numbers = [group for group in numbers if len(group) > 3]
    judged = [odd_ones_out(v, numbers, 3000, np.random.default_rng(0)) for v in (learnt, counted)]
    demo.result("odd one out of four", judged[0], at_least=0.85, reference=f"counting: {judged[1]:.3f}; chance: 0.25")
    vectors = learnt / np.linalg.norm(learnt, axis=1, keepdims=True)
    demo.figure(map_of(vectors, numbers, words, manifold), caption="A map (t-SNE) of the words that it was judged by.")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Loss of a pair and its negatives", "step"), "word2vec_loss")

    lines = []
    for word in SHOWN.split():
        if word in words:
            nearest = (vectors @ vectors[words[word]]).argsort()[::-1][1:8]
            lines.append(f"{word:>14}: {', '.join(words.decode(nearest))}")
    print("\n".join(lines))
    demo.text("\n".join(lines), caption="The nearest neighbours of some words.")


def map_of(vectors, numbers, words, manifold):
    """A picture of groups of words in the plane, near each other where their vectors are."""
    members = [i for group in numbers for i in group]
    layout = manifold.TSNE(metric="cosine", init="random", perplexity=min(8, len(members) // 4), random_state=0)
    places = layout.fit_transform(vectors[members])
    # In units of letters and lines, so that words can be moved off each other.
    places = (places - places.min(0)) / np.ptp(places, axis=0) * [110, 42]
    length = np.array([len(words.tokens[i]) for i in members])
    for _ in range(300):
        apart = places[:, None] - places
        touch = (abs(apart[..., 0]) < (length[:, None] + length) / 2 + 1) & (abs(apart[..., 1]) < 1.1)
        places[:, 1] += 0.1 * (touch * np.sign(apart[..., 1])).sum(1)

    figure, axes = plot.subplots(size=(9, 6.5))
    colours = [*plot.COLORS, "#111111", "#0f9aa0", "#7fae12", "#b8860b"]
    of_group = [colours[k % len(colours)] for k, group in enumerate(numbers) for _ in group]
    for i, place, colour in zip(members, places, of_group):
        axes.text(*place, words.tokens[i], color=colour, fontsize=9, ha="center", va="center")
    axes.set(xlim=(-6, 116), ylim=(places[:, 1].min() - 2, places[:, 1].max() + 2), xticks=[], yticks=[])
    axes.set_title("Words of twelve groups: one colour, one group")
    return figure
