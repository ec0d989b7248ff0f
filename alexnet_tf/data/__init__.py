"""From files to batches: sources, image functions, statistics and the pipeline."""
