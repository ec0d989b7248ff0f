"""The Markdown of GitHub as the site needs it."""

import pathlib
import runpy
import types

ROOT = pathlib.Path(__file__).parents[1]
HOOKS = runpy.run_path(str(ROOT / "tools" / "docs_site.py"))


def _page(uri, text):
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri=uri))
    return HOOKS["on_page_markdown"](text, page, None, None)


def test_links_that_leave_the_docs_lead_into_the_site():
    assert _page("index.md", "[a](../export/apps/README.md)") == "[a](repository/export/apps/README.md)"
    assert _page("index.md", "[a](../export/apps)") == "[a](repository/export/apps/README.md)"
    assert _page("index.md", "[a](../alexnet_tf/errors.py)") == "[a](repository/alexnet_tf/errors.py.md)"
    assert _page("index.md", "[a](../alexnet_tf/plotting)") == "[a](repository/alexnet_tf/plotting/__init__.py.md)"
    apps = "repository/export/apps/README.md"
    assert _page(apps, "[a](../../docs/export.md#inputs)") == "[a](../../../export.md#inputs)"
    assert _page(apps, "[a](c/README.md)") == "[a](c/README.md)"


def test_other_links_and_code_stay():
    for text in (
        "[a](https://example.org/b.md)",
        "[a](#b)",
        "![a](images/b.png)",
        "[a](b.md#c)",
        "```\n[a](../b.md)\n- c\n```",
    ):
        assert _page("index.md", text) == text


def test_pages_are_named_without_their_suffix():
    assert _page("index.md", "[data.md](data.md#x)") == "[data](data.md#x)"


def test_a_list_begins_after_an_empty_line():
    assert _page("index.md", "Text:\n- one\n- two\n  more\n- three\n\n1. a\n2. b\n") == (
        "Text:\n\n- one\n- two\n  more\n- three\n\n1. a\n2. b\n"
    )


def test_the_reference_has_every_public_name():
    import alexnet_tf

    reference = HOOKS["_reference"]()
    assert all(f"::: alexnet_tf.{name}\n" in reference for name in alexnet_tf.__all__)
    assert reference.count(":::") == len(alexnet_tf.__all__)


def test_links_of_notebooks_lead_to_pages():
    page = types.SimpleNamespace(file=types.SimpleNamespace(src_uri="alexnet.ipynb"))
    file = types.SimpleNamespace(src_uri="export.md", url_relative_to=lambda other: "../export/")
    files = types.SimpleNamespace(documentation_pages=lambda: [file])
    html = '<a href="export.md#x">a</a> <a href="https://example.org/b.md">b</a>'
    expected = html.replace("export.md#x", "../export/#x")
    assert HOOKS["on_page_content"](html, page, None, files) == expected
    page.file.src_uri = "index.md"
    assert HOOKS["on_page_content"](html, page, None, files) == html
