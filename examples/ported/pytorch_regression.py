"""A 10-20-1 regression, 1000 epochs. Only the import lines were changed."""

import chainrule as torch
import chainrule.nn as nn
import chainrule.optim as optim

torch.manual_seed(0)
x = torch.randn(100, 10)
y = torch.randn(100, 1)

model = nn.Sequential(
    nn.Linear(10, 20),
    nn.ReLU(),
    nn.Linear(20, 1),
)
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.01)

losses = []
for epoch in range(1000):
    outputs = model(x)
    loss = criterion(outputs, y)

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    losses.append(loss.item())
    if (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/1000], Loss: {loss.item():.4f}")
