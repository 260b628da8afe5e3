"""The labelling page's server: painting, fitting, predictions, export; and everything that it refuses."""

import errno
import io
import json
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools.coco import COCO
from tests.labelling.conftest import LABELS, LOCAL, finished

from onemask.annotation.labeller import fit_labeller, load_labeller
from onemask.config import load_study
from onemask.data.annotated import read_annotated
from onemask.errors import OnemaskError
from onemask.labelling.command import Options, bound, check_clustering, held, kept_token, subject_of
from onemask.labelling.server import MOST_UPLOAD, make_app
from onemask.labelling.session import EMPTY, Sample, version_of
from onemask.labelling.setup import Setup
from onemask.segmenters.base import build_settings
from onemask.stylegan2.generator import Generator

HALVES = np.repeat([[1] * 8 + [2] * 8], 16, axis=0).astype(np.uint8)


def png(values, mode=None):
    stream = io.BytesIO()
    Image.fromarray(values, mode).save(stream, "png")
    return stream.getvalue()


FIRST = version_of(HALVES)


def put(client, values=HALVES, seed=3, version=EMPTY, **more):
    return client.put(f"/api/mask/{seed}?version={version}", content=values.tobytes(), **more)


def fit(client, session):
    assert client.post("/api/fit").status_code == 200
    return finished(session)


def test_the_page_and_its_files_come_from_the_server_alone(client):
    page = client.get("/")
    assert page.status_code == 200 and "<main>" in page.text and "page.js" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("", "page.js", "page.css"):
        assert not re.findall(
            r"(?:src|href)=\"?\w*:?//|url\(|@import|\bimport\b|fetch\(.https?:", client.get(f"/{name}").text
        )
    assert client.get("/session.json").status_code == client.get("/../pyproject.toml").status_code == 404


