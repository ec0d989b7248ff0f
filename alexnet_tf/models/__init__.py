"""What an AlexNet is: presets as data, the layers Keras lacks, and the builder."""
