"""Labels image files with an exported ONNX file; needs onnxruntime, NumPy and Pillow.

python label_onnx.py model.onnx photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first. The ONNX file is all it needs:
labels and sizes come from the file's own metadata.
"""

import json
import sys

import onnxruntime
import photos


def main():
    """Labels one file after the other."""
    model, *files = sys.argv[1:]
    session = onnxruntime.InferenceSession(model)
    metadata = session.get_modelmeta().custom_metadata_map
    labels = json.loads(metadata["labels"])

    def predict(pixels):
        (probabilities,) = session.run(["probabilities"], {"image": pixels[None]})
        return photos.best(probabilities[0], labels)

    photos.print_labels(files, {name: int(metadata[name]) for name in ("resize", "crop")}, predict)


if __name__ == "__main__":
    main()
