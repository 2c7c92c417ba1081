"""Matrix factorisation recommends films (MovieLens, 100,004 ratings) by 32 factors of each person and film

Differentiated: the squared error of ratings, each predicted as mean + bias of the person + bias of the film + product of their
factors, and a penalty on all of these, with respect to four tables, of which a batch of ratings picks rows. Forward pass,
backward pass and the update by Adam are one compiled program.

Reference: Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", Computer 42 (2009). The baseline
has biases only, at their exact optimum.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_movielens


class Factorisation(nn.Module):
    def __init__(self, users, films, rank, mean):
        super().__init__()
        self.mean = mean
        self.user_bias, self.film_bias = nn.Embedding(users, 1), nn.Embedding(films, 1)
        self.user_factors, self.film_factors = nn.Embedding(users, rank), nn.Embedding(films, rank)
        for biases in (self.user_bias, self.film_bias):
            nn.init.zeros_(biases.weight)
        for factors in (self.user_factors, self.film_factors):
            nn.init.normal_(factors.weight, std=0.1)

    def forward(self, user, film):
        """The predicted ratings, and a penalty for what they are made of: rows that are rated often are penalised as often."""
        b, c, p, q = self.user_bias(user), self.film_bias(film), self.user_factors(user), self.film_factors(film)
        penalty = 0.03 * (b**2 + c**2).sum() + 0.13 * (p**2 + q**2).sum()
        return self.mean + b[:, 0] + c[:, 0] + (p * q).sum(1), penalty / len(user)


def rmse(predicted, ratings):
    return np.sqrt(np.mean((np.clip(predicted, 0.5, 5) - ratings) ** 2))


def film_map(factors, weights, titles, shown):
    """Films in the two directions in which the predicted ratings of these persons differ most."""
    spread = np.linalg.cholesky(weights.T @ weights / len(weights) + 1e-6 * np.eye(weights.shape[1]))
    scores = factors[shown] @ spread
    u, s, _ = np.linalg.svd(scores - scores.mean(0), full_matrices=False)
    x, y = (u * s)[:, :2].T
    figure, axes = plot.subplots(size=(9, 6.5))
    axes.scatter(x, y, s=9, color=plot.BLUE)
    axes.set(title="Films that are liked by the same people stand together", xlabel="first direction, stars", ylabel="second")
    axes.margins(x=0.12)
    figure.draw_without_rendering()  # after which it is known how much room a label takes
    taken = []
    for i in np.argsort(-np.hypot(x, y)):  # where labels overlap, those further out stay
        label = axes.annotate(titles[shown[i]], (x[i], y[i]), (3, 2), textcoords="offset points", fontsize=7)
        box = label.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            label.remove()
        else:
            taken.append(box)
    return figure


def main(demo):
    train, test = load_movielens()
    n_users, n_films = train.number_of_users, train.number_of_items
    if demo.quick:
        train = train.rows(slice(20_000))
    users, films, ratings = (np.asarray(a) for a in train.tensors)
    net = Factorisation(n_users, n_films, rank=32, mean=float(ratings.mean()))
    epochs, batch_size = (2, 1000) if demo.quick else (20, 1000)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    per_epoch = len(ratings) // batch_size
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * per_epoch)

    @demo.compile
    def step(user, film, rating):
        optimizer.zero_grad()
        predicted, penalty = net(user, film)
        loss = ((predicted - rating) ** 2).mean() + penalty
        loss.backward()
        optimizer.step()
        return loss

    def predict(users, films):
        with cr.no_grad():
            return net(demo.tensor(users), demo.tensor(films))[0].numpy()

    held_out, truth = tuple(np.asarray(a) for a in test.tensors[:2]), np.asarray(test.ratings)
    reached = []
    for i, batch in enumerate(demo.batches(users, films, ratings, batch_size=batch_size, epochs=epochs), 1):
        demo.log(loss=step(*batch))
        schedule.step()
        if i % per_epoch == 0:
            reached.append(rmse(predict(*held_out), truth))

    mean, of_user, of_film = train.biases()
    by_mean = rmse(mean, truth)
    by_bias = rmse(mean + of_user[held_out[0]] + of_film[held_out[1]], truth)
    found = rmse(predict(*held_out), truth)
    demo.result("test RMSE", found, at_most=0.875, reference=f"biases alone: {by_bias:.3f}, the mean: {by_mean:.3f}")

    counts = np.bincount(films, minlength=n_films)
    factors = (table.weight.detach().numpy() for table in (net.film_factors, net.user_factors))
    most_rated = np.argsort(-counts, kind="stable")[:120]
    caption = "The most rated films by their factors: the two directions in which predicted tastes differ most."
    demo.figure(film_map(*factors, train.titles, most_rated), caption=caption)
    steps = per_epoch * np.arange(1, len(reached) + 1)
    lines = {"with factors": (steps, reached), "biases alone": (steps, np.full(len(steps), by_bias))}
    demo.figure(plot.curves(lines, "Held-out ratings", "step", "RMSE, stars"), "matrix_factorisation_rmse")

    lines = []
    for user in demo.rng.choice(np.unique(users), 3, replace=False):
        own = np.flatnonzero(users == user)
        best = films[own[np.argsort(-ratings[own], kind="stable")[:5]]]
        new = np.setdiff1d(np.flatnonzero(counts >= 20), films[own])
        advised = new[np.argsort(-predict(np.full(len(new), user), new))[:5]]
        for what, chosen in (("likes", best), ("is advised", advised)):
            lines.append(f"person {user} {what}: {'; '.join(train.titles[f] for f in chosen)}")
    demo.text("\n".join(lines), caption="Films that three people gave most stars, and films they have not rated.")
