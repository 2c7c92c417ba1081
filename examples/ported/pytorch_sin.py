"""The derivative of the sine at 1. Only the import line was changed."""

import chainrule as torch

x = torch.tensor([1.0], requires_grad=True)
y = torch.sin(x)
y.backward()
print(x.grad)
