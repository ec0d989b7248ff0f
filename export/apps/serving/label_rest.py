"""Labels image files with a TensorFlow Serving server over REST; needs only Python.

python label_rest.py http://HOST:PORT/v1/models/alexnet photo.jpg …
"""

import base64
import http.client
import json
import pathlib
import sys
import urllib.error
import urllib.request

BATCH, DEADLINE = 16, 60


def main():
    """Prints the five best labels of each file; the label of an undecodable file is invalid."""
    if len(sys.argv) < 3 or not sys.argv[1].startswith(("http://", "https://")):
        fail("usage: label_rest.py http://HOST:PORT/v1/models/MODEL photo...")
    url, *files = sys.argv[1:]
    url = url.removesuffix(":predict") + ":predict"
    for start in range(0, len(files), BATCH):
        part = files[start : start + BATCH]
        for file, row in zip(part, ask(url, [read(file) for file in part]), strict=True):
            for label, score in zip(row["labels"], row["scores"], strict=True):
                print(f"{file}\t{label}\t{score:.6f}")


def fail(message):
    """Exits with one line on stderr."""
    sys.exit("error: " + " ".join(message.split()))


def read(file):
    """A file's bytes."""
    try:
        return pathlib.Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def ask(url, images):
    """The server's prediction for each image: {"labels": […], "scores": […], …}."""
    # JSON has no bytes; an object with the only key b64 represents them.
    instances = [{"b64": base64.b64encode(image).decode()} for image in images]
    body = json.dumps({"instances": instances}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        fail(f"{url}: the server refuses ({error.code}: {reason(error)})")
    except urllib.error.URLError as error:
        fail(f"{url}: the server cannot be reached ({error.reason})")
    except (OSError, http.client.HTTPException) as error:
        fail(f"{url}: the connection was lost ({error or type(error).__name__})")
    except (ValueError, KeyError, TypeError):
        fail(f"{url}: the server is not TensorFlow Serving")


def reason(error):
    """The server's message, or the meaning of the status if there is none: a proxy does not send JSON."""
    try:
        return json.load(error)["error"]
    except (ValueError, KeyError, TypeError):
        return error.reason


if __name__ == "__main__":
    main()
