"""Training: the step, optimizers, schedules, devices, and the loop around them."""
