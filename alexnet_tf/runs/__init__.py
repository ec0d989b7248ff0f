"""What a run is on disk: its recipe, its checkpoints, its metrics, and how it is opened."""
