"""The labelling page's server: painting, fitting, predictions, export; and everything that it refuses."""

import io
import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools.coco import COCO
from tests.labelling.conftest import LABELS, LOCAL, finished

from onemask.data.annotated import read_annotated
from onemask.errors import OnemaskError
from onemask.labelling.server import MOST_UPLOAD, make_app

HALVES = np.repeat([[1] * 8 + [2] * 8], 16, axis=0).astype(np.uint8)


def png(values, mode=None):
    stream = io.BytesIO()
    Image.fromarray(values, mode).save(stream, "png")
    return stream.getvalue()


def put(client, values=HALVES, seed=3, version=0, **more):
    return client.put(f"/api/mask/{seed}?version={version}", content=values.tobytes(), **more)


def test_the_page_and_its_files_come_from_the_server_alone(client):
    page = client.get("/")
    assert page.status_code == 200 and "<main>" in page.text and "page.js" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert not [
        line for name in ("", "page.js", "page.css") for line in client.get(f"/{name}").text.split() if "//cdn" in line
    ]
    assert client.get("/session.json").status_code == client.get("/../pyproject.toml").status_code == 404


def test_a_sample_is_painted_fitted_and_seen_on_others(client, session):
    assert client.get("/api/state").json()["masks"] == {}
    image = Image.open(io.BytesIO(client.get("/api/image/3").content))
    assert image.size == (16, 16) and np.array_equal(np.array(image), session.image(3))
    assert client.get("/api/predicted/9").json()["message"].startswith("nothing is fitted yet")
    assert put(client).json() == {"version": 1}
    stored = client.get("/api/mask/3")
    assert stored.headers["X-Version"] == "1" and stored.content == HALVES.tobytes()
    assert client.post("/api/fit").status_code == 200
    work = finished(session)
    assert work.state == "done" and work.message == "fitted on 1 sample", work
    state = client.get("/api/state").json()
    assert state["fits"] == 1 and state["work"]["steps"] == 5 and state["work"]["what"] == "fit"
    answer = client.get("/api/predicted/9")
    assert 0 <= float(answer.headers["X-Uncertainty"]) <= 1
    predicted = np.frombuffer(answer.content, np.uint8).reshape(16, 16)
    assert set(np.unique(predicted)) <= {0, 1, 2}
    overlay = np.array(Image.open(io.BytesIO(client.get("/api/predicted/9/overlay").content)))
    assert np.array_equal(overlay[predicted == 0], session.image(9)[predicted == 0])
    clusters = np.frombuffer(client.get("/api/clusters/3").content, np.uint16)
    assert clusters.shape == (256,) and clusters.max() < 20


def test_a_second_sample_makes_it_few_shot(client, session):
    put(client)
    put(client, HALVES[:, ::-1], seed=4)
    client.post("/api/fit")
    assert finished(session).message == "fitted on 2 samples"


def test_what_was_painted_and_fitted_survives_a_restart(client, session, opened):
    put(client)
    client.post("/api/fit")
    finished(session)
    (session.folder / "masks/.7.123.part.png").write_bytes(b"what a killed server left")
    again = opened()
    assert list(again.masks) == [3] and np.array_equal(again.masks[3].values, HALVES)
    assert np.array_equal(again.predict(9)[0], session.predict(9)[0])


def test_the_segmenter_stays_until_a_new_one_is_ready(client, session):
    put(client)
    client.post("/api/fit")
    finished(session)
    before = session.labeller
    client.delete("/api/mask/3")
    client.post("/api/fit")
    work = finished(session)
    assert work.state == "failed" and "no sample is painted yet" in work.message and session.labeller is before


def test_work_can_be_cancelled_and_does_not_start_twice(client, session):
    put(client)
    session.sections["swav"]["steps"] = 100_000
    client.post("/api/fit")
    assert "fit is still running" in client.post("/api/fit").json()["message"]
    client.post("/api/cancel")
    assert finished(session).state == "cancelled" and session.labeller is None
    session.sections["swav"]["steps"] = 2
    client.post("/api/fit")
    assert finished(session).state == "done"


def test_two_pages_do_not_overwrite_each_other(client):
    assert put(client).json() == {"version": 1}
    late = put(client, HALVES[:, ::-1])
    assert late.status_code == 409 and "another page" in late.json()["message"]
    assert client.get("/api/mask/3").content == HALVES.tobytes()
    assert put(client, HALVES[:, ::-1], version=1).json() == {"version": 2}


