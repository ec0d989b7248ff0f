"""Labels image files with an exported TFLite file; needs ai-edge-litert, NumPy and Pillow.

python label_litert.py model.tflite photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first. The TFLite file is all it needs:
labels and sizes come from the file's own metadata.
"""

import sys

import photos
from ai_edge_litert.interpreter import Interpreter


def main():
    """Labels one file after the other."""
    model, *files = sys.argv[1:]
    labels, sizes = photos.read_tflite_metadata(model)
    interpreter = Interpreter(model)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(pixels):
        interpreter.set_tensor(source, pixels[None])
        interpreter.invoke()
        return photos.best(interpreter.get_tensor(target)[0], labels)

    photos.print_labels(files, sizes, predict)


if __name__ == "__main__":
    main()
