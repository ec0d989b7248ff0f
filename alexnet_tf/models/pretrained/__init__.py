"""Published weights: read from Caffe's and PyTorch's files, turned into our layout, fitted into a network."""
