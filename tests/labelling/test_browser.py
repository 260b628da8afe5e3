"""The page in a real browser: paint, fit, correct, export, reload, two tabs. Extended: needs selenium and Chromium.

Screenshots of each step lie in the folder that ONEMASK_SCREENSHOTS names, if it does.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

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
def serve(folder, port):
    """Starts the server; a second call starts it anew, after a kill that leaves it no time."""
    running = []

    def start():
        for process in running:
            process.kill()
            process.wait()
        given = {"generator": "g.safetensors", "labels": "labels.yaml", "out": "s", "method": "hfc_swav_mlp"}
        given |= {"study": "test", "port": str(port)}
        options = [part for name, value in given.items() for part in (f"--{name}", value)]
        command = [sys.executable, "-m", "onemask.cli", "label", *options]
        running.append(subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True))
        assert f"http://127.0.0.1:{port}/" in running[-1].stdout.readline()
        until(lambda: answers(port))

    yield start
    for process in running:
        process.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chrome')}"):
        options.add_argument(flag)
    made = Chrome(options=options, service=ChromeService(DRIVER))
    yield made
    made.quit()


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

    def fitted(self, samples):
        until(lambda: f"fitted on {samples} sample" in self.message.text)
        return until(
            lambda: [i.get_attribute("src") for i in self.browser.find_elements(By.CSS_SELECTOR, "#wall img[src]")]
        )


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
    page.undo.click()
    until(lambda: (page.saved()[3:13, 10:14] == 2).all())


def test_fitting_shows_unseen_samples_and_a_correction_changes_them(page):
    page.fit.click()
    first = page.fitted(1)
    page.shoot("3-fitted")
    captions = [c.text for c in page.browser.find_elements(By.CSS_SELECTOR, "#wall figcaption") if c.text]
    assert first and "uncertain" in captions[0]
    tile = page.browser.find_element(By.CSS_SELECTOR, "#wall figure")
    number = int(tile.get_attribute("data-seed"))
    tile.click()
    until(lambda: page.seed.get_attribute("value") == str(number))
    page.suggest.click()
    page.press("b")
    page.press("1")
    page.drag((0, 15), (15, 15))
    until(lambda: page.saved(number).any())
    page.fit.click()
    second = page.fitted(2)
    assert set(first) != set(second)
    page.shoot("4-corrected")


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


def test_images_are_exported(page):
    count = page.browser.find_element(By.ID, "count")
    count.clear()
    count.send_keys("5")
    page.browser.find_element(By.CSS_SELECTOR, "#export-images button").click()
    until(lambda: "annotations.json" in page.message.text)
    page.shoot("5-exported")
    [out] = (page.folder / "s").glob("images-*")
    assert len(COCO(str(out / "annotations.json")).getImgIds()) == 5


def test_a_bad_file_is_explained_on_the_page(page, tmp_path):
    Image.fromarray(np.ones((8, 8), np.uint8)).save(tmp_path / "small.png")
    page.upload.send_keys(str(tmp_path / "small.png"))
    until(lambda: "is 8 x 8, the generator makes 16 x 16" in page.message.text)


def test_two_tabs_do_not_overwrite_each_other(page, port):
    page.browser.execute_script("open(77)")
    until(lambda: page.seed.get_attribute("value") == "77")
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.browser.get(f"http://127.0.0.1:{port}/")
    until(lambda: len(page.labels.find_elements(By.TAG_NAME, "button")) == 3)
    page.browser.execute_script("open(77)")
    until(lambda: page.seed.get_attribute("value") == "77" and page.undo.get_attribute("disabled"))
    page.drag((4, 4), (8, 4))
    until(lambda: page.saved(77).any())
    kept = page.saved(77)
    page.browser.switch_to.window(first)
    page.press("b")
    page.drag((4, 12), (8, 12))
    until(lambda: "changed on another page" in page.conflict.text)
    assert np.array_equal(page.saved(77), kept)


def test_a_killed_server_and_a_reload_lose_nothing(page, serve, port):
    kept = page.saved(77)
    page.theirs.click()
    until(lambda: not page.conflict.is_displayed())
    serve()  # the page stays open
    page.press("b")
    page.press("2")
    page.drag((4, 12), (8, 12))
    until(lambda: (page.saved(77)[12, 4:9] == 2).all())
    assert np.array_equal(page.saved(77)[:8], kept[:8])
    before = {path.name: path.read_bytes() for path in (page.folder / "s/masks").glob("*.png")}
    serve()
    page.browser.get(f"http://127.0.0.1:{port}/")
    until(lambda: len(page.labels.find_elements(By.TAG_NAME, "button")) == 3)
    assert until(lambda: page.browser.find_elements(By.CSS_SELECTOR, "#wall img[src]")), "the segmenter is there again"
    assert before == {path.name: path.read_bytes() for path in (page.folder / "s/masks").glob("*.png")}
    assert page.painted.text.startswith("painted: 0")
