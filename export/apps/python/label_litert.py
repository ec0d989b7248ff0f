"""Labels image files with an exported TFLite file; needs ai-edge-litert, NumPy and Pillow.

python label_litert.py EXPORT_OR_TFLITE photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first. Labels and sizes come from the
metadata of the TFLite file. Of an export's directory, it runs the file that the manifest recommends.
"""

import sys

import photos
from ai_edge_litert.interpreter import Interpreter


def main():
    """Labels one file after the other."""
    path, *files = sys.argv[1:]
    model = photos.find_tflite(path)
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
