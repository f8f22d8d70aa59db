"""The API does what the command line does, and says what it does not do in problem documents."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from tests.apps.web.conftest import Services, client_of, ended

from clearvision.apps.web.problems import KNOWN, TYPE
from clearvision.apps.web.service import Service
from clearvision.imaging.io import read_picture

UPSCALE, JOBS = "/api/v1/upscale", "/api/v1/jobs"


def form(path: Path, **options: object) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(path.read_bytes()), path.name), **{key: str(value) for key, value in options.items()}}}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("photo.png", {}, []),
        ("photo.jpg", {"scale": 2, "quality": 80, "metadata": "strip"}, ["--scale", 2, "--quality", 80, "--strip-metadata"]),
        ("photo.png", {"width": 50, "format": "webp", "tta": "true"}, ["--width", 50, "--format", "webp", "--tta"]),
        ("photo.png", {"sharpen": 0.5}, ["--sharpen", 0.5]),
        ("photo.tif", {"model": "clean-x2", "megapixels": 0.01}, ["--model", "clean-x2", "--megapixels", 0.01]),
        ("photo.bmp", {}, []),
    ],
)
def test_a_result_is_the_file_that_the_command_line_writes(
    run: Callable, client: FlaskClient, photo_writer: Callable, tmp_path: Path, name: str, options: dict, words: list
) -> None:
    source = photo_writer(tmp_path / name)
    assert run("upscale", source, "-o", tmp_path / "cli", *words).code == 0
    (written,) = [path for path in (tmp_path / "cli").iterdir() if path.suffix != ".jsonl"]
    answer = client.post(UPSCALE, **form(source, **options))
    assert answer.status_code == 200, answer.text
    assert answer.data == written.read_bytes()
    raw = client.post(UPSCALE, data=source.read_bytes(), query_string=options, content_type="image/x-any")
    assert raw.data == written.read_bytes()
    job = client.post(JOBS, **form(source, **options))
    assert ended(client, job.headers["Location"])["state"] == "done"
    result = client.get(job.headers["Location"] + "/result")
    assert result.data == written.read_bytes()
    assert result.mimetype == answer.mimetype


def test_an_answer_tells_model_choice_and_seconds_and_names_the_download(client: FlaskClient, photo: Path) -> None:
    answer = client.post(UPSCALE, **form(photo))
    assert answer.headers["ClearVision-Model"] == "clean-x4"
    assert answer.headers["ClearVision-Choice"].endswith("chose clean-x4")
    assert float(answer.headers["ClearVision-Seconds"]) > 0
    assert answer.headers["Content-Disposition"] == "attachment; filename=photo_x4.png"
    named = client.post(UPSCALE, **form(photo, model="clean-x2"))
    assert "ClearVision-Choice" not in named.headers
    assert "photo_x2.png" in named.headers["Content-Disposition"]


def test_the_name_of_a_download_may_be_of_any_script(client: FlaskClient, photo: Path) -> None:
    sent = {"data": {"file": (io.BytesIO(photo.read_bytes()), "zdjęcie 写真.png")}}
    assert (
        "filename*=UTF-8''zdj%C4%99cie%20%E5%86%99%E7%9C%9F_x4.png" in client.post(UPSCALE, **sent).headers["Content-Disposition"]
    )


def test_a_job_goes_from_queued_to_done_and_is_forgotten_on_demand(client: FlaskClient, photo: Path, service: Service) -> None:
    created = client.post(JOBS, **form(photo))
    assert created.status_code == 202
    document = created.get_json()
    assert document["source"] == {"width": 24, "height": 16, "frames": 1, "format": "png", "bytes": photo.stat().st_size}
    assert document["options"]["model"] == "auto"
    address = created.headers["Location"]
    assert address == f"{JOBS}/{document['id']}"
    done = ended(client, address)
    assert (done["state"], done["progress"], done["position"], done["error"]) == ("done", 1, None, None)
    assert (done["result"]["width"], done["result"]["height"], done["model"]) == (96, 64, "clean-x4")
    assert done["expires"] > time.time()
    folder = service.store.folder(document["id"])
    assert done["result"]["bytes"] == (folder / "result.png").stat().st_size
    assert client.delete(address).status_code == 204
    assert not folder.exists()
    assert client.get(address).status_code == 404


def test_a_waiting_job_tells_its_place_and_can_be_cancelled(service_of: Services, photo: Path) -> None:
    service = service_of(start=False)
    client = client_of(service)
    addresses = [client.post(JOBS, **form(photo)).headers["Location"] for _ in range(3)]
    places = [client.get(address).get_json() for address in addresses]
    assert [(job["state"], job["position"]) for job in places] == [("queued", 0), ("queued", 1), ("queued", 2)]
    assert places[0]["eta_seconds"] <= places[2]["eta_seconds"]
    assert client.get(addresses[0] + "/result").get_json()["type"] == TYPE + "not-finished"
    assert client.delete(addresses[0]).status_code == 204
    assert client.get(addresses[0]).get_json()["state"] == "cancelled"
    assert client.get(addresses[0] + "/result").status_code == 409
    assert not service.store.folder(addresses[0].rsplit("/")[-1]).exists()
    assert client.get(addresses[2]).get_json()["position"] == 1


def test_a_running_job_can_be_cancelled(service_of: Services, photo_writer: Callable, tmp_path: Path) -> None:
    service = service_of()
    client = client_of(service)
    created = client.post(JOBS, **form(photo_writer(tmp_path / "large.png", 700, 700), tta="true"))
    assert created.status_code == 202, created.text
    address = created.headers["Location"]
    until = time.monotonic() + 30
    while client.get(address).get_json()["state"] == "queued":
        assert time.monotonic() < until
        time.sleep(0.005)
    assert client.delete(address).status_code == 204
    while service.busy:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert client.get(address).get_json()["state"] == "cancelled"
    assert not service.store.folder(address.rsplit("/")[-1]).exists()


def test_frames_and_pages_are_all_enlarged(client: FlaskClient, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(np.full((16, 24, 3), value, np.uint8)) for value in (0, 100, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=50)
    answer = client.post(UPSCALE, **form(tmp_path / "moving.gif", scale=2))
    assert answer.mimetype == "image/webp"
    with Image.open(io.BytesIO(answer.data)) as moving:
        assert (moving.size, moving.n_frames) == ((48, 32), 3)  # type: ignore[attr-defined]


def test_the_models_are_those_that_are_bundled(client: FlaskClient) -> None:
    models = client.get("/api/v1/models").get_json()["models"]
    assert [(model["name"], model["scale"], model["licence"]) for model in models] == [
        ("clean-x2", 2, "CC0-1.0"),
        ("clean-x4", 4, "CC0-1.0"),
    ]


def test_models_of_the_operators_folder_go_by_their_names(
    service_of: Services, photo: Path, bundled: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "studio.safetensors").write_bytes((bundled / "clean-x2.safetensors").read_bytes())
    client = client_of(service_of(models_dir=tmp_path / "own"))
    assert "studio" in [model["name"] for model in client.get("/api/v1/models").get_json()["models"]]
    assert client.post(UPSCALE, **form(photo, model="studio")).status_code == 200


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scale": 17}, "scale: "),
        ({"scale": "nan"}, "scale: "),
        ({"scale": "twice"}, "scale: "),
        ({"scale": 2, "width": 100}, "give only one of scale, width, height, megapixels, not scale and width"),
        ({"width": 0}, "width: "),
        ({"width": 100_000}, "at most 16 times"),
        ({"format": "ico"}, "format: is none of"),
        ({"quality": 101}, "quality: "),
        ({"model": "unknown-x4"}, "'unknown-x4' is unknown here; known: auto, clean-x2, clean-x4"),
        ({"vividness": 0.5}, "vivid"),
        ({"speed": 9}, "speed: "),
        ({"metadata": "some"}, "metadata: "),
    ],
)
def test_wrong_options_are_told(client: FlaskClient, photo: Path, options: dict, told: str) -> None:
    for address in (UPSCALE, JOBS):
        answer = client.post(address, **form(photo, **options))
        assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
        assert answer.get_json()["type"] == TYPE + "invalid-options"
        assert told in answer.get_json()["detail"]


def test_every_fault_of_the_options_is_named_by_its_field(client: FlaskClient, photo: Path) -> None:
    errors = client.post(UPSCALE, **form(photo, scale=-1, quality=0)).get_json()["errors"]
    assert {error["field"] for error in errors} == {"scale", "quality"}


def bomb() -> bytes:
    """A PNG whose header promises a billion pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 32_000, 32_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def truncated(photo: Path) -> bytes:
    content = photo.read_bytes()
    return content[: len(content) * 2 // 3]


@pytest.mark.parametrize(
    ("name", "content", "status", "slug"),
    [
        ("notes.txt", lambda _: b"these are words, not a picture", 415, "unsupported-picture"),
        ("photo.png", truncated, 422, "damaged-picture"),
        ("bomb.png", lambda _: bomb(), 413, "too-many-pixels"),
        ("drawing.svg", lambda _: b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported-picture"),
        ("paper.png", lambda _: b"%PDF-1.7 nothing", 415, "unsupported-picture"),
        ("model.pth", lambda _: b"\x80\x02cos\nsystem\n", 415, "unsupported-picture"),
        ("camera.dng", lambda _: b"II*\0" + bytes(100), 415, "unsupported-picture"),
        ("empty.png", lambda _: b"", 415, "unsupported-picture"),
    ],
)
def test_bad_uploads_are_refused_in_problem_documents(
    client: FlaskClient, photo: Path, name: str, content: Callable, status: int, slug: str, service: Service, tmp_path: Path
) -> None:
    answer = client.post(UPSCALE, data={"file": (io.BytesIO(content(photo)), name)})
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    document = answer.get_json()
    assert document["type"] == TYPE + slug
    assert document["status"] == status
    assert str(tmp_path) not in answer.text
    assert list((tmp_path / "data" / "clearvision-scratch").iterdir()) == []


def test_a_picture_that_turns_out_damaged_fails_its_job(client: FlaskClient, photo: Path, tmp_path: Path) -> None:
    address = client.post(JOBS, data={"file": (io.BytesIO(truncated(photo)), "a.png")}).headers["Location"]
    failed = ended(client, address)
    assert (failed["state"], failed["error"]["type"]) == ("failed", TYPE + "damaged-picture")
    assert str(tmp_path) not in failed["error"]["detail"]
    result = client.get(address + "/result")
    assert (result.status_code, result.get_json()["type"]) == (422, TYPE + "damaged-picture")


def test_requests_that_hold_no_picture_are_refused(client: FlaskClient, photo: Path) -> None:
    def kind(**sent: Any) -> str:  # noqa: ANN401
        return client.post(UPSCALE, **sent).get_json()["type"].removeprefix(TYPE)

    assert kind(json={"file": "/etc/passwd"}) == "unsupported-media-type"
    assert kind(data="url=http://localhost/", content_type="application/x-www-form-urlencoded") == "unsupported-media-type"
    assert kind(data={"picture": (io.BytesIO(photo.read_bytes()), "a.png")}) == "invalid-options"
    two = [(io.BytesIO(photo.read_bytes()), "a.png"), (io.BytesIO(photo.read_bytes()), "b.png")]
    assert kind(data={"file": two}) == "invalid-options"
    assert kind(query_string={"scale": [2, 3]}, **form(photo)) == "invalid-options"
    long = b'--x\r\nContent-Disposition: form-data; name="scale"\r\n\r\n' + b"2" * 600_000 + b"\r\n--x--\r\n"
    assert kind(data=long, content_type="multipart/form-data; boundary=x") == "body-too-large"
    many = {f"field{number}": "1" for number in range(40)}
    assert kind(data={"file": (io.BytesIO(photo.read_bytes()), "a.png"), **many}) == "body-too-large"
    assert client.post(UPSCALE).status_code == 411


def test_what_is_too_large_to_wait_for_is_a_job(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(sync_pixels=6000))
    answer = client.post(UPSCALE, **form(photo))
    assert (answer.status_code, answer.get_json()["type"]) == (413, TYPE + "use-a-job")
    assert client.post(UPSCALE, **form(photo, scale=2)).status_code == 200
    assert client.post(UPSCALE, **form(photo, scale=2, tta="true")).status_code == 413
    assert client.post(JOBS, **form(photo)).status_code == 202


def test_results_and_time_are_bounded(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(max_result_pixels=6000, max_seconds=0))
    answer = client.post(UPSCALE, **form(photo))
    assert (answer.status_code, answer.get_json()["type"]) == (422, TYPE + "result-too-large")
    answer = client.post(UPSCALE, **form(photo, scale=2))
    assert (answer.status_code, answer.get_json()["type"]) == (422, TYPE + "time-limit")


def test_a_client_that_waited_too_long_is_sent_away(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(sync_seconds=0))
    answer = client.post(UPSCALE, **form(photo))
    assert (answer.status_code, answer.get_json()["type"]) == (503, TYPE + "queue-full")
    assert int(answer.headers["Retry-After"]) > 0


def test_queues_are_bounded(service_of: Services, photo: Path) -> None:
    service = service_of(start=False, client_waiting=2, max_waiting=3)
    client = client_of(service)

    def send(address: str) -> tuple[int, str, bool]:
        answer = client.post(JOBS, environ_base={"REMOTE_ADDR": address}, **form(photo))
        return answer.status_code, (answer.get_json().get("type") or "").removeprefix(TYPE), "Retry-After" in answer.headers

    assert [send("10.0.0.1") for _ in range(3)] == [(202, "", False)] * 2 + [(429, "too-many-requests", True)]
    assert [send("10.0.0.2") for _ in range(2)] == [(202, "", False), (503, "queue-full", True)]


def test_those_who_wait_in_one_request_are_bounded_too(service_of: Services, photo: Path) -> None:
    service = service_of(max_visitors=2, client_waiting=1)
    client = client_of(service)
    with service.visit("address 127.0.0.1"):
        assert client.post(UPSCALE, **form(photo)).status_code == 429
        with service.visit("address 10.0.0.1"):
            answer = client.post(UPSCALE, **form(photo))
            assert (answer.status_code, answer.get_json()["type"]) == (503, TYPE + "queue-full")
            assert "Retry-After" in answer.headers
    assert client.post(UPSCALE, **form(photo)).status_code == 200


def test_the_disk_is_bounded(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(start=False, max_stored=photo.stat().st_size))
    assert client.post(JOBS, **form(photo)).status_code == 202
    answer = client.post(JOBS, **form(photo))
    assert (answer.status_code, answer.get_json()["type"]) == (503, TYPE + "storage")


def test_a_server_that_stops_takes_nothing_more(client: FlaskClient, service: Service, photo: Path) -> None:
    assert client.get("/readyz").status_code == 200
    service.drain()
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    for address in (UPSCALE, JOBS):
        answer = client.post(address, **form(photo))
        assert (answer.status_code, answer.get_json()["type"]) == (503, TYPE + "draining")
        assert "Retry-After" in answer.headers


def test_addresses_and_methods_that_do_not_exist_are_problems_too(client: FlaskClient) -> None:
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.get_json()["type"]) == (404, TYPE + "not-found")
    answer = client.put(UPSCALE)
    assert (answer.status_code, answer.get_json()["type"], answer.mimetype) == (
        405,
        TYPE + "method-not-allowed",
        "application/problem+json",
    )
    assert "POST" in answer.headers["Allow"]
    for strange in ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "A" * 22, "A" * 5000, "%00", "..\\x"):
        assert client.get(f"{JOBS}/{strange}").status_code == 404
        assert client.get(f"{JOBS}/{strange}/result").status_code == 404
        assert client.delete(f"{JOBS}/{strange}").status_code in (404, 405)


