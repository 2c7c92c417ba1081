"""The ways to run a program: reverse mode, forward mode, batched, recorded; and what is built on them."""
