"""A small Transformer reads words aloud: from English spelling to phonemes (CMUdict, 84,000 words of up to 8 letters)

Differentiated: the cross entropy of each phoneme, given the letters and the phonemes before it, with respect to all weights
of two encoder and two decoder layers. Afterwards, for the picture, the log probability of each phoneme that was said with
respect to the letters' embeddings: the letters on which it depends most.

Reference: Vaswani et al., "Attention is all you need", NeurIPS (2017); and tables of what each letter is most often spoken
as, alone and between two neighbours on both sides.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import LetterTable, error_rate, load_cmudict
from chainrule.nn import functional as F


class Reader(nn.Module):
    def __init__(self, letters, sounds, longest, width, layers):
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(longest, width)
        self.sounds, self.times = nn.Embedding(sounds, width), nn.Embedding(longest + 1, width)
        self.transformer = nn.Transformer(width, 4, layers, layers, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.output = nn.Linear(width, sounds)

    def encode(self, spelling):
        return self.read(self.letters(spelling), spelling)

    def read(self, embedded, spelling):
        return self.transformer.encoder(embedded + self.places.weight, src_key_padding_mask=spelling == 0)

    def decode(self, sounds, read, spelling):
        """Scores of the phoneme after each of `sounds`, which sees those before it and all letters."""
        n = sounds.shape[1]
        future = cr.triu(cr.ones(n, n), 1) == 1
        embedded = self.sounds(sounds) + self.times.weight
        hidden = self.transformer.decoder(embedded, read, tgt_mask=future, memory_key_padding_mask=spelling == 0)
        return self.output(hidden)


def main(demo):
    train, test = load_cmudict(longest=4 if demo.quick else 8)
    steps, batch_size = (20, 64) if demo.quick else (4000, 64)
    net = Reader(len(train.letters), len(train.sounds), train.spelling.shape[1], width=64, layers=1 if demo.quick else 2)
    optimizer = optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)

    @demo.compile
    def step(spelling, phonemes):
        optimizer.zero_grad()
        scores = net.decode(phonemes[:, :-1], net.encode(spelling), spelling)
        loss = F.cross_entropy(scores.flatten(0, 1), phonemes[:, 1:].flatten(), ignore_index=0)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss

    spelling, phonemes = train.spelling, train.phonemes
    for _ in demo.steps(steps):
        chosen = demo.rng.integers(0, len(train), batch_size)
        demo.log(loss=step(demo.tensor(spelling[chosen]), demo.tensor(phonemes[chosen])))
        schedule.step()

    net.eval()
    encode, decode = demo.compile(net.encode), demo.compile(net.decode)
    count = len(test) // 500 * 500
    codes = np.ones((count, phonemes.shape[1]), np.int64)
    with cr.no_grad():
        for part, said in zip(np.split(test.spelling[:count], count // 500), np.split(codes, count // 500), strict=True):
            spelling = demo.tensor(part)
            read = encode(spelling)
            # Greedy decoding: what was the likeliest phoneme is said, and the next one predicted from it.
            for t in range(1, codes.shape[1]):
                said[:, t] = decode(demo.tensor(said[:, :-1]), read, spelling).argmax(-1).numpy()[:, t - 1]

    said, right = [test.decode(row) for row in codes], test.pronunciations[:count]
    table = LetterTable(train, context=2)
    alone, wide = (error_rate(table.predict(test, context)[:count], right) for context in (0, 2))
    known = f"table of letters: {alone:.3f}, of letters with two neighbours on both sides: {wide:.3f}"
    demo.result("phoneme error rate", error_rate(said, right), at_most=0.115, reference=known)
    whole = np.mean([s in r for s, r in zip(said, right, strict=True)])
    demo.result("words without error", whole, at_least=0.6)

    # For the picture: words read right with many silent letters, each with another initial.
    silent = [len(w) - len(s) if s in r else -9 for w, s, r in zip(test.words[:count], said, right, strict=True)]
    by_initial = {test.words[i][0]: i for i in np.argsort(silent, kind="stable")}
    shown = sorted(by_initial.values(), key=lambda i: silent[i])[-8:]
    spelling, spoken = demo.tensor(test.spelling[shown]), demo.tensor(codes[shown])

    def log_probabilities(embedded):
        """Of each phoneme that was said; words are summed, since none depends on another's letters."""
        scores = net.decode(spoken[:, :-1], net.read(embedded, spelling), spelling)
        return -F.cross_entropy(scores.transpose(1, 2), spoken[:, 1:], reduction="none").sum(0)

    gradients = cr.jacrev(log_probabilities)(net.letters(spelling).detach())  # (phonemes, words, letters, width)
    norms = np.linalg.norm(gradients.detach().numpy(), axis=-1).transpose(1, 0, 2)
    maps = plot.attention_maps(
        norms / norms.max(-1, keepdims=True),
        [said[i] for i in shown],
        [test.words[i] for i in shown],
        "On which letters each phoneme depends (norms of gradients)",
    )
    demo.figure(maps, caption="On which letters (columns) each phoneme (rows) of held-out words depends: norms of gradients.")
    curve = {"training": demo.curve("loss")}
    demo.figure(plot.curves(curve, "Cross entropy of a phoneme", "step", log=True), "pronunciation_transformer_loss")