def test_a_sample_is_painted_fitted_and_seen_on_others(client, session):
    assert client.get("/api/state").json()["painted"] == []
    image = Image.open(io.BytesIO(client.get("/api/image/3").content))
    assert image.size == (16, 16) and np.array_equal(np.array(image), session.image(Sample(3, 0.7)))
    assert client.get("/api/predicted/9").json()["message"].startswith("nothing is fitted yet")
    assert put(client).json() == {"version": FIRST}
    stored = client.get("/api/mask/3")
    assert stored.headers["X-Version"] == FIRST and stored.content == HALVES.tobytes()
    work = fit(client, session)
    assert work.state == "done" and work.message == "fitted on 1 sample", work
    state = client.get("/api/state").json()
    assert state["fits"] == 1 and state["work"]["steps"] == 5 and state["work"]["what"] == "fit"
    predicted = np.frombuffer(client.get("/api/predicted/9").content, np.uint8).reshape(16, 16)
    assert set(np.unique(predicted)) <= {0, 1, 2}
    answer = client.get("/api/predicted/9/overlay")
    assert 0 <= float(answer.headers["X-Uncertainty"]) <= 1
    overlay = np.array(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(overlay[predicted == 0], session.image(Sample(9, 0.7))[predicted == 0])
    clusters = np.frombuffer(client.get("/api/clusters/3").content, np.uint16)
    assert clusters.shape == (256,) and clusters.max() < 20


def test_a_second_sample_makes_it_few_shot(client, session):
    put(client)
    put(client, HALVES[:, ::-1], seed=4)
    assert fit(client, session).message == "fitted on 2 samples"


@pytest.mark.parametrize(
    ("module", "own", "epochs"),
    [
        ("hfc", {}, {1: 200, 4: 50, 1000: 20}),
        ("hfc", {"epochs": 100, "learning_rate": 1}, {1: 100, 4: 25}),
        ("hfc", {"batch": 3}, {1: 200, 2: 100, 10: 66}),  # a step sees three of ten
        ("datasetgan", {"epochs": 100}, {1: 100, 4: 25}),  # its epoch is over all pixels
        ("lagm", {"steps": 100}, {1: None, 4: None}),
    ],
)
def test_a_refit_looks_at_as_many_samples_as_a_first_fit(module, own, epochs):
    method = {"module": module, "head": "mlp1", "clustering": None, "settings": own}
    setup = Setup(method, {"heads": {"epochs": 200}}, 0.7)
    for samples, expected in epochs.items():
        budget = setup.budget(samples)
        assert build_settings(budget.method, budget.sections["heads"]).get("epochs") == expected
        kept = {key: value for key, value in own.items() if key != "epochs"}
        assert kept.items() <= budget.method["settings"].items()


def test_one_number_at_another_truncation_is_another_sample(client, session, opened):
    first, second = (client.get(f"/api/image/3?truncation={t}").content for t in (0.7, 0.35))
    assert first != second and client.get("/api/image/3").content == first
    put(client)
    client.put(f"/api/mask/3?version={EMPTY}&truncation=0.35", content=HALVES[:, ::-1].tobytes())
    assert list(opened().masks) == [Sample(3, 0.35), Sample(3, 0.7)]
    assert client.get("/api/mask/3?truncation=0.35").content == HALVES[:, ::-1].tobytes()
    for wrong in ("0", "0.004", "1.01"):
        assert "truncation is from 0.01" in client.get(f"/api/image/3?truncation={wrong}").json()["message"]
    assert fit(client, session).message == "fitted on 2 samples"


def test_what_was_painted_and_fitted_survives_a_restart(client, session, opened):
    put(client)
    fit(client, session)
    (session.folder / "masks/.7.123.part.png").write_bytes(b"what a killed server left")
    again = opened()
    assert list(again.masks) == [Sample(3, 0.7)] and np.array_equal(again.mask(Sample(3, 0.7)), HALVES)
    other = Sample(9, 0.7)
    assert np.array_equal(again.predict(other).label_map, session.predict(other).label_map)
    assert again.run != session.run and again.fitted.method == session.fitted.method == "HFC + SwAV (MLP)"
    with TestClient(make_app(again), **LOCAL) as later:  # a page that was left open goes on where it was
        assert put(later, HALVES[:, ::-1], version=FIRST).status_code == 200
        assert put(later, HALVES, version=FIRST).status_code == 409


@pytest.mark.parametrize("complete", [True, False])
def test_a_kill_between_two_segmenters_leaves_a_whole_one(complete, client, session, opened):
    put(client)
    fit(client, session)
    labeller, coming = session.folder / "labeller", session.folder / "labeller.next"
    if complete:  # killed after the old one went
        labeller.rename(coming)
    else:
        shutil.copytree(labeller, coming)
        (coming / "labels.yaml").unlink()
    again = opened()
    other = Sample(9, 0.7)
    assert np.array_equal(again.predict(other).label_map, session.predict(other).label_map) and not coming.exists()


def test_the_segmenter_stays_until_a_new_one_is_ready(client, session):
    put(client)
    fit(client, session)
    before = session.fitted
    session.setup.method["head"] = "mlp2"
    work = fit(client, session)
    assert work.state == "failed" and "'mlp2' is unknown" in work.message and session.fitted is before
    assert work.serial == 2 and client.get("/api/predicted/9").status_code == 200


def test_work_can_be_cancelled_and_does_not_start_twice(client, session):
    put(client)
    session.setup.sections["swav"]["steps"] = 100_000
    client.post("/api/fit")
    assert "fit is still running" in client.post("/api/fit").json()["message"]
    client.post("/api/cancel")
    assert finished(session).state == "cancelled" and session.fitted is None
    session.setup.sections["swav"]["steps"] = 2
    assert fit(client, session).state == "done"


def test_a_cancelled_fit_is_gone_even_after_its_last_epoch(client, session, opened):
    put(client)
    fit(client, session)
    before = session.fitted

    def too_late(*given):
        made = fit_labeller(*given)
        client.post("/api/cancel")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onemask.labelling.session.fit_labeller", too_late)
        assert fit(client, session).state == "cancelled"
    assert session.fitted is before and not (session.folder / "labeller.next").exists()
    session.setup.sections["heads"]["epochs"] = 1_000_000
    client.post("/api/fit")
    until_step = time.monotonic() + 60
    while session.worker.work.step < 10 and time.monotonic() < until_step:
        time.sleep(0.01)
    client.post("/api/cancel")
    work = finished(session)
    assert (work.state, work.what) == ("cancelled", "fit") and work.step >= 10
    assert session.fitted is before and opened().fitted is not None


def test_an_error_of_ours_is_told_and_logged(client, session, monkeypatch, caplog):
    put(client)
    monkeypatch.setattr("onemask.labelling.session.fit_labeller", lambda *_: 1 / 0)
    assert "fit failed: ZeroDivisionError" in fit(client, session).message
    assert "ZeroDivisionError" in caplog.text, "with where it happened"


def test_a_full_disk_is_told_and_loses_nothing(client, session, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("onemask.labelling.session.flush", full)
        refused = put(client)
    assert refused.status_code == 500 and "No space left on device; free the disk" in refused.json()["message"]
    assert client.get("/api/state").json()["painted"] == [] and put(client).status_code == 200


def test_clusters_are_made_while_somebody_paints(client, session):
    assert session.wants_clustering() and "no clusters yet" in client.get("/api/clusters/3").json()["message"]
    session.worker.start("clustering", session.cluster)
    assert put(client).status_code == 200
    assert finished(session).message == "the clusters are ready" and not session.wants_clustering()
    assert client.get("/api/clusters/3").status_code == 200


def test_another_method_in_the_same_folder_has_a_clustering_of_its_own(client, session, opened):
    put(client)
    fit(client, session)
    again = opened("hfc_kmeans")
    again.setup.sections["kmeans"]["pixels"] = 64
    with TestClient(make_app(again), **LOCAL) as other:
        assert fit(other, again).state == "done", again.worker.work
    assert len(list(session.folder.glob("clustering.*.safetensors"))) == 2
    assert opened().predict(Sample(9, 0.7)).label_map.shape == (16, 16)  # the labeller has what it was fitted with


def test_two_pages_do_not_overwrite_each_other(client):
    assert put(client).json() == {"version": FIRST}
    late = put(client, HALVES[:, ::-1])
    assert late.status_code == 409 and "another page" in late.json()["message"]
    assert client.get("/api/mask/3").content == HALVES.tobytes()
    assert put(client, HALVES[:, ::-1], version=FIRST).json() == {"version": version_of(HALVES[:, ::-1])}


def test_a_folder_is_one_server_s(tmp_path):
    with held(tmp_path), pytest.raises(OnemaskError, match="another `onemask label` has it open"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_an_uploaded_mask_is_taken_and_a_bad_one_explained(client):
    assert client.post("/api/read", content=png(HALVES)).content == HALVES.tobytes()
    jpeg = io.BytesIO()
    Image.fromarray(HALVES).save(jpeg, "jpeg")
    for content, message in (
        (png(HALVES[:8]), "the uploaded mask: is 16 x 8, the generator makes 16 x 16"),
        (png(HALVES + 5), "the uploaded mask: holds 7, but there are labels 0 to 2"),
        (png(np.stack([HALVES] * 3, axis=-1)), "the uploaded mask: is RGB"),
        (png(np.zeros((16, 16), np.uint8)), "holds nothing but background"),
        (b"\x80\x04cos\nsystem\n", "the uploaded mask: not a readable image"),
        (jpeg.getvalue(), "the uploaded mask: not a readable image (a PNG is wanted"),
        (png(np.zeros((9000, 9000), np.uint8)), "the uploaded mask: is 9000 x 9000"),
    ):
        answer = client.post("/api/read", content=content)
        assert answer.status_code == 400 and message in answer.json()["message"], answer.json()


def test_masks_that_cannot_be_are_explained(client):
    assert "10 bytes, expected 16 x 16" in client.put("/api/mask/3?version=0", content=b"0123456789").json()["message"]
    assert "label 9, the list has 0 to 2" in put(client, HALVES * 0 + 9).json()["message"]
    assert "number is a whole one from 0" in put(client, seed=-1).json()["message"]
    assert client.put("/api/mask/3?version=0", content=b"0" * (MOST_UPLOAD + 1)).status_code == 413
    assert client.put("/api/mask/..%2f..%2fevil?version=0", content=b"").status_code in (404, 422)
    assert client.get("/api/image/3?truncation=").json()["message"].startswith("truncation: Input should be")
    assert client.post("/api/export/images?count=").json()["message"].startswith("count: Input should be")


def test_an_undone_mask_is_none(client, session, opened):
    put(client)
    assert put(client, HALVES * 0, version=FIRST).json() == {"version": EMPTY}
    assert list(opened().masks) == [] and not list((session.folder / "masks").glob("*.png"))
    assert "no sample is painted" in client.post("/api/fit").json()["message"]


def test_results_leave_the_page(client, session, generator, tmp_path):
    assert "no sample is painted" in client.post("/api/export/set").json()["message"]
    assert "nothing is fitted" in client.post("/api/export/images?count=3").json()["message"]
    put(client)
    fit(client, session)
    assert client.post("/api/export/images?count=0").status_code == 400
    client.post("/api/export/images?count=3")
    work = finished(session)
    assert work.state == "done", work
    [out] = session.folder.glob("images-*-070")
    dataset = COCO(str(out / "annotations.json"))
    assert len(dataset.getImgIds()) == 3
    client.post("/api/export/images?count=2")
    assert "(3 images" in finished(session).message, "there are more already"
    client.post("/api/export/images?count=1&truncation=0.5")
    assert "(1 images" in finished(session).message and len(list(session.folder.glob("images-*-050"))) == 1
    assert "not 1 to test on" in client.post("/api/export/set?test=1").json()["message"]
    put(client, HALVES[:, ::-1], seed=4)
    answer = client.post("/api/export/set?test=1")
    assert answer.content == (session.folder / "annotated.npz").read_bytes() and "X-Message" in answer.headers
    annotated = read_annotated(session.folder / "annotated.npz", LABELS, generator[0])
    assert np.array_equal(annotated.label_maps[0], HALVES) and annotated.metadata["samples"] == [[3, 0.7], [4, 0.7]]
    assert annotated.indices("exemplars").tolist() == [0] and annotated.indices("test").tolist() == [1]
    assert np.array_equal(annotated.ws[0], generator[0].sample_ws([3], 0.7)[0].numpy())
    with zipfile.ZipFile(io.BytesIO(client.post("/api/export/labeller").content)) as archive:
        archive.extractall(tmp_path)
    assert load_labeller(tmp_path / "labeller", generator[0]).labels.names == LABELS.names


def test_strangers_are_refused(session):
    app = make_app(session)
    assert TestClient(app, base_url="http://evil.example:8000").get("/").status_code == 403
    plain = TestClient(app, base_url=LOCAL["base_url"])
    assert plain.get("/").status_code == 200
    for path in ("state", "image/3", "predicted/3/overlay"):  # as another site's <img> asks
        assert plain.get(f"/api/{path}").status_code == 403
    assert plain.post("/api/fit").status_code == 403, "another site's form sends no header of its own"
    assert "frame-ancestors 'none'" in plain.get("/").headers["content-security-policy"]
    away = {"base_url": "http://10.0.0.1:8000", "headers": LOCAL["headers"]}
    guarded = TestClient(make_app(session, "a-secret-of-many-letters"), **away)
    assert guarded.get("/api/state").status_code == guarded.get("/?token=guess").status_code == 403
    welcomed = guarded.get("/?token=a-secret-of-many-letters")
    assert welcomed.status_code == 200 and "token" not in str(welcomed.url)
    assert guarded.get("/api/state").status_code == 200, "the cookie holds the token"
    # one browser, two servers
    other = TestClient(make_app(session, "another-of-many-letters"), **away, cookies=guarded.cookies)
    assert other.get("/?token=another-of-many-letters").status_code == 200
    again = TestClient(make_app(session, "a-secret-of-many-letters"), **away, cookies=other.cookies)
    assert again.get("/api/state").status_code == other.get("/api/state").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]", "[::1]:8000"])
def test_this_machine_has_several_names(session, host):
    assert TestClient(make_app(session), base_url=LOCAL["base_url"]).get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "[::1", "", "evil.example#127.0.0.1"])
