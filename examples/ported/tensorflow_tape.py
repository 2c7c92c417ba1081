"""The derivative of x**2 at 2, as in TensorFlow. Only the import line was changed."""

import chainrule as tf

x = tf.Variable(2.0)
with tf.GradientTape() as tape:
    y = x**2
dy_dx = tape.gradient(y, x)
print(dy_dx.numpy())
