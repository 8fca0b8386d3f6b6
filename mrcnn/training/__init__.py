"""The training step, loop, state and checkpoints, on one or several devices."""
