"""Gene expression tells tissues apart: 189 samples of 7 organs, 57 tumours of 8 kinds, cross-validated

Differentiated: the penalised cross entropy of the tissues with respect to the weights of each gene. As many models as there are
folds of the cross validation are trained at once: their weights are one array, and a mask says which samples each learns from.

Reference: scikit-learn's logistic regression with the same penalty and the same folds. Tumours: Ross et al., "Systematic
variation in gene expression patterns in human cancer cell lines", Nature Genetics 24 (2000).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_gene_expression
from chainrule.nn import functional as F

PENALTY = 0.1  # for the squared weights; the cross entropy is a mean over samples


class SoftmaxModels(nn.Module):
    """One softmax regression for each fold."""

    def __init__(self, folds, genes, classes):
        super().__init__()
        self.weight = nn.Parameter(cr.zeros(folds, genes, classes, dtype=cr.float32))
        self.bias = nn.Parameter(cr.zeros(folds, 1, classes, dtype=cr.float32))

    def forward(self, x):
        """Scores (folds, samples, classes) of samples (folds, samples, genes)."""
        return x @ self.weight + self.bias


def make_folds(labels, folds, rng):
    """The fold in which each sample is tested: each has its share of every class."""
    fold = np.empty(len(labels), int)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold[order] = np.arange(len(labels)) % folds
    return fold


def cross_validate(demo, data, folds, steps, name):
    """Classes that are predicted for each sample by the model that has not seen it, and by scikit-learn's; all weights."""
    labels = np.asarray(data.labels)
    fold = make_folds(labels, folds, demo.rng)
    learns = fold != np.arange(folds)[:, None]
    x = np.asarray(data.expression)
    means, spreads = (np.stack([f(x[chosen], 0) for chosen in learns])[:, None] for f in (np.mean, np.std))
    x = ((x - means) / (spreads + 1e-3)).astype(np.float32)  # each fold by what its model may know
    models = SoftmaxModels(folds, x.shape[2], len(data.classes))
    optimizer = optim.Adam(models.parameters(), lr=1.5 / x.shape[2])  # many genes together move a score far
    samples, wanted = demo.tensor(x), demo.tensor(np.tile(labels, folds))
    share = demo.tensor((learns / learns.sum(1, keepdims=True)).astype(np.float32))

    @demo.compile
    def step():
        optimizer.zero_grad()
        losses = F.cross_entropy(models(samples).flatten(0, 1), wanted, reduction="none").reshape(share.shape)
        loss = (losses * share).sum() + PENALTY / 2 * (models.weight**2).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in demo.steps(steps, name):
        demo.log(loss=step() / folds)

    with cr.no_grad():
        scores = models(samples).numpy()[fold, np.arange(len(labels))]
    peer = np.empty_like(labels)
    linear = demo.needs("sklearn.linear_model")
    for i, chosen in enumerate(learns):
        model = linear.LogisticRegression(C=1 / (PENALTY * chosen.sum()), max_iter=200 if demo.quick else 2000)
        peer[~chosen] = model.fit(x[i][chosen], labels[chosen]).predict(x[i][~chosen])
    return scores.argmax(1), peer, models.weight.detach().numpy()


def draw_genes(data, weights, most=4):
    """Expression of the genes that speak most for each class, sample by sample."""
    labels = np.asarray(data.labels)
    x = np.asarray(data.expression)
    x = (x - x.mean(0)) / x.std(0)
    genes = list(dict.fromkeys(np.argsort(-weights.mean(0), axis=0)[:most].T.ravel()))
    order = np.argsort(labels, kind="stable")
    figure, axes = plot.subplots(size=(9, 6))
    image = axes.imshow(x[order][:, genes].T, aspect="auto", cmap="RdBu_r", vmin=-3, vmax=3, interpolation="nearest")
    starts = np.searchsorted(labels[order], range(len(data.classes) + 1))
    axes.vlines(starts[1:-1] - 0.5, -0.5, len(genes) - 0.5, color="black", linewidth=0.8)
    axes.set_xticks((starts[1:] + starts[:-1] - 1) / 2, data.classes, rotation=25, ha="right")
    axes.set_yticks(range(len(genes)), [data.genes[g] for g in genes], fontsize=7)
    axes.set_title(f"The {most} genes that speak most for each tissue")
    axes.grid(visible=False)
    figure.colorbar(image, label="expression, standard deviations from the mean")
    return figure


def main(demo):
    demo.needs("sklearn")
    organs, tumours = load_gene_expression("tissues"), load_gene_expression("nci60", smallest_class=5)
    for data, name, bound in ((organs, "organs", 0.97), (tumours, "tumours", 0.65)):
        labels = np.asarray(data.labels)
        folds, steps = (2, 20) if demo.quick else (10, 600) if data is organs else (10, 300)
        ours, peer, weights = cross_validate(demo, data, folds, steps, name)
        common = np.bincount(labels).max() / len(labels)
        reference = f"scikit-learn: {(peer == labels).mean():.3f}; the most common class: {common:.2f}"
        demo.result(f"{name}, cross-validated accuracy", (ours == labels).mean(), at_least=bound, reference=reference)
        if data is organs:
            demo.figure(draw_genes(data, weights), caption="Genes found by the weights, in all samples, ordered by tissue.")
        else:
            demo.figure(
                plot.confusion_matrix(labels, ours, data.classes), "gene_expression_tumours", "Tumours that were left out."
            )
