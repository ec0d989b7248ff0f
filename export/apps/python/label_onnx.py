"""Labels image files with an exported ONNX file; needs onnxruntime, NumPy and Pillow.

python label_onnx.py EXPORT/model.onnx photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first.
"""

import sys

import onnxruntime
import photos


def main():
    """Labels one file after the other."""
    model, *files = sys.argv[1:]
    manifest = photos.read_manifest(model)
    session = onnxruntime.InferenceSession(model)

    def answer(pixels):
        (probabilities,) = session.run(["probabilities"], {"image": pixels[None]})
        return photos.best(probabilities[0], manifest["classes"])

    photos.print_labels(files, manifest, answer)


if __name__ == "__main__":
    main()
