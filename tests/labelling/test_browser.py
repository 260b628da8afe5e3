"""The page in a real browser: paint, fit, correct, export, reload, two tabs. Extended: needs selenium and Chromium.

Screenshots of each step lie in the folder that ONEMASK_SCREENSHOTS names, if it does.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from onemask.annotation.labeller import load_labeller
from onemask.data.annotated import read_annotated
from onemask.labels import LabelSet

pytest.importorskip("selenium")
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not DRIVER, reason="needs chromedriver (Debian: chromium-driver)"),
]
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1400,1000"),
)


def until(happens, seconds=90):
    """The first true value of a function."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := happens():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def folder(generator, tmp_path_factory):
    made = tmp_path_factory.mktemp("page")
    shutil.copy(generator[1], made / "g.safetensors")
    text = "labels: {background: '#000000', left: '#e69f00', right: '#56b4e9'}\n"
    (made / "labels.yaml").write_text(text)
    return made


@pytest.fixture(scope="module")
def running():
    """Processes of the server; the last one runs."""
    made = []
    yield made
    for process in made:
        process.kill()


@pytest.fixture(scope="module")
def stop(running):
    """Kills the server, which leaves it no time."""

    def kill():
        running[-1].kill()
        running[-1].wait()

    return kill


@pytest.fixture(scope="module")
def serve(folder, port, running):
    """Starts the server."""

    def start():
        given = {"generator": "g.safetensors", "labels": "labels.yaml", "out": "s", "method": "hfc_swav_mlp"}
        given |= {"study": "test", "port": str(port)}
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        command = [sys.executable, "-m", "onemask.cli", "label", *options]
        running.append(subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True))
        assert f"http://127.0.0.1:{port}/" in running[-1].stdout.readline()
        until(lambda: answers(port))

    return start


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(tmp_path_factory, downloads):
    options = ChromeOptions()
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(flag)
    made = Chrome(options=options, service=ChromeService(DRIVER))
    yield made
    made.quit()


FIRST_TILE = """
const image = document.querySelector("#wall img[alt$=segmented]");
if (!image?.complete || !image.naturalWidth) return null;
const {naturalWidth: width, naturalHeight: height} = image;
const context = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d");
context.drawImage(image, 0, 0);
return [...context.getImageData(0, 0, width, height).data];
"""

RUNNING = """
window.asked = Object.assign([], {real: fetch});
window.fetch = async (path, options) => {
  asked.push(path);
  const response = await asked.real.call(window, path, options);
  if (path !== "api/state") return response;
  const work = {kind: "fit", state: "running", what: "fit", step: 3, steps: 12, seconds: 6, serial: 0};
  return new Response(JSON.stringify({...await response.json(), work}));
};
"""


class Page:
    """What a user does on the page."""

    def __init__(self, browser, folder):
        self.browser, self.folder = browser, folder

    def __getattr__(self, name):
        return self.browser.find_element(By.ID, name.replace("_", "-"))

    def press(self, key):
        self.browser.find_element(By.TAG_NAME, "body").send_keys(key)

    def point(self, x, y):
        """Where pixel (x, y) of 16 is, from the middle of the canvas."""
        width = self.mask.size["width"]
        return (x + 0.5) * width / 16 - width / 2, (y + 0.5) * width / 16 - width / 2

    def drag(self, *points):
        (x, y), *others = [self.point(*p) for p in points]
        chain = ActionChains(self.browser, duration=20).move_to_element_with_offset(self.mask, x, y).click_and_hold()
        for (u, v), (a, b) in zip(others, [(x, y), *others[:-1]], strict=True):
            chain = chain.move_by_offset(u - a, v - b)
        chain.release().perform()

    def click(self, *points):
        for point in points:
            ActionChains(self.browser).move_to_element_with_offset(self.mask, *self.point(*point)).click().perform()

    def saved(self, seed=0):
        path = self.folder / f"s/masks/{seed}_070.png"
        return np.array(Image.open(path)) if path.is_file() else np.zeros((16, 16), np.uint8)

    def shoot(self, name):
        if out := os.environ.get("ONEMASK_SCREENSHOTS"):
            Path(out).mkdir(parents=True, exist_ok=True)
            self.browser.save_screenshot(str(Path(out) / f"{name}.png"))

    def show(self, number):
        """By the form."""
        self.seed.clear()
        self.seed.send_keys(str(number))
        self.browser.find_element(By.CSS_SELECTOR, "#goto button:not([type])").click()
        until(lambda: self.browser.execute_script("return sample.seed") == number)

    def shown(self):
        """Pixels of the label map on the canvas."""
        return np.array(self.browser.execute_script("return [...sample.mask]")).reshape(16, 16)

    def fitted(self, samples):
        """Pixels of the first tile, once it shows the new segmenter's."""
        until(lambda: f"fitted on {samples} sample" in self.message.text)
        return until(lambda: self.browser.execute_script(FIRST_TILE))


