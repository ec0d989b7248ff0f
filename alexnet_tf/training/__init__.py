"""From batches to weights: recipes, optimizers, schedules, and the loop."""
