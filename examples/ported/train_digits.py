"""Train a small network on real handwritten digits with `fit`, and again with a loop written by hand."""

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, load_digits
from chainrule.train import evaluate, fit

train, test = load_digits()
loss_of = nn.CrossEntropyLoss()


def make():
    cr.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return model, optim.Adam(model.parameters(), lr=2e-3), DataLoader(train, batch_size=32, shuffle=True, seed=0)


model, optimizer, loader = make()
history = fit(model, loader, loss=loss_of, optimizer=optimizer, epochs=5, validation=test, metrics="accuracy", progress=False)
print(history)

model, optimizer, loader = make()
for _ in range(5):
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
by_hand = evaluate(model, test, loss_of, "accuracy")
print(by_hand)