@pytest.fixture(scope="module")
def page(browser, folder, serve, port):
    serve()
    browser.get(f"http://127.0.0.1:{port}/")
    made = Page(browser, folder)
    until(lambda: len(made.labels.find_elements(By.TAG_NAME, "button")) == 3)
    until(lambda: made.undo.get_attribute("disabled"))
    return made


def test_brush_polygon_fill_and_undo_paint_exact_labels(page):
    page.shoot("1-opened")
    page.press("1")
    page.drag((2, 2), (2, 12))
    until(lambda: (page.saved()[2:13, 2] == 1).all())
    painted = page.saved()
    page.press("2")
    page.press("p")
    page.click((9, 2), (14, 2), (14, 13), (9, 13))
    page.press(Keys.ENTER)
    until(lambda: (page.saved()[3:13, 10:14] == 2).all())
    assert set(np.unique(page.saved())) == {0, 1, 2}
    page.shoot("2-painted")
    page.undo.click()
    until(lambda: np.array_equal(page.saved(), painted))
    page.redo.click()
    until(lambda: (page.saved()[3:13, 10:14] == 2).all())
    page.press("f")
    page.press("0")
    page.click((11, 5))
    until(lambda: np.array_equal(page.saved(), painted))
    page.press(Keys.CONTROL + "z")
    until(lambda: (page.saved()[3:13, 10:14] == 2).all())
    page.press(Keys.CONTROL + "y")
    until(lambda: np.array_equal(page.saved(), painted))
    page.press("e")
    page.drag((2, 2), (2, 12))
    until(lambda: not page.saved().any())
    page.undo.click()
    page.undo.click()
    until(lambda: (page.saved()[3:13, 10:14] == 2).all() and (page.saved()[2:13, 2] == 1).all())


def test_the_view_changes_and_the_mask_does_not(page):
    before, width = page.saved(), page.mask.size["width"]
    page.zoom.send_keys(Keys.ARROW_LEFT)
    page.opacity.send_keys(Keys.HOME)
    until(lambda: page.mask.size["width"] < width and page.mask.value_of_css_property("opacity") == "0")
    page.zoom.send_keys(Keys.ARROW_RIGHT)
    page.opacity.send_keys(Keys.END)
    until(lambda: page.mask.value_of_css_property("opacity") == "1")
    page.show(5)
    assert not page.shown().any()
    page.show(0)
    assert np.array_equal(page.shown(), before) and np.array_equal(page.saved(), before)


