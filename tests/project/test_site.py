"""The built site: links lead somewhere, nothing comes from another host, pages fit their screens."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SITE = "https://keras-openpose.github.io/keras-openpose/"
REPOSITORY = "https://github.com/keras-openpose/keras-openpose/blob/main/"
RAW = "https://raw.githubusercontent.com/keras-openpose/keras-openpose/main/"
# Width, colors of the system, and what the theme calls them. Colors change no layout.
SCREENS = [(1280, "light", "default"), (390, "dark", "slate")]


class Page(HTMLParser):
    """Ids, links and resources of one page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.resources = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name")}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes["rel"] in ("stylesheet", "icon", "preload", "preconnect"):
            self.resources.append(attributes["href"])
        elif "src" in attributes:
            self.resources.append(attributes["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    pytest.importorskip("mkdocs", reason='needs the extra "docs"')
    folder = tmp_path_factory.mktemp("site") / "keras-openpose"  # the path that the published site has
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


@pytest.fixture(scope="module")
def pages(site):
    """Every page, by its address on the published site."""
    paths = {path: path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    return {urljoin(SITE, name.removesuffix("index.html")): Page(path) for path, name in paths.items()}


def test_every_link_within_the_site_leads_to_a_place(site, pages):
    lost = []
    for address, page in pages.items():
        for link in page.links:
            target, _, anchor = urljoin(address, link).partition("#")
            if target.startswith(SITE):
                there = pages[target].ids if target in pages else None
                is_file = (site / unquote(target.removeprefix(SITE))).is_file()
                if not is_file and (there is None or (anchor and unquote(anchor) not in there)):
                    lost.append((address, link))
    assert len(pages) > 20
    assert not lost


def test_every_picture_script_and_style_comes_with_the_site(site, pages):
    resources = {urljoin(address, name) for address, page in pages.items() for name in page.resources}
    assert not {name for name in resources if not name.startswith(SITE)}
    missing = {name for name in resources if not (site / urlsplit(name.removeprefix(SITE)).path).is_file()}
    assert not missing
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", styles)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_addresses_of_the_project_in_its_own_files_exist(name, pages):
    """PyPI and GitHub show these files away from the site, so their links are absolute."""
    addresses = re.findall(r"https://[^\s)>\"]+", (ROOT / name).read_text(encoding="utf-8"))
    files = {
        address.removeprefix(start)
        for address in addresses
        for start in (REPOSITORY, RAW)
        if address.startswith(start)
    }
    assert not {file for file in files if not (ROOT / file.partition("#")[0]).is_file()}
    ours = {address for address in addresses if address.startswith(SITE)}
    assert not {address for address in ours if address.partition("#")[0] not in pages}


def test_a_table_is_not_torn(site):
    """A blank line between its rows makes the rest of a table a line of bars."""
    torn = [path for path in site.rglob("*.html") if re.search(r"<p>\s*\|", path.read_text(encoding="utf-8"))]
    assert not torn


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing about it."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served(site):
    """The address at which the site is served."""
    handler = functools.partial(Quiet, directory=site.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser):
    """A page of the browser, which keeps in `tab.requests` and `tab.complaints` what it did."""
    tab = browser.new_page()
    tab.requests, tab.complaints = [], []
    tab.on("request", lambda request: tab.requests.append(request.url))
    tab.on("console", lambda said: said.type in ("error", "warning") and tab.complaints.append(said.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    yield tab
    tab.close()


@pytest.mark.slow
def test_every_page_fits_a_light_desktop_and_a_dark_phone(tab, served, pages):
    misfits = []
    for address in pages:
        tab.goto(address.replace(SITE, served), wait_until="load")
        broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
        misfits += [(address, picture) for picture in tab.evaluate(broken)]
        for width, scheme, name in SCREENS:
            tab.set_viewport_size({"width": width, "height": 800})
            tab.emulate_media(color_scheme=scheme)
            tab.wait_for_function("name => document.body.dataset.mdColorScheme == name", arg=name)
            wide = tab.evaluate("document.documentElement.scrollWidth")
            misfits += [(address, wide, width)] if wide > width else []
    assert not misfits
    assert not {url for url in tab.requests if not url.startswith((served, "data:", "blob:"))}
    assert not tab.complaints


@pytest.mark.slow
def test_the_search_finds_the_reference_of_a_name(tab, served):
    tab.goto(served)
    tab.get_by_placeholder("Search").press_sequentially("decode_poses")
    found = tab.locator(".md-search-result__link[href*='#']").first
    found.click()
    tab.wait_for_url("**/reference/people/*#keras_openpose.decode_poses")
    assert not {url for url in tab.requests if not url.startswith((served, "data:", "blob:"))}
