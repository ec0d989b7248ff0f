"""What labels an image: one `Predictor` for a run, a SavedModel, a TFLite or an ONNX file."""
