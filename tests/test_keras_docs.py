"""The blocks of docs/keras.md run as they stand."""

import pathlib
import re

import commands

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "keras.md"
ANOTHER = "# in another process\n"
STRICT = "import warnings\nwarnings.filterwarnings('error', category=DeprecationWarning, module='__main__')\n"


def test_every_block_runs(tmp_path):
    blocks = re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    first = "\n".join(block for block in blocks if not block.startswith(ANOTHER))
    others = [block for block in blocks if block.startswith(ANOTHER)]
    assert len(blocks) == 6 and len(others) == 1
    shapes = "\nassert pool5.shape == (64, 1, 1, 16) and fc7.shape == (64, 256) and embeddings.shape == (64, 16)\n"
    learned = "assert model.history.history['accuracy'][-1] > 0.9\n"
    for code in (first + shapes + learned, *others):
        done = commands.python(STRICT + code, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
