"""Partial derivatives of x*y and x**2 + y**2 at (2, 3), as in PyTorch. Only the import line was changed."""

import chainrule as torch

x = torch.tensor(2.0, requires_grad=True)
y = torch.tensor(3.0, requires_grad=True)

z = x * y
z.backward()
product = (x.grad.item(), y.grad.item())
print(f"d(x*y): dx = {product[0]}, dy = {product[1]}")

x.grad.zero_()
y.grad.zero_()
z = x**2 + y**2
z.backward()
squares = (x.grad.item(), y.grad.item())
print(f"d(x^2 + y^2): dx = {squares[0]}, dy = {squares[1]}")
