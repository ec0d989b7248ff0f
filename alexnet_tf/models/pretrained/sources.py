"""Where the published weights are, and how addresses of other weights are written."""

import dataclasses
import hashlib
import os
import re
import urllib.parse

from alexnet_tf.errors import UserError

# The address that takes the place of the sources' hosts, e.g. https://mirror.example/models.
MIRROR = "ALEXNET_TF_MIRROR"

_HUGGING_FACE = "https://huggingface.co"
_HEXADECIMAL_DIGITS = {"sha1": 40, "sha256": 64}


@dataclasses.dataclass(frozen=True)
class Source:
    """A file of weights on a server.

    Attributes:
        url: its address.
        digest: hexadecimal digest of its content; for some files only the first digits are known, or none.
        algorithm: of the digest: `sha256` or `sha1`.
        size: in bytes, if it is known.
        fixed_host: whether `ALEXNET_TF_MIRROR` does not apply.
        prefix: what the file's name in the cache begins with; empty for published files, whose names are their own.
    """

    url: str
    digest: str
    algorithm: str = "sha256"
    size: int | None = None
    fixed_host: bool = False
    prefix: str = ""

    @property
    def file(self) -> str:
        """The file's name, of characters that every file system takes."""
        name = urllib.parse.unquote(urllib.parse.urlsplit(self.url).path.rpartition("/")[2])
        return re.sub(r"[^\w.-]", "_", name)

    @property
    def sum(self) -> str:
        """What is known of the file's content, in words: "sha1 9116a6…", or "sha256 that begins with 7be5be79"."""
        if not self.digest:
            return "unknown sum"
        whole = len(self.digest) == _HEXADECIMAL_DIGITS[self.algorithm]
        return f"{self.algorithm} {'' if whole else 'that begins with '}{self.digest}"

    def matches(self, digest: str) -> bool:
        """Whether a file with this digest, by the source's algorithm, is the source's file as far as is known."""
        return digest.startswith(self.digest)

    @property
    def download_url(self) -> str:
        """The address to download from: `url`, with the mirror in place of the host if there is one."""
        mirror = os.environ.get(MIRROR, "")
        if not mirror or self.fixed_host:
            return self.url
        if urllib.parse.urlsplit(mirror).scheme not in ("http", "https"):
            raise UserError(f"{MIRROR} must be an address that begins with https:// or http://, got {mirror!r}")
        return mirror.rstrip("/") + urllib.parse.urlsplit(self.url).path


_ZOO = f"{_HUGGING_FACE}/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification"
_CAFFE = "dl.caffe.berkeleyvision.org"

# For each preset the sources to try in turn. The sums of the ONNX files are those of the Git LFS pointers in the
# repository onnx/models; those of Caffe's files, from its model zoo, are SHA-1 only.
PUBLISHED: dict[str, tuple[Source, ...]] = {
    "caffe": (
        Source(
            f"{_ZOO}/alexnet/model/bvlcalexnet-12.onnx",
            "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945", size=243_863_787,
        ),
        Source(
            f"{_ZOO}/alexnet/model/bvlcalexnet-9.onnx",
            "ef3c82dad5c512f969dbf701fe35c0b3feb1585687d541f765eb68730c0a8af7", size=243_863_542,
        ),
        Source(f"http://{_CAFFE}/bvlc_alexnet.caffemodel", "9116a64c0fbe4459d18f4bb6b56d647b63920377", "sha1"),
    ),
    "caffenet": (
        Source(
            f"{_ZOO}/caffenet/model/caffenet-9.onnx",
            "802138332cf3e423c82a9a80c76e4f9227dd4effb3aba55413601fa4345cfd36", size=243_863_553,
        ),
        Source(
            f"http://{_CAFFE}/bvlc_reference_caffenet.caffemodel", "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46", "sha1"
        ),
    ),
    "torchvision": (
        Source(
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", size=244_408_911,
        ),
    ),
}  # fmt: skip


def published_preset(path: str | os.PathLike) -> str | None:
    """The preset whose published weights have the file name of this path or address, or None."""
    name = str(path).partition("#")[0].replace(os.sep, "/").rpartition("/")[2]
    return next((preset for preset, sources in PUBLISHED.items() for source in sources if source.file == name), None)


def is_address(weights: str | os.PathLike) -> bool:
    """Whether weights are on a server, to be given to `source_of`."""
    return isinstance(weights, str) and "://" in weights


def source_of(address: str) -> Source:
    """The source that an address names.

    Args:
        address: `https://host/path/file`, or `hf://owner/repository/path/file` for a file on Hugging Face, with
            `@revision` behind the repository if not `main`. `#sha256=` and 64 hexadecimal digits at the end check its
            content; `http://` is accepted only with them.

    Raises:
        UserError: if the address is none of these.
    """
    url, _, fragment = address.partition("#")
    digest = fragment.removeprefix("sha256=").lower()
    if fragment and (not fragment.startswith("sha256=") or not re.fullmatch("[0-9a-f]{64}", digest)):
        raise UserError(f"weights must end in #sha256= and 64 hexadecimal digits, or without #, got {address!r}")
    if hugging_face := re.fullmatch(r"hf://([\w.-]+/[\w.-]+?)(?:@([^/]+))?/(.+)", url):
        repository, revision, file = hugging_face.groups()
        url = f"{_HUGGING_FACE}/{repository}/resolve/{revision or 'main'}/{urllib.parse.quote(file)}"
        return Source(url, digest, prefix=_prefix(url, digest))
    if not re.fullmatch(r"https?://[^/\s]+/\S+", url):
        raise UserError(f"weights must be https://HOST/FILE or hf://OWNER/REPOSITORY/FILE, got {address!r}")
    if url.startswith("http://") and not digest:
        raise UserError(f"weights from http:// must end in #sha256= and 64 hexadecimal digits, got {address!r}")
    return Source(url, digest, fixed_host=True, prefix=_prefix(url, digest))


def _prefix(url: str, digest: str) -> str:
    """What keeps files of the same name apart."""
    return (digest or hashlib.sha256(url.encode()).hexdigest())[:16] + "-"
