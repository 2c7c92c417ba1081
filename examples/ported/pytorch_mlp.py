"""PyTorch's classic network 784-128-10. Only the import lines were changed."""

import chainrule as torch
import chainrule.nn as nn
import chainrule.optim as optim
from chainrule.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = x.view(-1, 784)
        x = torch.relu(self.fc1(x))
        return self.fc2(x)


torch.manual_seed(0)

# Ten blurred patterns with noise stand in for images.
labels = torch.arange(500) % 10
patterns = torch.randn(10, 784)
images = (patterns[labels] + 0.5 * torch.randn(500, 784)).float()
train_loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)

net = Net()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.01)

for epoch in range(3):
    running_loss = 0.0
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print(f"Epoch {epoch + 1}, loss: {running_loss / len(train_loader):.4f}")

with torch.no_grad():
    predicted = torch.argmax(net(images), dim=1)
    accuracy = (predicted == labels).float().mean().item()
print(f"Accuracy: {accuracy:.3f}")