def test_an_uploaded_mask_is_taken_and_a_bad_one_explained(client):
    headers = {"Content-Type": "image/png"}
    good = client.put("/api/mask/3?version=0", content=png(HALVES), headers=headers)
    assert good.json() == {"version": 1}
    for content, message in (
        (png(HALVES[:8]), "the uploaded mask: is 16 x 8, the generator makes 16 x 16"),
        (png(HALVES + 5), "the uploaded mask: holds 7, but there are labels 0 to 2"),
        (png(np.stack([HALVES] * 3, axis=-1)), "the uploaded mask: is RGB"),
        (png(np.zeros((16, 16), np.uint8)), "holds nothing but background"),
        (b"\x80\x04cos\nsystem\n", "the uploaded mask: not a readable image"),
        (png(np.zeros((9000, 9000), np.uint8)), "the uploaded mask: "),
    ):
        answer = client.put("/api/mask/3?version=1", content=content, headers=headers)
        assert answer.status_code == 400 and message in answer.json()["message"], answer.json()
    assert client.get("/api/mask/3").content == HALVES.tobytes()


def test_masks_that_cannot_be_are_explained(client):
    assert "10 bytes, expected 16 x 16" in client.put("/api/mask/3?version=0", content=b"0123456789").json()["message"]
    assert "label 9, the list has 0 to 2" in put(client, HALVES * 0 + 9).json()["message"]
    assert "a seed is a whole number" in put(client, seed=-1).json()["message"]
    assert client.put("/api/mask/3?version=0", content=b"0" * (MOST_UPLOAD + 1)).status_code == 413
    assert client.put("/api/mask/..%2f..%2fevil?version=0", content=b"").status_code in (404, 422)


def test_an_undone_mask_is_none(client, session, opened):
    put(client)
    put(client, HALVES * 0, version=1)
    assert list(opened().masks) == [] and not list((session.folder / "masks").glob("*.png"))
    client.post("/api/fit")
    assert "no sample is painted" in finished(session).message


def test_results_leave_the_page(client, session, generator):
    assert "no sample is painted" in client.post("/api/export/set").json()["message"]
    assert "nothing is fitted" in client.post("/api/export/images?count=3").json()["message"]
    put(client)
    client.post("/api/fit")
    finished(session)
    assert client.post("/api/export/images?count=0").status_code == 400
    client.post("/api/export/images?count=3")
    work = finished(session)
    assert work.state == "done", work
    [out] = session.folder.glob("images-*")
    dataset = COCO(str(out / "annotations.json"))
    assert len(dataset.getImgIds()) == 3
    assert "written" in client.post("/api/export/set").json()["message"]
    annotated = read_annotated(session.folder / "annotated.npz", LABELS, generator[0])
    assert np.array_equal(annotated.label_maps[0], HALVES) and annotated.metadata["seeds"] == [3]
    assert np.array_equal(annotated.ws[0], generator[0].sample_ws([3], 0.7)[0].numpy())


def test_strangers_are_refused(session, generator):
    app = make_app(session, generator[1])
    assert TestClient(app, base_url="http://evil.example:8000").get("/api/state").status_code == 403
    plain = TestClient(app, base_url=LOCAL["base_url"])
    assert plain.get("/api/state").status_code == 200
    assert plain.post("/api/fit").status_code == 403, "another site's form sends no header of its own"
    guarded = TestClient(make_app(session, generator[1], "secret"), base_url="http://10.0.0.1:8000")
    assert guarded.get("/api/state").status_code == guarded.get("/?token=guess").status_code == 403
    assert guarded.get("/?token=secret").status_code == 200
    assert guarded.get("/api/state").status_code == 200, "the cookie holds the token"


def test_a_session_of_another_generator_or_a_broken_mask_is_one_line(session, opened):
    (session.folder / "masks").mkdir(exist_ok=True)
    (session.folder / "masks/5.png").write_bytes(b"no image")
    with pytest.raises(OnemaskError, match="5.png: not a readable image"):
        opened()
    content = json.loads((session.folder / "session.json").read_text())
    (session.folder / "session.json").write_text(json.dumps(content | {"generator": "another"}))
    with pytest.raises(OnemaskError, match="a session of another generator"):
        opened()
    with pytest.raises(OnemaskError, match="--method 'x' is not one of"):
        opened("x")


@pytest.mark.parametrize("method", ["repurposegan_mlp", "hfc_kmeans", "datasetgan"])
def test_other_methods_fit_as_well(method, opened, generator, tmp_path):
    session = opened(method, tmp_path / "other")
    session.sections["kmeans"]["pixels"] = 64
    with TestClient(make_app(session, generator[1]), **LOCAL) as client:
        put(client)
        client.post("/api/fit")
        assert finished(session).state == "done", session.work
        answer = client.get("/api/predicted/9")
        assert answer.status_code == 200 and ("X-Uncertainty" in answer.headers) == (method != "hfc_kmeans")
        clusters = client.get("/api/clusters/3")
        assert clusters.status_code == 400 and "no clusters yet" in clusters.json()["message"]
