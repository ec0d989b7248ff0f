"""Runs on disk: recipes, checkpoints, metrics, and how a run is opened."""