def test_samples_are_browsed_before_a_fit(page):
    assert "the first fit segments the others" in page.by.text
    until(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#wall img[src]")) > 3)
    tile = page.browser.find_elements(By.CSS_SELECTOR, "#wall figure")[2]
    number = tile.get_attribute("data-seed")
    tile.click()
    until(lambda: page.seed.get_attribute("value") == number)
    page.show(0)


def test_fitting_shows_unseen_samples_and_a_correction_changes_them(page):
    page.fit.click()
    first = page.fitted(1)
    page.shoot("3-fitted")
    captions = [c.text for c in page.browser.find_elements(By.CSS_SELECTOR, "#wall figcaption") if c.text]
    assert "uncertain" in captions[0] and "HFC + SwAV (MLP)" in page.by.text
    tile = page.browser.find_element(By.CSS_SELECTOR, "#wall figure")
    number = int(tile.get_attribute("data-seed"))
    tile.click()
    until(lambda: page.seed.get_attribute("value") == str(number))
    page.suggest.click()
    until(lambda: page.shown().any())
    page.press("b")
    page.press("1")
    for y in (1, 6, 11, 15):
        page.drag((0, y), (15, y))
    until(lambda: (page.saved(number)[15] == 1).all())
    page.fit.click()
    until(lambda: "fitted on 2 samples" in page.message.text)
    page.browser.execute_script("wallFrom = arguments[0]; drawWall()", number)  # the tile of before; it is painted now
    assert page.browser.find_element(By.CSS_SELECTOR, "#wall figure").get_attribute("data-seed") != str(number)
    page.browser.execute_script("painted = []; drawWall()")
    second = until(lambda: page.browser.execute_script(FIRST_TILE))
    assert len(first) == len(second) and first != second, "the same sample, segmented otherwise"
    page.shoot("4-corrected")


def test_what_runs_is_shown_and_can_be_cancelled(page):
    """The tiny study's fits are over before anybody could click: the page is told that one goes on."""
    page.browser.execute_script(RUNNING)
    until(lambda: page.working.text == "fit 3/12, 6 s, about 18 s left")
    assert not page.fit.is_enabled() and page.progress.get_attribute("value") == "3"
    page.cancel.click()
    until(lambda: page.browser.execute_script("return asked.includes('api/cancel')"))
    page.browser.execute_script("window.fetch = asked.real")
    until(lambda: page.fit.is_enabled() and not page.cancel.is_displayed())


def test_a_cluster_is_filled_by_a_click(page):
    page.press(Keys.ARROW_RIGHT)
    until(lambda: page.undo.get_attribute("disabled"))
    number = int(page.seed.get_attribute("value"))
    page.press("c")
    page.press("2")
    page.click((8, 8))
    until(lambda: page.saved(number)[8, 8] == 2)
    page.clear.click()
    until(lambda: not page.saved(number).any())


def test_results_are_exported(page, downloads, generator):
    page.count.clear()
    page.count.send_keys("5")
    page.browser.find_element(By.CSS_SELECTOR, "#export-images button").click()
    until(lambda: "annotations.json" in page.message.text)
    page.shoot("5-exported")
    [out] = (page.folder / "s").glob("images-*-070")
    assert len(COCO(str(out / "annotations.json")).getImgIds()) == 5
    assert page.test.get_attribute("value") == "1", "of two painted samples one is to be tested on"
    page.browser.find_element(By.CSS_SELECTOR, "#export-set button").click()
    until(lambda: (downloads / "annotated.npz").is_file())
    labels = LabelSet(("background", "left", "right"), ("#000000", "#e69f00", "#56b4e9"), {})
    annotated = read_annotated(downloads / "annotated.npz", labels, generator[0])
    assert annotated.indices("test").tolist() == [1] and np.array_equal(annotated.label_maps[0], page.saved())
    page.export_labeller.click()
    until(lambda: (downloads / "labeller.zip").is_file())
    with zipfile.ZipFile(downloads / "labeller.zip") as archive:
        archive.extractall(downloads)
    assert load_labeller(downloads / "labeller", generator[0]).labels.names == labels.names


def test_a_bad_file_is_explained_on_the_page(page, tmp_path):
    Image.fromarray(np.ones((8, 8), np.uint8)).save(tmp_path / "small.png")
    page.upload.send_keys(str(tmp_path / "small.png"))
    until(lambda: "is 8 x 8, the generator makes 16 x 16" in page.message.text)
    (tmp_path / "large.png").write_bytes(bytes(5 << 20))
    page.upload.send_keys(str(tmp_path / "large.png"))
    until(lambda: "large.png: more than 4 MB" in page.message.text)
    (tmp_path / "text.png").write_text("no image")
    page.upload.send_keys(str(tmp_path / "text.png"))
    until(lambda: "not a readable image" in page.message.text)
    page.shoot("6-explained")


def test_two_tabs_do_not_overwrite_each_other(page, port):
    page.show(77)
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.browser.get(f"http://127.0.0.1:{port}/")
    until(lambda: page.browser.execute_script("return Boolean(sample)"))
    page.show(77)
    page.drag((4, 4), (8, 4))
    until(lambda: page.saved(77).any())
    kept = page.saved(77)
    page.browser.switch_to.window(first)
    page.press("b")
    page.press("2")
    page.drag((4, 12), (8, 12))
    page.show(78)  # whoever leaves it finds the question there again, and what was drawn
    page.show(77)
    until(lambda: "changed on another page" in page.conflict.text)
    page.shoot("7-conflict")
    assert (page.shown()[12, 4:9] == 2).all() and np.array_equal(page.saved(77), kept)
    page.theirs.click()
    until(lambda: not page.conflict.is_displayed() and np.array_equal(page.shown(), kept))
    second = next(handle for handle in page.browser.window_handles if handle != first)
    page.browser.switch_to.window(second)
    page.drag((12, 4), (12, 8))
    until(lambda: page.saved(77)[6, 12])
    page.browser.switch_to.window(first)
    page.drag((4, 12), (8, 12))
    until(lambda: page.conflict.is_displayed())
    page.mine.click()
    until(lambda: (page.saved(77)[12, 4:9] == 2).all())
    assert not page.saved(77)[6, 12], "what is here was kept, as it was asked for"


def test_a_killed_server_and_a_reload_lose_nothing(page, serve, stop, port):
    kept = page.saved(77)
    stop()  # the page stays open
    until(lambda: "the server does not answer" in page.message.text)
    page.press("b")
    page.press("1")
    page.drag((0, 14), (8, 14))
    serve()
    until(lambda: (page.saved(77)[14, :9] == 1).all())
    until(lambda: "does not answer" not in page.message.text)
    assert np.array_equal(page.saved(77)[:12], kept[:12])
    page.fit.click()  # the new server counts its works from one: the page tells of it all the same
    until(lambda: "fitted on 3 samples" in page.message.text)
    before = {path.name: path.read_bytes() for path in (page.folder / "s/masks").glob("*.png")}
    stop()
    serve()
    page.browser.refresh()
    until(lambda: page.browser.execute_script("return sample?.seed") == 77)
    assert np.array_equal(page.shown(), page.saved(77)), "a reload shows what was shown"
    segmented = "#wall img[alt$=segmented][src]"
    assert until(lambda: page.browser.find_elements(By.CSS_SELECTOR, segmented)), "the segmenter is back"
    assert before == {path.name: path.read_bytes() for path in (page.folder / "s/masks").glob("*.png")}
    assert page.painted.text.startswith("3 painted: sample 0, ")
