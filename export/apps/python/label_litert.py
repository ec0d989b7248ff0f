"""Labels image files with an exported TFLite file; needs ai-edge-litert, NumPy and Pillow.

python label_litert.py EXPORT/model.tflite photo.jpg … [--json]
"""

import json
import pathlib
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, UnidentifiedImageError

TOP = 5


def main():
    """Prints each file's labels; what is no image is called invalid."""
    model, *files = (argument for argument in sys.argv[1:] if argument != "--json")
    manifest = json.loads((pathlib.Path(model).parent / "manifest.json").read_text())
    interpreter = Interpreter(model)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    for file in files:
        try:
            pixels = prepare(file, manifest["resize"], manifest["crop"])
        except (UnidentifiedImageError, OSError, ValueError):
            report(file, ["invalid"], [0.0])
            continue
        interpreter.set_tensor(source, pixels[None])
        interpreter.invoke()
        probabilities = interpreter.get_tensor(target)[0]
        best = np.argsort(probabilities)[::-1][:TOP]
        report(file, [manifest["classes"][index] for index in best], probabilities[best].tolist())


def prepare(file, resize, crop):
    """Decodes, resizes the shorter side, and cuts the centre: uint8 (crop, crop, 3)."""
    image = Image.open(file).convert("RGB")
    scale = resize / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
    left, top = (image.width - crop) // 2, (image.height - crop) // 2
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


def report(file, labels, scores):
    """Prints one file's answer."""
    if "--json" in sys.argv:
        print(json.dumps({"image": file, "labels": labels, "scores": scores}))
    else:
        print(f"{file}: " + ", ".join(f"{label} {score:.1%}" for label, score in zip(labels, scores, strict=True)))


if __name__ == "__main__":
    main()
