"""Smaller networks: dense layers become products of low rank, then learn from the network that they were made from."""
