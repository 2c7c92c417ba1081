"""From recorded graphs to machine code."""
