"""Step, loop, state, checkpoints, several devices."""
