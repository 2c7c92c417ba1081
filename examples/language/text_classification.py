"""A convolutional network sorts fortune cookies into twelve categories (7,800 texts), and shows by which words

Differentiated: the cross entropy of the categories with respect to the vectors of 9,000 words and marks, filters over two and
three of them in a row, and a linear layer. Afterwards, for the picture, the score of a category with respect to the vectors of
a text's words: its product with the vector itself says how much the word spoke for it.

Reference: Kim, "Convolutional neural networks for sentence classification", EMNLP (2014). Compared with scikit-learn's logistic
regression on TF-IDF weights, of the same words and marks, and of words alone.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import Tokenizer, Vocabulary, load_fortunes
from chainrule.nn import functional as F

CATEGORIES = "art computers definitions food men-women people perl politics science songs-poems startrek zippy".split()  # noqa: SIM905
TOKENS = r"\n|\t|\w+(?:'\w+)*|[^\w\s]"  # words, and the marks and line ends that poems, definitions and programs are known by
LENGTH = 96


class Reader(nn.Module):
    def __init__(self, words, classes, width=64):
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.3)
        self.filters = nn.ModuleList([nn.Conv1d(width, width, n) for n in (2, 3)])
        self.drop = nn.Dropout(0.5)
        self.output = nn.Linear(3 * width, classes)

    def judge(self, vectors, there):
        """Scores of texts given the vectors of their words; `there` is 0 behind the end of a text, else 1."""
        mean = (vectors * there).sum(1) / there.sum(1).sqrt()
        found = [F.relu(f(self.drop(vectors).transpose(1, 2))).max(dim=2)[0] for f in self.filters]
        return self.output(self.drop(cr.cat([mean, *found], dim=1)))

    def forward(self, x):
        there = (x > 0).float()[:, :, None]
        return self.judge(self.words(x) * there, there)


def main(demo):
    weighting, linear = demo.needs("sklearn.feature_extraction.text", "sklearn.linear_model")
    fortunes = load_fortunes(categories=CATEGORIES)
    label_of = {
        text: i for i, category in enumerate(CATEGORIES) for text in fortunes[category]
    }  # a text that recurs counts once
    texts = [list(label_of)[i] for i in demo.rng.permutation(len(label_of))][: 600 if demo.quick else None]
    labels = np.array([label_of[text] for text in texts])
    n = len(texts) * 4 // 5
    tokens = [Tokenizer(TOKENS)(text)[:LENGTH] for text in texts]
    words = Vocabulary(tokens[:n], min_count=2)
    numbers = np.zeros((len(texts), LENGTH), np.int64)
    for row, line in zip(numbers, tokens):
        row[: len(line)] = words.encode(line)

    net = Reader(len(words), len(CATEGORIES))
    epochs, batch_size = (1, 32) if demo.quick else (6, 32)
    optimizer = optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs * (n // batch_size))

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss

    for x, y in demo.batches(numbers[:n], labels[:n], batch_size=batch_size, epochs=epochs):
        demo.log(loss=step(x, y))
        schedule.step()

    net.eval()
    with cr.no_grad():
        predicted = net(demo.tensor(numbers[n:])).argmax(1).numpy()
    accuracy = {}
    for name, pattern in (("words and marks", TOKENS), ("words", r"\w\w+")):
        count = weighting.TfidfVectorizer(token_pattern=pattern, sublinear_tf=True)
        model = linear.LogisticRegression(C=5, max_iter=300).fit(count.fit_transform(texts[:n]), labels[:n])
        accuracy[name] = (model.predict(count.transform(texts[n:])) == labels[n:]).mean()
    reference = ", ".join(f"{value:.3f} of {name}" for name, value in accuracy.items())
    reached = (predicted == labels[n:]).mean()
    demo.result("test accuracy", reached, at_least=0.69, reference=f"logistic regression: {reference}")
    demo.figure(plot.confusion_matrix(labels[n:], predicted, CATEGORIES), caption="Held-out texts of each category.")

    at = [n + np.flatnonzero((predicted == c) & (labels[n:] == c) & (numbers[n:, 50] == 0))[:1] for c in range(len(CATEGORIES))]
    at = np.concatenate(at)
    x = demo.tensor(numbers[at])
    there = (x > 0).float()[:, :, None]
    vectors = (net.words(x) * there).detach().requires_grad_()
    net.judge(vectors, there)[np.arange(len(at)), labels[at]].sum().backward()
    spoke = (vectors.grad * vectors.detach()).sum(2).numpy()
    shown = [(CATEGORIES[labels[i]], tokens[i], weights) for i, weights in zip(at, spoke)]
    demo.figure(marked(shown), "text_classification_words", "Words that spoke for a text's category, and against it.")
    demo.figure(
        plot.curves({"training": demo.curve("loss")}, "Cross entropy of each batch", "step"), "text_classification_loss"
    )


def marked(texts, columns=122):
    """A picture of texts: words that spoke for the category stand on green, those that spoke against it on red."""
    letters, y = [], 0
    for category, tokens, weights in texts:
        x, largest = 16, abs(weights).max()
        letters.append((0, y, category, None))
        for token, weight in zip(tokens, weights):
            if token in "\n\t":
                continue
            if x + len(token) > columns:
                x, y = 16, y + 1
            letters.append((x, y, token, weight / largest))
            x += len(token) + 1
        y += 1.6
    figure, axes = plot.subplots(size=(10, 0.19 * y + 0.5))
    axes.set(xlim=(0, columns), ylim=(y, -1))
    axes.set_axis_off()
    for x, y, token, weight in letters:
        look = {"family": "monospace", "fontsize": 8.5, "va": "center"}
        if weight is None:
            axes.text(x, y, token, **{**look, "weight": "bold"})
            continue
        axes.text(x, y, token, **look)
        colour = plot.GREEN if weight > 0 else plot.RED
        axes.fill_between(
            [x - 0.3, x + len(token) + 0.3], y - 0.5, y + 0.5, color=colour, alpha=min(1, abs(weight)) * 0.8, linewidth=0
        )
    axes.set_title("What each word did for the category on the left")
    return figure