def test_other_names_are_refused(session, host):
    assert TestClient(make_app(session), base_url=LOCAL["base_url"]).get("/", headers={"host": host}).status_code == 403


def test_what_cannot_be_read_is_put_aside_and_the_rest_opens(client, session, opened):
    put(client)
    fit(client, session)
    (session.folder / "masks/5_070.png").write_bytes(b"no image")
    (session.folder / "labeller/labels.yaml").write_text("labels: {}")
    again = opened()
    assert list(again.masks) == [Sample(3, 0.7)] and again.fitted is None
    first, second = again.notes
    assert "5_070.png: not a readable image" in first and "put aside as 5_070.png.unreadable" in first
    assert "labeller" in second and (session.folder / "labeller.unreadable/segmenter.safetensors").is_file()
    assert not opened().notes


@pytest.mark.parametrize("content", ["", ":", "- 1", "labels: 3"])
def test_a_labeller_of_any_content_is_put_aside(client, session, opened, content):
    put(client)
    fit(client, session)
    (session.folder / "labeller/labels.yaml").write_text(content)
    again = opened()
    assert again.fitted is None and "put aside as labeller.unreadable" in again.notes[0]


def test_a_session_of_another_generator_is_one_line(session, opened):
    content = json.loads((session.folder / "session.json").read_text())
    (session.folder / "session.json").write_text(json.dumps(content | {"generator": "another"}))
    with pytest.raises(OnemaskError, match="a session of another generator"):
        opened()


