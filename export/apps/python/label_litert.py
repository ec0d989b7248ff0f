"""Labels image files with an exported TFLite file; needs ai-edge-litert, NumPy and Pillow.

python label_litert.py EXPORT/model.tflite photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first.
"""

import sys

import photos
from ai_edge_litert.interpreter import Interpreter


def main():
    """Labels one file after the other."""
    model, *files = sys.argv[1:]
    manifest = photos.read_manifest(model)
    interpreter = Interpreter(model)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def answer(pixels):
        interpreter.set_tensor(source, pixels[None])
        interpreter.invoke()
        return photos.best(interpreter.get_tensor(target)[0], manifest["classes"])

    photos.print_labels(files, manifest, answer)


if __name__ == "__main__":
    main()
