"""A network forecasts the next day's electricity demand, each half hour of it (Victoria, Australia, all of 2014)

Differentiated: the absolute error of 48 half hours with respect to the weights of a linear forecast and of two networks that
correct it. All three see the last week's demand, working days and temperature, and of the day that is forecast whether it is
a working day and its temperature, as a perfect weather forecast would have it. The last eight weeks are held out.

Reference: the same half hour a week ago (seasonal naive); a linear forecast from the same inputs by least squares. The error
is that of Hyndman and Koehler, "Another look at measures of forecast accuracy", International Journal of Forecasting 22
(2006).
"""

import numpy as np

import chainrule as cr
from chainrule import nn, optim, plot
from chainrule.data import load_r_table

DAY, WEEK = 48, 7 * 48  # half hours


class Forecaster(nn.Module):
    """Forecasts as differences from the same half hours of a week ago, which stand at the beginning of the inputs."""

    def __init__(self, inputs, width):
        super().__init__()
        self.linear = nn.Linear(inputs, DAY)
        self.corrections = nn.ModuleList([self.network(inputs, width) for _ in range(2)])

    def network(self, inputs, width):
        layers = nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.3)
        return nn.Sequential(*layers, nn.Linear(width, DAY))

    def forward(self, x):
        return x[:, :DAY] + self.linear(x) + sum(network(x) for network in self.corrections)


def windows(demand, working, temperature, starts):
    """What is known at each start, and the day after it, in the scale of the week before; level and spread of that week."""
    past, future = demand[starts[:, None] + np.arange(-WEEK, 0)], demand[starts[:, None] + np.arange(DAY)]
    level, spread = past.mean(1, keepdims=True), past.std(1, keepdims=True)
    hour = 2 * np.pi * starts[:, None] / DAY
    every_third_hour = starts[:, None] + np.arange(-WEEK, DAY, 6)
    known = working[every_third_hour], (temperature[every_third_hour] - 16) / 6, np.sin(hour), np.cos(hour)
    x = np.concatenate([(past - level) / spread, *known], axis=1)
    return x.astype(np.float32), ((future - level) / spread).astype(np.float32), level, spread


def least_squares(x, y):
    """Weights of a linear forecast, with a little ridge, since neighbouring half hours say nearly the same."""
    x = np.c_[x, np.ones(len(x))]
    return np.linalg.solve(x.T @ x + 1e-3 * len(x) * np.eye(x.shape[1]), x.T @ y)


def main(demo):
    table = load_r_table("fpp2", "elecdemand", purpose="the demo forecasting")
    series = [np.asarray(table[name], float) for name in ("Demand", "WorkDay", "Temperature")]
    demand = series[0]
    first = len(demand) - 56 * DAY
    x, y, _, _ = windows(*series, np.arange(WEEK, first - DAY + 1, 16 if demo.quick else 1))
    starts = np.arange(first, len(demand), DAY)  # a forecast each midnight
    net = Forecaster(x.shape[1], width=128)
    batch_size = 64
    epochs = 4 if demo.quick else 15
    optimizer = optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * (len(x) // batch_size))

    @demo.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = (net(x) - y).abs().mean()
        loss.backward()
        optimizer.step()
        return loss

    for batch in demo.batches(x, y, batch_size=batch_size, epochs=epochs):
        demo.log(loss=step(*batch))
        schedule.step()

    net.eval()
    x_test, _, level, spread = windows(*series, starts)
    with cr.no_grad():
        forecast = net(demo.tensor(x_test)).numpy() * spread + level
    linear = np.c_[x_test, np.ones(len(x_test))] @ least_squares(x, y) * spread + level
    half_hours = starts[:, None] + np.arange(DAY)
    truth, naive = demand[half_hours], demand[half_hours - WEEK]
    # MASE: errors in units of the seasonal naive forecast's in the weeks of training.
    unit = np.abs(demand[WEEK:first] - demand[: first - WEEK]).mean()
    errors = {name: np.abs(f - truth) / unit for name, f in (("a week ago", naive), ("linear", linear), ("network", forecast))}
    known = f"a week ago: {errors['a week ago'].mean():.3f}, linear: {errors['linear'].mean():.3f}"
    demo.result("MASE", errors["network"].mean(), at_most=0.45, reference=known)

    figure, axes = plot.subplots(size=(9.0, 3.6))
    shown = slice(21, 35)
    days = np.arange(14 * DAY) / DAY
    for values, name, color, width in (
        (naive, "a week ago", "#bbbbbb", 1.2),
        (truth, "demand", "black", 1.6),
        (forecast, "forecast", plot.ORANGE, 1.4),
    ):
        axes.plot(days, values[shown].ravel(), color=color, linewidth=width, label=name)
    axes.set(title="Two of the held-out weeks, each day forecast at midnight", xlabel="day", ylabel="GW")
    axes.set_xticks(range(15))
    axes.margins(x=0.01)
    axes.legend(ncols=3)
    demo.figure(figure, caption="Held-out demand, the forecasts, and the same half hours a week before.")
    ahead = np.arange(1, DAY + 1) / 2
    by_hour = plot.curves(
        {k: (ahead, e.mean(0)) for k, e in errors.items()}, "Mean error of each half hour", "hours ahead", "MASE"
    )
    demo.figure(by_hour, "forecasting_errors")
    demo.figure(plot.curves({"training": demo.curve("loss")}, "Absolute error of each batch", "step"), "forecasting_loss")
