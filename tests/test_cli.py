"""The commands as a user runs them."""

import json
import subprocess
import sys

import pytest


def _run(*arguments):
    code = "import sys; from alexnet_tf.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)


def test_train_evaluate_export_predict(tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    narrow = ["--width=0.0625", "--image_size=67", "--steps=3"]
    done = _run("train", "--recipe=demo", f"--workdir={run}", *narrow)
    assert done.returncode == 0, done.stderr
    evaluated = json.loads(_run("evaluate", f"--workdir={run}", "--json").stdout)
    assert evaluated["examples"] == 500 and 0 <= evaluated["top1_error"] <= 1
    assert _run("export", f"--workdir={run}", f"--out={out}", "--formats=saved_model,tflite").returncode == 0
    import tensorflow as tf

    from alexnet_tf.data import shapes

    image, bad = tmp_path / "image.png", tmp_path / "bad.jpg"
    image.write_bytes(tf.io.encode_png(shapes.draw(0, "validation", 0)[0]).numpy())
    bad.write_text("text")
    answers = []
    for model in (run, out, out / "model.tflite"):
        done = _run("predict", f"--model={model}", "--json", str(bad), str(image))
        assert done.returncode == 1 and f"{bad}: not a JPEG" in done.stderr
        answers.append([row["label"] for row in json.loads(done.stdout)[0]["labels"]])
    assert answers[0] == answers[1] == answers[2] and len(answers[0]) == 5


def test_presets_table():
    found = json.loads(_run("presets", "--json").stdout)
    assert found["paper"]["weights"] == 60_965_224 and found["lenet5"]["weights"] == 61_706
    convolutions = sum(s["multiply_adds"] for s in found["paper"]["stages"] if s["name"].startswith("conv"))
    assert convolutions == pytest.approx(665.8e6, rel=1e-4)
    assert found["paper"]["multiply_adds"] - convolutions == pytest.approx(58.6e6, rel=1e-3)


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["fly"], 2, "command must be one of"),
        (["train", "--recipe=demo", "--workdir=x", "--spped=1"], 2, "spped"),
        (["train", "--recipe=resnet", "--workdir=x"], 1, "Unknown recipe"),
        (["train", "--recipe=demo", "--workdir=x", "--preset=vgg"], 1, "Unknown preset"),
        (["evaluate", "--workdir=/nonexistent"], 1, "workdir must hold a run"),
    ],
)
def test_mistakes_are_one_line(arguments, code, message):
    done = _run(*arguments)
    assert done.returncode == code
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in done.stderr
