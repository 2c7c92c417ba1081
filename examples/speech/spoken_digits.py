"""An LSTM with CTC understands strings of digits in 48 voices that it never heard (synthesised by espeak-ng)

Differentiated: the negative log probability of the digits that were said, summed over all the ways to lay them along the
frames of sound (CTC), with respect to all weights of a bidirectional LSTM. When each digit is said nobody tells it; the
picture shows when it heard them. The first run has the strings spoken, which takes some 20 seconds; they are kept.

Reference: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML (2006); and the same
network without its LSTM, which hears 30 milliseconds at a time.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import error_rate, load_spoken_digits, log_mel
from chainrule.nn import functional as F

ACCENTS = "en-us", "en-us-nyc", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029"
HEARD = "m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "Alex", "Andy", "Annie"
UNHEARD = "m7", "m8", "f4", "f5", "Michael", "linda"
FRAMES, BANDS, STACKED = 84, 32, 3  # a frame is three columns of the spectrogram, 30 ms
BLANK = 10


class Listener(nn.Module):
    def __init__(self, width, memory=True):
        super().__init__()
        self.hear = nn.Linear(BANDS * STACKED, width)
        self.memory = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True) if memory else None
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(width, BLANK + 1)

    def forward(self, sound):
        h = self.dropout(F.relu(self.hear(sound)))
        if self.memory is not None:
            h = self.dropout(self.memory(h)[0])
        return F.log_softmax(self.output(h), dim=-1)


class Strings:
    """Strings of digits in many voices, as frames of sound that are filled up to one length."""

    def __init__(self, variants, count, seed):
        voices = [f"{accent}+{variant}" for variant in variants for accent in ACCENTS]
        samples, self.strings, speakers = load_spoken_digits(voices, count, seed=seed)
        self.voices = [voices[i] for i in speakers]
        self.sounds = np.zeros((count, FRAMES, BANDS * STACKED), np.float32)
        self.lengths, self.counts = np.zeros(count, np.int64), np.array([len(s) for s in self.strings])
        self.digits = np.zeros((count, self.counts.max()), np.int64)
        for i, (part, string) in enumerate(zip(samples, self.strings, strict=True)):
            heard = log_mel(part, bands=BANDS)
            # What a voice adds to a band all the time is taken away.
            heard = (heard - heard.mean(0)) / heard.std(0)
            n = self.lengths[i] = min(len(heard) // STACKED, FRAMES)
            self.sounds[i, :n] = heard[: n * STACKED].reshape(n, -1)
            self.digits[i, : len(string)] = string


def digits_along(path):
    """The digits along a path of the likeliest class of each frame: repeated ones count once, blanks separate."""
    return tuple(d for d, before in zip(path, [BLANK, *path], strict=False) if d not in (BLANK, before))


def picture(sound, probabilities, string, voice):
    """The spectrogram of a string, and the probability of each digit in each of its frames."""
    figure, (above, below) = plot.subplots(2, 1, size=(8.0, 5.0))
    seconds = 0.01 * STACKED * len(sound)
    above.imshow(
        sound.reshape(-1, BANDS).T, origin="lower", aspect="auto", cmap="magma", vmin=-2, extent=(0, seconds, 0, BANDS)
    )
    above.set(title=f"{' '.join(map(str, string))}, said by {voice}", ylabel="mel band")
    above.grid(visible=False)
    at = 0.01 * STACKED * (np.arange(len(sound)) + 0.5)
    for digit, color in zip(sorted(set(string)), plot.COLORS, strict=False):
        below.plot(at, probabilities[:, digit], color=color, label=str(digit))
    below.plot(at, probabilities[:, BLANK], color="#aaaaaa", linestyle=":", label="blank")
    below.set(xlim=(0, seconds), xlabel="seconds", ylabel="probability", title="What the network hears (CTC)")
    below.legend(ncols=6, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    return figure


def main(demo):
    train = Strings(HEARD, 96 if demo.quick else 1920, seed=2 * demo.seed)
    test = Strings(UNHEARD, 48 if demo.quick else 480, seed=2 * demo.seed + 1)
    epochs, batch_size = (1 if demo.quick else 10), 16

    def learn(net, name):
        optimizer = optim.Adam(net.parameters(), lr=1e-3)
        steps = epochs * (len(train.sounds) // batch_size)
        schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)

        @demo.compile
        def step(sound, digits, length, count):
            optimizer.zero_grad()
            loss = F.ctc_loss(net(sound).transpose(0, 1), digits, length, count, blank=BLANK)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            return loss

        arrays = train.sounds, train.digits, train.lengths, train.counts
        for batch in demo.batches(*arrays, batch_size=batch_size, epochs=epochs):
            demo.log(**{name: step(*batch)})
            schedule.step()

    def understand(net):
        net.eval()
        with cr.no_grad():
            scores = net(demo.tensor(test.sounds)).numpy()
        return scores, [digits_along(s[:n].argmax(-1).tolist()) for s, n in zip(scores, test.lengths, strict=True)]

    net, forgetful = Listener(96), Listener(96, memory=False)
    learn(net, "loss")
    learn(forgetful, "without memory")
    scores, said = understand(net)
    errors, without = error_rate(said, test.strings), error_rate(understand(forgetful)[1], test.strings)
    demo.result("digit error rate, new voices", errors, at_most=0.12, reference=f"without the LSTM: {without:.3f}")

    # The longest string that was understood, if any was.
    right = [len(string) * (string == s) for string, s in zip(test.strings, said, strict=True)]
    i = int(np.argmax(right))
    n = test.lengths[i]
    shown = picture(test.sounds[i, :n], np.exp(scores[i, :n]), test.strings[i], test.voices[i])
    demo.figure(shown, caption="A string of a voice that the network never heard, and the probability of each digit over time.")
    curves = {"LSTM": demo.curve("loss"), "without memory": demo.curve("without memory")}
    demo.figure(plot.curves(curves, "CTC loss of a digit", "step", log=True), "spoken_digits_loss")
    lines = {}
    for voice, string, s in zip(test.voices, test.strings, said, strict=True):
        lines.setdefault(voice.split("+")[1], []).append((s, string))
    table = "\n".join(f"{voice:10} {error_rate(*zip(*pairs, strict=True)):.3f}" for voice, pairs in lines.items())
    demo.text(table, "spoken_digits_voices", "Digit error rate of each voice that was held out.")
