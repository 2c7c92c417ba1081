"""Neural collaborative filtering recommends films (MovieLens, 100,004 ratings): a network beside the factors

Differentiated: the squared error of ratings with respect to the tables of persons and films, and to the weights of a network
that is given a row of each. The network may learn what a product of factors cannot; dropout keeps it from learning by heart.

Reference: He, Liao, Zhang, Nie, Hu and Chua, "Neural collaborative filtering", WWW 2017. That a product of factors alone is
hard to beat: Rendle, Krichene, Zhang and Anderson, "Neural collaborative filtering vs. matrix factorization revisited",
RecSys 2020.
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_movielens


class NeuralFactorisation(nn.Module):
    def __init__(self, users, films, rank, width, mean):
        super().__init__()
        self.mean, self.rank = mean, rank
        self.biases = nn.ModuleList([nn.Embedding(users, 1), nn.Embedding(films, 1)])
        self.factors = nn.ModuleList([nn.Embedding(users, rank), nn.Embedding(films, rank)])
        self.inputs = nn.ModuleList([nn.Embedding(users, width), nn.Embedding(films, width)])
        for tables, spread in ((self.biases, 0.0), (self.factors, 0.1), (self.inputs, 0.1)):
            for table in tables:
                nn.init.normal_(table.weight, std=spread)
        self.network = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(2 * width, 32),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, 1),
        )

    def forward(self, user, film):
        """The predicted ratings, and a penalty for the rows that they are made of."""
        (b, c), (p, q), (x, y) = ([one(user), two(film)] for one, two in (self.biases, self.factors, self.inputs))
        penalty = 0.03 * (b**2 + c**2).sum() + 0.13 * (p**2 + q**2).sum() + 0.1 * (x**2 + y**2).sum()
        ratings = self.mean + b + c + (p * q).sum(1, keepdim=True) + self.network(cr.cat([x, y], 1))
        return ratings[:, 0], penalty / len(user)


def rmse(predicted, ratings):
    return np.sqrt(np.mean((np.clip(predicted, 0.5, 5) - ratings) ** 2))


def draw(steps, reached, by_bias, errors, seen):
    """Learning curve, and the error for films that are often rated and for those that are not."""
    figure, (left, right) = plot.subplots(1, 2)
    left.plot(steps, reached, color=plot.BLUE, label="neural")
    left.axhline(by_bias, color=plot.ORANGE, label="biases alone")
    left.set(title="Held-out ratings", xlabel="step", ylabel="RMSE, stars")
    which = np.digitize(seen, [1, 3, 10, 30, 100])
    for (name, squares), color, move in zip(errors.items(), (plot.BLUE, plot.ORANGE), (-0.2, 0.2)):
        means = np.bincount(which, squares, 6) / np.maximum(np.bincount(which, minlength=6), 1)
        right.bar(np.arange(6) + move, np.sqrt(means), 0.38, color=color, label=name)
    right.set_xticks(range(6), ["0", "1-2", "3-9", "10-29", "30-99", "100+"])
    right.set(
        title="By how often the film is rated", xlabel="ratings in the training set", ylabel="RMSE, stars", ylim=(0.7, None)
    )
    for axes in (left, right):
        axes.legend()
    return figure


def main(demo):
    train, test = load_movielens()
    n_users, n_films = train.number_of_users, train.number_of_items
    if demo.quick:
        train = train.rows(slice(20_000))
    users, films, ratings = (np.asarray(a) for a in train.tensors)
    net = NeuralFactorisation(n_users, n_films, rank=32, width=16, mean=float(ratings.mean()))
    epochs, batch_size = (2, 1000) if demo.quick else (15, 1000)
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

    held_out, truth = tuple(demo.tensor(a) for a in test.tensors[:2]), np.asarray(test.ratings)

    def predict():
        net.eval()
        with cr.no_grad():
            predicted = net(*held_out)[0].numpy()
        net.train()
        return predicted

    steps, reached = [], []
    for i, batch in enumerate(demo.batches(users, films, ratings, batch_size=batch_size, epochs=epochs), 1):
        demo.log(loss=step(*batch))
        schedule.step()
        if i % per_epoch == 0:
            steps.append(i)
            reached.append(rmse(predict(), truth))

    mean, of_user, of_film = train.biases()
    user, film = (np.asarray(a) for a in test.tensors[:2])
    simple, neural = mean + of_user[user] + of_film[film], predict()
    by_bias = rmse(simple, truth)
    reference = f"biases alone: {by_bias:.3f}, the mean: {rmse(mean, truth):.3f}"
    demo.result("test RMSE", rmse(neural, truth), at_most=0.877, reference=reference)
    errors = {name: (np.clip(p, 0.5, 5) - truth) ** 2 for name, p in (("neural", neural), ("biases alone", simple))}
    figure = draw(steps, reached, by_bias, errors, np.bincount(films, minlength=n_films)[film])
    demo.figure(
        figure, caption="Error on held-out ratings while it learns, and at the end for films that were rated rarely or often."
    )
