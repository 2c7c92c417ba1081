"""An LSTM writes scripture letter by letter (New Testament, 1 million letters), and outdoes n-grams at it

Differentiated: the cross entropy of each next letter with respect to the 190,000 weights of a long short-term memory, through
64 letters back in time. The state at the end of a piece of text is where the next piece begins; gradients end there.

Reference: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997). n-grams: the counts of all runs of
up to 8 letters in the same text, with the smoothing of Witten and Bell.
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
        self.lstm = nn.LSTM(32, width, batch_first=True)
        self.output = nn.Linear(width, letters)

    def forward(self, x, state):
        h, state = self.lstm(self.letters(x), state)
        return self.output(h), state


def main(demo):
    train, test = load_bible_text("2 Peter" if demo.quick else "Matthew", every=10 if demo.quick else 20)
    alphabet = Vocabulary([train, test], specials=())
    read, unread = alphabet.encode(train), alphabet.encode(test)
    steps, batch_size, length, width = (40, 4, 32, 64) if demo.quick else (6000, 8, 64, 192)
    net = Writer(len(alphabet), width)
    optimizer = optim.Adam(net.parameters(), lr=6e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps, pct_start=0.1)

    @demo.compile
    def step(x, y, h, c):
        optimizer.zero_grad()
        scores, (h, c) = net(x, (h, c))
        loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach() / math.log(2), h.detach(), c.detach()

    pieces, targets = strips(read, batch_size, length)
    start = demo.tensor(np.zeros((1, batch_size, width), np.float32))
    for i in demo.steps(steps):
        k = i % len(pieces)
        if k == 0:
            h = c = start
        bits, h, c = step(demo.tensor(pieces[k]), demo.tensor(targets[k]), h, c)
        demo.log(bits=bits)
        schedule.step()

    @demo.compile
    def judge(x, y, h, c):
        """The bits that each letter of a text costs whoever has the network's guesses, log2(1 / probability)."""
        scores, (h, c) = net(x, (h, c))
        bits = F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="none") / math.log(2)
        return bits.reshape(y.shape), h, c

    @demo.compile
    def go_on(x, h, c):
        scores, (h, c) = net(x, (h, c))
        return scores[:, -1], h, c

    net.eval()
    cost, h, c = [], start, start
    with cr.no_grad():
        for x, y in zip(*strips(unread, batch_size, length)):
            bits, h, c = judge(demo.tensor(x), demo.tensor(y), h, c)
            cost.append(bits.numpy())

        temperatures = np.array([0.4, 0.7, 1.0])
        letters = np.tile(alphabet.encode("\n"), (len(temperatures), 1))
        h = c = demo.tensor(np.zeros((1, len(temperatures), width), np.float32))
        for _ in range(40 if demo.quick else 500):
            scores, h, c = go_on(demo.tensor(letters[:, -1:]), h, c)
            # The largest of scores with Gumbel noise is a draw from their softmax.
            drawn = (scores.numpy() / temperatures[:, None] + demo.rng.gumbel(size=scores.shape)).argmax(1)
            letters = np.column_stack([letters, drawn])

    reached, counted = np.mean(cost), ngram_bits(read, unread, 8, len(alphabet))
    reference = f"best n-gram ({np.argmin(counted) + 1} letters): {min(counted):.3f}; 4 letters: {counted[3]:.3f}"
    demo.result("bits per character", reached, at_most=min(counted), reference=reference)
    samples = [f"--- temperature {t}\n{''.join(alphabet.decode(row))}\n" for t, row in zip(temperatures, letters)]
    print("\n".join(samples))
    demo.text("\n".join(samples), caption="What it writes; at low temperature, only what it is sure of.")

    figure, (left, right) = plot.subplots(1, 2, size=(9.5, 3.6))
    learning = demo.curve("bits")
    left.plot(learning, color=plot.BLUE, alpha=0.25, linewidth=0.8)
    smooth = np.full(max(len(learning) // 50, 1), 1 / max(len(learning) // 50, 1))
    left.plot(np.arange(len(smooth) - 1, len(learning)), np.convolve(learning, smooth, "valid"), color=plot.BLUE)
    left.set(title="Each batch of the training text", xlabel="step", ylabel="bits per letter", ylim=(1, 5))
    right.bar(np.arange(1, 9), counted, color=plot.ORANGE, label="n-gram")
    right.axhline(reached, color=plot.BLUE, label="LSTM")
    right.set(title="Chapters that none of them has seen", xlabel="n", ylabel="bits per letter")
    right.legend()
    demo.figure(figure, caption="Left: learning. Right: what counting runs of n letters reaches, and what the network does.")
    # Row 0 of all pieces, one after the other, is the beginning of the text.
    bits = np.concatenate([piece[0] for piece in cost])[length:]
    demo.figure(surprise(test[length + 1 :], bits), "char_lstm_surprise", "How surprising each letter of unread text was.")


def surprise(text, bits, columns=74, rows=12):
    """A picture of a text in which letters stand on red the darker the more bits they cost."""
    figure, axes = plot.subplots(size=(9.5, 0.24 * rows + 0.6))
    shown = np.full((rows, columns), np.nan)
    shown.flat[: len(bits)] = bits[: shown.size]
    colours = axes.imshow(shown, cmap="Reds", vmin=0, vmax=8, aspect="auto", alpha=0.75)
    for i, letter in enumerate(text[: min(len(bits), shown.size)]):
        row, column = divmod(i, columns)
        axes.text(column, row, letter.replace("\n", "\u00b6"), ha="center", va="center", fontsize=8.5, family="monospace")
    axes.set_axis_off()
    axes.set_title("Unread text: what surprised the network")
    figure.colorbar(colours, label="bits", fraction=0.03)
    return figure
