"""The paper's comparisons, run again: variants of one recipe, trained, measured, put side by side."""
