"""Labels image files with an exported TFLite file through MediaPipe; needs mediapipe, NumPy and Pillow.

python label_mediapipe.py EXPORT_OR_TFLITE photo.jpg …

Prints "file<TAB>label<TAB>score" for the five best labels of each file, best first. Labels and sizes come from the
metadata of the TFLite file. Of an export's directory, it runs the file that the manifest recommends. MediaPipe would
distort a photograph into a square, so it is given the central square.
"""

import sys

import mediapipe
import photos
from mediapipe.tasks.python import BaseOptions, vision


def main():
    """Labels one file after the other."""
    path, *files = sys.argv[1:]
    model = photos.find_tflite(path)
    _, sizes = photos.read_tflite_metadata(model)
    base = BaseOptions(model_asset_path=model)
    options = vision.ImageClassifierOptions(base_options=base, max_results=photos.TOP)
    with vision.ImageClassifier.create_from_options(options) as classifier:

        def predict(pixels):
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
            categories = classifier.classify(image).classifications[0].categories
            return [(category.category_name, category.score) for category in categories]

        photos.print_labels(files, sizes, predict)


if __name__ == "__main__":
    main()
