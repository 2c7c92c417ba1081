"""A small GPT foretells the next letter (New Testament, 1 million letters): a Transformer that only looks back

Differentiated: the cross entropy of each next letter, given up to 64 letters before it, with respect to the 160,000 weights of
three Transformer blocks, embeddings of letters and places included.

Reference: Radford, Narasimhan, Salimans and Sutskever, "Improving language understanding by generative pre-training" (2018).
n-grams: the counts of all runs of up to 8 letters in the same text, with the smoothing of Witten and Bell.
"""

import math

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import Vocabulary, load_bible_text, ngram_bits
from chainrule.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for layer in (self.mix, self.down):  # what is added begins small, so that all blocks begin near the identity
            nn.init.normal_(layer.weight, std=0.02)

    def queries_keys_values(self, x):
        n, length, width = x.shape
        return self.attend(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)

    def forward(self, x):
        q, k, v = self.queries_keys_values(x)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(found.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, letters, length, width, heads, layers):
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
        for table in (self.letters, self.places):
            nn.init.normal_(table.weight, std=0.1)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm, self.output = nn.LayerNorm(width), nn.Linear(width, letters)

    def forward(self, x):
        x = self.letters(x) + self.places.weight[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x))


def main(demo):
    train, test = load_bible_text("2 Peter" if demo.quick else "Matthew", every=10 if demo.quick else 20)
    alphabet = Vocabulary([train, test], specials=())
    read, unread = alphabet.encode(train), alphabet.encode(test)
    steps, batch_size, length, layers = (30, 4, 32, 1) if demo.quick else (4000, 8, 64, 3)
    net = GPT(len(alphabet), length, 64, heads=4, layers=layers)
    optimizer = optim.AdamW(net.parameters(), lr=6e-3, betas=(0.9, 0.99), weight_decay=0.1)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps, pct_start=0.1)

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach() / math.log(2)

    for _ in demo.steps(steps):
        at = demo.rng.integers(0, len(read) - length, batch_size)[:, None] + np.arange(length)
        demo.log(bits=step(demo.tensor(read[at]), demo.tensor(read[at + 1])))
        schedule.step()

    # Windows that overlap by half; what counts is their second half, in which every letter has enough before it.
    net.eval()
    foretell = demo.compile(net)
    half, cost = length // 2, []
    starts = np.arange(0, len(unread) - length, half)
    temperatures = np.array([0.4, 0.7, 1.0])
    with cr.no_grad():
        for some in starts[: len(starts) // 32 * 32].reshape(-1, 32):
            at = some[:, None] + np.arange(length)
            scores, wanted = foretell(demo.tensor(unread[at]))[:, half:], demo.tensor(unread[at + 1][:, half:])
            cost.append(F.cross_entropy(scores.flatten(0, 1), wanted.flatten()).numpy() / math.log(2))

        letters = np.tile(unread[:length], (len(temperatures), 1))
        for _ in range(40 if demo.quick else 500):
            scores = foretell(demo.tensor(letters[:, -length:]))[:, -1].numpy()
            # The largest of scores with Gumbel noise is a draw from their softmax.
            drawn = (scores / temperatures[:, None] + demo.rng.gumbel(size=scores.shape)).argmax(1)
            letters = np.column_stack([letters, drawn])

    counted = ngram_bits(read, unread, 8, len(alphabet))
    reference = f"n-grams of 4 letters: {counted[3]:.3f}; of {np.argmin(counted) + 1}, the best: {min(counted):.3f}"
    demo.result("bits per character", np.mean(cost), at_most=1.92, reference=reference)
    given = "".join(alphabet.decode(unread[:length]))
    samples = [f"--- temperature {t}\n{''.join(alphabet.decode(row[length:]))}\n" for t, row in zip(temperatures, letters)]
    print("\n".join(samples))
    demo.text("\n".join([f"--- given\n{given}\n", *samples]), caption="How it goes on after some unread letters.")

    at = demo.rng.choice(starts, 32)[:, None] + np.arange(length)
    demo.figure(looking_back(net, demo.tensor(unread[at])), caption="Where each head looks, averaged over 32 unread windows.")
    demo.figure(plot.curves({"training": demo.curve("bits")}, "Bits per letter of each batch", "step"), "gpt_loss")


def looking_back(net, x, farthest=24):
    """A picture of the weight that each head gives to the letter so many places back, at the last place of a window."""
    rows, names = [], []
    with cr.no_grad():
        x = net.letters(x) + net.places.weight
        for i, block in enumerate(net.blocks):
            q, k, _ = block.queries_keys_values(x)
            weights = F.softmax(q[:, :, -1:] @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
            rows += [*weights[:, :, 0].numpy().mean(0)[:, ::-1][:, :farthest]]
            names += [f"block {i + 1}, head {h + 1}" for h in range(block.heads)]
            x = block(x)
    figure, axes = plot.subplots(size=(8, 0.25 * len(rows) + 1.2))
    colours = axes.imshow(np.array(rows), cmap="Blues", norm="log", vmin=0.004, vmax=1, aspect="auto")
    axes.set(title="Where heads look", xlabel="letters back", yticks=range(len(rows)))
    axes.set_yticklabels(names)
    axes.grid(visible=False)
    figure.colorbar(colours, label="weight")
    return figure
