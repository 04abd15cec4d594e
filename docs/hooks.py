"""What MkDocs calls when it builds the site, so that a page of it asks no other host for anything."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
SITE = "https://keras-openpose.github.io/keras-openpose/"
PICTURES = "https://raw.githubusercontent.com/keras-openpose/keras-openpose/main/docs/"


def on_page_markdown(markdown, page, **_):
    """Puts the README into the first page. PyPI needs its addresses absolute, the site needs them its own."""
    if page.file.src_uri != "index.md":
        return markdown
    # The address of the site itself leads on to its second page.
    readme = README.read_text(encoding="utf-8").replace(PICTURES, "")
    return re.sub(rf"{re.escape(SITE)}(\w*)/?(?=[#)])", lambda link: f"{link[1] or 'quickstart'}.md", readme)


def on_post_page(output, **_):
    """Takes away the mark by which the theme's script finds the link to GitHub, and asks there for stars."""
    return output.replace('data-md-component="source"', "")


on_post_template = on_post_page  # the page for addresses that do not exist
