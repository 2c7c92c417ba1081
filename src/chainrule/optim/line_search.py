"""A step length that satisfies the strong Wolfe conditions."""

import math


def cubic_minimum(a, b, low=None, high=None):
    """Where the cubic through two points has its minimum (Nocedal and Wright, 2006, equation 3.59), cut to an interval.

    Parameters
    ----------
    a, b : (place, value, slope)
    low, high : the interval, by default that between the points
    """
    (x1, f1, g1), (x2, f2, g2) = (a, b) if a[0] <= b[0] else (b, a)
    low, high = (x1, x2) if low is None else (low, high)
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    divisor = g2 - g1 + 2 * d2
    if divisor == 0:
        return (low + high) / 2
    return min(max(x2 - (x2 - x1) * ((g2 + d2 - d1) / divisor), low), high)


class Search:
    """The search along one direction (Nocedal and Wright, 2006, algorithms 3.5 and 3.6).

    Parameters
    ----------
    at : function, step length -> (step length, value, slope, gradient)
    start : the same four at step length 0
    size : the largest element of the direction
    most : evaluations
    c1, c2 : how much the value must fall, and by how much the slope
    tolerance : intervals shorter than this, in elements of the parameters, are not divided, nor are those that rounding
        does not divide
    """

    def __init__(self, at, start, size, most, tolerance=1e-9, c1=1e-4, c2=0.9):
        self.at, self.start, self.size, self.most, self.tolerance = at, start, size, most, tolerance
        self.c1, self.c2 = c1, c2
        self.evaluations = 0

    def __call__(self, step):
        """The point that was found, as `at` gives it."""
        bracket = self._bracket(step)
        return bracket[0] if len(bracket) == 1 else self._zoom(bracket)

    def _point(self, step):
        self.evaluations += 1
        return self.at(step)

    def _too_high(self, point):
        return not point[1] <= self.start[1] + self.c1 * point[0] * self.start[2]

    def _flat(self, point):
        return abs(point[2]) <= -self.c2 * self.start[2]

    def _bracket(self, step):
        """Two points between which there is a good one, or one good point."""
        before, point = self.start, self._point(step)
        rounds = 0
        while rounds < self.most:
            if self._too_high(point) or (rounds > 1 and point[1] >= before[1]):
                return [before, point]
            if self._flat(point):
                return [point]
            if point[2] >= 0:
                return [before, point]
            t = point[0]
            step = cubic_minimum(before[:3], point[:3], t + 0.01 * (t - before[0]), t * 10)
            before, point = point, self._point(step)
            rounds += 1
        return [min(self.start, point, key=lambda p: p[1])]

    def _zoom(self, bracket):
        stuck = False
        while self.evaluations <= self.most:
            low, high = sorted(bracket, key=lambda p: p[1])
            left, right = sorted((low[0], high[0]))
            if (right - left) * self.size < self.tolerance or not left < (left + right) / 2 < right:
                break
            step = cubic_minimum(bracket[0][:3], bracket[1][:3])
            margin = 0.1 * (right - left)
            if min(right - step, step - left) >= margin:
                stuck = False
            elif stuck or step >= right or step <= left:  # two steps in a row near the same end
                step = right - margin if abs(step - right) < abs(step - left) else left + margin
                stuck = False
            else:
                stuck = True
            point = self._point(step)
            if self._too_high(point) or point[1] >= low[1]:
                bracket = [low, point]
                continue
            if self._flat(point):
                return point
            bracket = [point, low if point[2] * (high[0] - low[0]) >= 0 else high]
        return min(bracket, key=lambda p: p[1])