@pytest.mark.parametrize("method", ["repurposegan_mlp", "hfc_kmeans", "datasetgan"])
def test_other_methods_fit_as_well(method, opened, tmp_path):
    session = opened(method, tmp_path / "other")
    session.setup.sections["kmeans"]["pixels"] = 64
    with TestClient(make_app(session), **LOCAL) as client:
        put(client)
        assert fit(client, session).state == "done", session.worker.work
        answer = client.get("/api/predicted/9/overlay")
        assert answer.status_code == 200 and ("X-Uncertainty" in answer.headers) == (method != "hfc_kmeans")
        assert client.get("/api/clusters/3").status_code == 400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "demo:dog"}, "demo:dog: the study has face"),
        ({"generator": "demo:face", "method": "x"}, "--method 'x' is not one of"),
        ({"generator": "g.pkl"}, "--labels: which labels are there"),
        ({"generator": "g.pkl", "labels": "l.yaml", "clustering": Path("none")}, "--clustering none: there is no such"),
        (
            {"generator": "g.pkl", "labels": "l.yaml", "method": "copy_mask", "clustering": Path(__file__)},
            "Copy mask has",
        ),
        ({"generator": "nowhere:face"}, "no study 'nowhere'"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(OnemaskError, match=message):
        subject_of(Options(**options))


def test_a_class_has_its_own_sections_and_the_study_s_truncation(monkeypatch):
    monkeypatch.setattr("onemask.labelling.command.there", Path)
    study, subject = load_study({"study": "demo"}), subject_of(Options("demo:cat"))
    assert subject.name == "demo-cat" and subject.setup.truncation == study.truncation
    assert subject.setup.sections["swav"] == study.classes["cat"].swav.model_dump(mode="json")
    faces = subject_of(Options("real_faces"))
    assert faces.resolution == 256 and faces.setup.sections["swav"]["upsampling"] == "bilinear"
    assert faces.setup.title == "HFC + SwAV (MLP)", "the one that the study shows"
    measured = subject_of(Options("real_faces", method="repurposegan_mlp")).setup.method["settings"]
    assert measured["upsampling"] == "bilinear", "as it is measured"


def test_a_clustering_of_another_generator_is_refused(client, session, generator, tmp_path):
    put(client)
    fit(client, session)
    [made] = session.folder.glob("clustering.*")
    check_clustering(made, session.setup, generator[0])
    other = Generator(16, 16, 16, channel_base=256, channel_max=8, mapping_layers=2).eval()
    with pytest.raises(OnemaskError, match="it is another one's"):
        check_clustering(made, session.setup, other)
    (tmp_path / "none").write_bytes(b"nothing")
    with pytest.raises(OnemaskError, match="none"):
        check_clustering(tmp_path / "none", session.setup, generator[0])


def test_addresses_that_cannot_be_had():
    in_use = pytest.raises(OnemaskError, match="in use; choose another --port")
    with bound("127.0.0.1", 0) as taken, in_use, bound("127.0.0.1", taken.getsockname()[1]):
        pass
    with pytest.raises(OnemaskError, match="choose another --host"), bound("192.0.2.1", 0):
        pass
    with pytest.raises(OnemaskError, match="--host no.such.invalid"), bound("no.such.invalid", 0):
        pass


def test_a_session_keeps_its_token(tmp_path):
    assert len(kept_token(tmp_path)) > 20 and kept_token(tmp_path) == kept_token(tmp_path)
    assert (tmp_path / ".token").stat().st_mode & 0o077 == 0
    (tmp_path / ".token").write_text("")  # a full disk
    assert len(kept_token(tmp_path)) > 20 and (tmp_path / ".token").stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="a token of 0 characters"):
        make_app(None, "")
