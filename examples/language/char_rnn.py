"""A plain recurrent network foretells letters (New Testament); like Elman's, it is surprised where words begin

Differentiated: the cross entropy of each next letter with respect to the 92,000 weights of a network whose recurrent layer is
a plain tanh, through 64 letters back in time. Gradients are clipped: once in a while they are huge.

Reference: Elman, "Finding structure in time", Cognitive Science 14 (1990), 179-211, whose network, too, foretold letters and so
found words. n-grams: the counts of all runs of up to 8 letters in the same text, with the smoothing of Witten and Bell.
"""

import math

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import Vocabulary, load_bible_text, ngram_bits, strips
from chainrule.nn import functional as F


class Writer(nn.Module):
    def __init__(self, letters, width):
        super().__init__()
        self.letters = nn.Embedding(letters, 32)
        self.rnn = nn.RNN(32, width, batch_first=True)
        self.output = nn.Linear(width, letters)

    def forward(self, x, h):
        states, h = self.rnn(self.letters(x), h)
        return self.output(states), h


def main(demo):
    train, test = load_bible_text("2 Peter" if demo.quick else "Matthew", every=10 if demo.quick else 20)
    alphabet = Vocabulary([train, test], specials=())
    read, unread = alphabet.encode(train), alphabet.encode(test)
    steps, batch_size, length, width = (40, 4, 32, 64) if demo.quick else (4500, 8, 64, 256)
    net = Writer(len(alphabet), width)
    optimizer = optim.Adam(net.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps, pct_start=0.1)

    @demo.compile
    def step(x, y, h):
        optimizer.zero_grad()
        scores, h = net(x, h)
        loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach() / math.log(2), h.detach()

    pieces, targets = strips(read, batch_size, length)
    start = demo.tensor(np.zeros((1, batch_size, width), np.float32))
    for i in demo.steps(steps):
        k = i % len(pieces)
        if k == 0:
            h = start
        bits, h = step(demo.tensor(pieces[k]), demo.tensor(targets[k]), h)
        demo.log(bits=bits)
        schedule.step()

    ahead = demo.compile(lambda x, h: net(x, h))
    net.eval()
    cost, h = [], start
    with cr.no_grad():
        pieces, targets = strips(unread, batch_size, length)
        for x, y in zip(pieces, targets):
            scores, h = ahead(demo.tensor(x), h)
            bits = F.cross_entropy(scores.flatten(0, 1), demo.tensor(y).flatten(), reduction="none") / math.log(2)
            cost.append(bits.numpy().reshape(y.shape))

        temperatures = np.array([0.4, 0.7, 1.0])
        letters = np.tile(alphabet.encode("\n"), (len(temperatures), 1))
        h = demo.tensor(np.zeros((1, len(temperatures), width), np.float32))
        for _ in range(40 if demo.quick else 500):
            scores, h = ahead(demo.tensor(letters[:, -1:]), h)
            # The largest of scores with Gumbel noise is a draw from their softmax.
            noise = demo.rng.gumbel(size=(len(temperatures), len(alphabet)))
            drawn = (scores[:, -1].numpy() / temperatures[:, None] + noise).argmax(1)
            letters = np.column_stack([letters, drawn])

    counted = ngram_bits(read, unread, 8, len(alphabet))
    reference = f"n-grams of 4 letters: {counted[3]:.3f}; of {np.argmin(counted) + 1}, the best: {min(counted):.3f}"
    demo.result("bits per character", np.mean(cost), at_most=1.88, reference=reference)
    samples = [f"--- temperature {t}\n{''.join(alphabet.decode(row))}\n" for t, row in zip(temperatures, letters)]
    print("\n".join(samples))
    demo.text("\n".join(samples), caption="What it writes; at low temperature, only what it is sure of.")

    # Back to one text: the strips of all pieces end to end.
    bits, letters = (np.stack(parts, 1).ravel() for parts in (cost, targets))
    found = "".join(alphabet.decode(letters))
    place = np.zeros(len(found), int)  # of a letter in its word, from 1 on; 0 where there is none
    for i in range(1, len(found)):
        place[i] = place[i - 1] + 1 if found[i].isalpha() else 0
    first, second = bits[place == 1].mean(), bits[place == 2].mean()
    demo.result("bits for the first letter of a word over those for the second", first / second, at_least=1.5)

    figure, (above, below) = plot.subplots(2, 1, size=(10, 6))
    shown = slice(length, length + 100)
    above.plot(bits[shown], color=plot.BLUE, linewidth=1)
    begins = np.flatnonzero(place[shown] == 1)
    above.plot(begins, bits[shown][begins], "o", color=plot.RED, markersize=4, label="words begin")
    above.set_xticks(range(100), found[shown].replace("\n", "\u00b6"), fontfamily="monospace")
    above.set(title="Unread text: bits that each letter cost", ylabel="bits", xlim=(-1, 100))
    above.grid(axis="x", visible=False)
    above.legend()
    below.bar(range(1, 11), [bits[place == p].mean() if (place == p).any() else 0 for p in range(1, 11)], color=plot.BLUE)
    below.set(title="... and on the average of all unread text", xlabel="letter of a word", ylabel="bits", xticks=range(1, 11))
    demo.figure(figure, caption="The end of a word can be foretold, the beginning of the next one less so.")
    demo.figure(plot.curves({"training": demo.curve("bits")}, "Bits per letter of each batch", "step"), "char_rnn_loss")
