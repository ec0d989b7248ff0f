"""Out of the house: SavedModel and TFLite files that need nothing of ours to run."""
