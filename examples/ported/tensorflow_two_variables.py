"""Partial derivatives of x*y and x**2 + y**2 at (2, 3), as in TensorFlow. Only the import line was changed."""

import chainrule as tf

x = tf.Variable(2.0)
y = tf.Variable(3.0)

with tf.GradientTape() as tape:
    z = x * y
dx, dy = tape.gradient(z, [x, y])
product = (float(dx), float(dy))
print("d(x*y): dx =", dx.numpy(), "dy =", dy.numpy())

with tf.GradientTape() as tape:
    z = x**2 + y**2
dx, dy = tape.gradient(z, [x, y])
squares = (float(dx), float(dy))
print("d(x^2 + y^2): dx =", dx.numpy(), "dy =", dy.numpy())
