"""An LSTM with attention reads words aloud: from English spelling to phonemes (CMUdict, 84,000 words of up to 8 letters)

Differentiated: the cross entropy of each phoneme, given the letters and the phonemes before it, with respect to all weights
of an encoder that reads in both directions, a decoder, and the attention between them. Which letters make which phoneme
nobody tells it; the picture shows what it found.

Reference: Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", EMNLP (2015); and
tables of what each letter is most often spoken as, alone and between two neighbours on both sides.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import LetterTable, error_rate, load_cmudict
from chainrule.nn import functional as F


class Reader(nn.Module):
    def __init__(self, letters, sounds, width):
        super().__init__()
        self.letters = nn.Embedding(letters, width // 2)
        self.sounds = nn.Embedding(sounds, width // 2)
        self.encoder = nn.LSTM(width // 2, width // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(width // 2, width, batch_first=True)
        self.compare = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width)
        self.output = nn.Linear(width, sounds)

    def encode(self, spelling):
        letters, (hidden, cell) = self.encoder(self.letters(spelling))
        # The decoder starts where both directions ended.
        return letters, tuple(cr.cat([state[:1], state[1:]], dim=2) for state in (hidden, cell))

    def decode(self, sounds, state, letters, spelling):
        """Scores of the phoneme after each of `sounds`, the weights of the letters for it, and the new state."""
        h, state = self.decoder(self.sounds(sounds), state)
        likeness = self.compare(h) @ letters.transpose(1, 2)
        weights = F.softmax(likeness.masked_fill((spelling == 0)[:, None], -1e9), dim=-1)
        attended = cr.tanh(self.join(cr.cat([h, weights @ letters], dim=-1)))
        return self.output(attended), weights, state


def main(demo):
    train, test = load_cmudict(longest=4 if demo.quick else 8)
    steps, batch_size = (20, 64) if demo.quick else (4000, 64)
    net = Reader(len(train.letters), len(train.sounds), width=96)
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=steps)

    @demo.compile
    def step(spelling, phonemes):
        optimizer.zero_grad()
        letters, state = net.encode(spelling)
        scores, _, _ = net.decode(phonemes[:, :-1], state, letters, spelling)
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

    @demo.compile
    def read(spelling):
        """Greedy decoding: what was the likeliest phoneme is said, and the next one predicted from it."""
        letters, state = net.encode(spelling)
        sound, said, looked = cr.ones_like(spelling[:, :1]), [], []
        for _ in range(phonemes.shape[1] - 1):
            scores, weights, state = net.decode(sound, state, letters, spelling)
            sound = scores.argmax(-1)
            said.append(sound)
            looked.append(weights)
        return cr.cat(said, dim=1), cr.cat(looked, dim=1)

    net.eval()
    count = len(test) // 500 * 500
    with cr.no_grad():
        found = [read(demo.tensor(part)) for part in np.split(test.spelling[:count], count // 500)]
    said = [test.decode(row) for codes, _ in found for row in codes.numpy()]
    weights = np.concatenate([w.numpy() for _, w in found])
    right = test.pronunciations[:count]
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
    maps = plot.attention_maps(
        weights[shown],
        [said[i] for i in shown],
        [test.words[i] for i in shown],
        "Where the decoder looks for each phoneme that it says",
    )
    demo.figure(maps, caption="Which letters (columns) the decoder looks at for each phoneme (rows) of held-out words.")
    demo.figure(
        plot.curves({"training": demo.curve("loss")}, "Cross entropy of a phoneme", "step", log=True), "pronunciation_lstm_loss"
    )
    lines = [
        f"{w:9} {' '.join(s):28} {'' if s in r else 'not ' + ' '.join(r[0])}"
        for w, s, r in list(zip(test.words, said, right))[::40]
    ]
    demo.text("\n".join(lines), "pronunciation_lstm_words", "Held-out words as they were read.")
