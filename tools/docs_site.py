"""Hooks of MkDocs (mkdocs.yml): they fit the repository's Markdown, written for GitHub, into a site.

Files outside `docs` that pages link to become pages below `repository/`, code as a listing, and the links follow.
`reference.md` is made of the package's public names.
"""

import ast
import os
import pathlib
import re
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "repository"
REFERENCE = "reference.md"

# A relative link or image, outside code.
_LINK = re.compile(r"\]\((?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?\)")
# Pages link to each other by the names of their files; on a site, they have no suffix.
_SUFFIX = re.compile(r"\[([\w/-]+)\.md\]\(")
_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_HREF = re.compile(r'href="([\w/-]+\.md)(#[^"]*|)"')
# GitHub begins a list right after a line of text; Python's Markdown needs an empty line between.
_LIST = re.compile(r"^((?![-*] |\d+\. |#|\||\s).+\n)(?=(?:[-*]|\d+\.) )", re.MULTILINE)
_LANGUAGES = {".py": "python", ".c": "c", ".h": "c", ".js": "javascript", ".mjs": "javascript", ".html": "html"}


def on_files(files: Any, config: Any) -> Any:
    """Adds the API reference, and every file outside `docs` that a page links to, directly or not."""
    from mkdocs.structure.files import File  # Of the extra "docs", which `on_page_markdown` does without.

    files.append(File.generated(config, REFERENCE, content=_reference()))
    waiting = [DOCS / file.src_uri for file in files.documentation_pages() if (DOCS / file.src_uri).suffix == ".md"]
    waiting += [ROOT / "export" / "apps" / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    seen = set(waiting)
    while waiting:
        source = waiting.pop()
        if DOCS not in source.parents and source.exists():
            files.append(File.generated(config, _uri(source), content=_content(source)))
        if source.suffix == ".md" and source.is_file():
            targets = {_target(source, link) for link, _ in _LINK.findall(_FENCE.sub("", source.read_text("utf-8")))}
            waiting += targets - seen
            seen |= targets
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites links, and begins lists as Python's Markdown needs it; code stays as it is."""
    parts = _FENCE.split(markdown)
    for number in range(0, len(parts), 2):
        text = _SUFFIX.sub(r"[\1](", _LIST.sub(r"\1\n", parts[number]))
        parts[number] = _LINK.sub(lambda match: _relinked(page.file.src_uri, *match.groups()), text)
    return "".join(parts)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites the links of notebooks, which MkDocs leaves as they are; fails if a page is missing."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    pages = {file.src_uri: file.url_relative_to(page.file) for file in files.documentation_pages()}
    return _HREF.sub(lambda match: f'href="{pages[match[1]]}{match[2]}"', html)


def _relinked(uri: str, link: str, anchor: str | None) -> str:
    here = ROOT / uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else DOCS / uri
    target = _uri(_target(here, link))
    return f"]({os.path.relpath(target, pathlib.PurePosixPath(uri).parent)}{anchor or ''})"


def _target(source: pathlib.Path, link: str) -> pathlib.Path:
    """The file that a link leads to; of a folder, the file that describes it."""
    target = pathlib.Path(os.path.normpath(source.parent / link))
    if target.is_dir():
        return target / ("README.md" if (target / "README.md").exists() else "__init__.py")
    return target


def _uri(source: pathlib.Path) -> str:
    """The path of a file of the repository among the site's sources."""
    if DOCS in source.parents:
        return source.relative_to(DOCS).as_posix()
    uri = f"{OUTSIDE}/{source.relative_to(ROOT).as_posix()}"
    return uri if source.suffix == ".md" else f"{uri}.md"


def _content(source: pathlib.Path) -> str:
    text = source.read_text("utf-8")
    if source.suffix == ".md":
        return text
    return f"# {source.relative_to(ROOT).as_posix()}\n\n```{_LANGUAGES.get(source.suffix, 'text')}\n{text}```\n"


def _reference() -> str:
    """The public names of the package, each with its docstring."""
    tree = ast.parse((ROOT / "alexnet_tf" / "__init__.py").read_text("utf-8"))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"]
    names = ast.literal_eval(lists[0])
    return "# API reference\n\nEverything here can be imported from `alexnet_tf`.\n\n" + "\n".join(
        f"::: alexnet_tf.{name}\n" for name in sorted(names, key=str.lower)
    )
