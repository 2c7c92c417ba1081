"""What a random generator is made of: its stream, and the distributions that are drawn from it."""
