"""The text of `model_card.md`, the description of an export for people."""

from typing import Any

from alexnet_tf.exporting.accuracy import columns, sentence
from alexnet_tf.inference.manifest import TEST_IMAGE


def model_card(manifest: dict[str, Any]) -> str:
    """The Markdown text of the model card for the fields of a manifest."""
    classes = manifest["classes"]
    formats = "\n".join(
        f"| {row['format']} | {row['megabytes']:.1f} | {row['relative_error']:.1e} | {row['top1_agreement']:.1%} | "
        f"{row['milliseconds']:.0f} | {' | '.join(columns(row.get('accuracy')))} |"
        for row in manifest["parity"]
    )
    accuracy = manifest["parity"][0].get("accuracy")
    errors = sentence(accuracy) if accuracy else "Errors of the formats were not measured."
    recommended = f" Apps start with `{manifest['recommended_tflite']}`." if "recommended_tflite" in manifest else ""
    steps = "\n".join(f"{name}: {text}.  " for name, text in manifest["preprocessing"].items())
    facts = "\n".join(f"- {name}: {value}" for name, value in manifest["about"].items()) or "- unknown"
    return f"""# AlexNet, preset {manifest["preset"]}

The network of Krizhevsky, Sutskever and Hinton (2012), exported by alexnet-tf
{manifest["versions"]["alexnet-tf"]}. It has {manifest["parameters"]:,} parameters and classifies RGB photographs into
{len(classes)} classes: {", ".join(classes[:10])}{" …" if len(classes) > 10 else ""}.

## Training and error

{facts}

## Preprocessing

{steps}

## Files

| format | MB | largest relative error against Keras | same top-1 | ms an image | top-1 error | top-5 error |
|---|---|---|---|---|---|---|
{formats}

Compared on {manifest["parity_images"]} images; times measured on the machine that exported them.{recommended}
{errors}
`alexnet-tf verify` repeats the comparison with `{TEST_IMAGE}` on another machine.

## License and limits

The code is under Apache-2.0. The license of the weights depends on the training data; check
it before you publish them. The network always predicts one of its classes, also for images
that show none of them; its probabilities are not calibrated; and it has the gaps and biases
of its training set.
"""