def test_a_fault_of_the_server_is_told_without_its_secrets(
    client: FlaskClient, service: Service, photo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(service.workshop, "enlarge", fail)
    answer = client.post(UPSCALE, **form(photo))
    assert (answer.status_code, answer.get_json()["type"]) == (500, TYPE + "internal")
    assert "secret" not in answer.text
    failed = ended(client, client.post(JOBS, **form(photo)).headers["Location"])
    assert failed["error"]["type"] == TYPE + "internal"
    assert "secret of the house" in caplog.text


def test_metrics_count_answers_and_pictures(client: FlaskClient, photo: Path) -> None:
    client.post(UPSCALE, **form(photo))
    ended(client, client.post(JOBS, **form(photo)).headers["Location"])
    client.get(f"{JOBS}/{'A' * 22}")
    text = client.get("/metrics").text
    assert 'clearvision_requests_total{route="/api/v1/upscale",method="POST",status="200"} 1' in text
    assert 'clearvision_requests_total{route="/api/v1/jobs/<job_id>",method="GET",status="404"} 1' in text
    assert 'clearvision_pictures_total{outcome="done"} 2' in text
    assert 'clearvision_compute_seconds_bucket{le="+Inf"} 2' in text
    assert "clearvision_jobs_waiting 0" in text
    assert "A" * 22 not in text


def test_logs_hold_no_names_ids_or_keys(client: FlaskClient, photo: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="clearvision.serve"):
        sent = {"data": {"file": (io.BytesIO(photo.read_bytes()), "private-name.png")}}
        address = client.post(JOBS, **sent).headers["Location"]
        ended(client, address, headers={"Authorization": "Bearer private-key"})
    assert "/api/v1/jobs/<job_id>" in caplog.text
    for private in ("private-name", address.rsplit("/")[-1], "private-key", "127.0.0.1"):
        assert private not in caplog.text


def test_the_document_describes_the_options_that_are_checked(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    query = {each["name"]: each["schema"] for each in document["paths"][UPSCALE]["post"]["parameters"]}
    assert query["scale"]["maximum"] == 16
    assert query["quality"] == {"type": "integer", "minimum": 1, "maximum": 100, "description": "Of JPEG, WebP and AVIF."}
    assert "png" in query["format"]["enum"]
    assert set(query) == set(document["components"]["schemas"]["Options"]["properties"])
    described = json.dumps(document)
    statuses = {
        status
        for methods in document["paths"].values()
        for what in methods.values()
        if isinstance(what, dict)
        for status in what["responses"]
    }
    assert {"400", "401", "404", "409", "411", "413", "415", "422", "429", "503"} <= statuses
    assert all(f"{TYPE}{slug}`" in described for slug, (status, _) in KNOWN.items() if str(status) in statuses - {"403", "405"})


def test_a_result_keeps_sixteen_bits(client: FlaskClient, tmp_path: Path) -> None:
    from clearvision.imaging.io import picture_from_array, write_picture

    deep = (np.arange(16 * 24 * 3).reshape(16, 24, 3) * 50).astype(np.uint16)
    write_picture(picture_from_array(deep), tmp_path / "deep.png")
    (tmp_path / "big.png").write_bytes(client.post(UPSCALE, **form(tmp_path / "deep.png")).data)
    assert read_picture(tmp_path / "big.png").pixels.dtype == np.uint16


def test_every_format_has_its_media_type() -> None:
    from clearvision.apps.web.api import MEDIA_TYPES
    from clearvision.imaging.formats import FORMATS

    assert MEDIA_TYPES.keys() == FORMATS.keys()


def test_a_result_that_its_format_cannot_hold_is_refused_before_the_work(client: FlaskClient, photo: Path) -> None:
    answer = client.post(JOBS, **form(photo, width=384, height="", format="webp"))
    assert answer.status_code == 202
    from clearvision.imaging.formats import FORMATS

    limit = FORMATS["webp"].max_side
    wide = client.post(JOBS, **form(photo_of(photo, limit // 16 + 1), scale=16, format="webp"))
    assert (wide.status_code, wide.get_json()["type"]) == (422, TYPE + "result-too-large")


def photo_of(photo: Path, width: int) -> Path:
    from clearvision.imaging.io import picture_from_array, write_picture

    path = photo.with_name("wide.png")
    write_picture(picture_from_array(np.zeros((2, width, 3), np.uint8)), path)
    return path
