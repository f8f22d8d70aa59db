"""The site without a browser: forms, their tokens, keys, and what strangers try."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.apps.conftest import tiny_span
from tests.apps.web.conftest import Services, client_of, ended
from werkzeug.test import TestResponse

from clearvision.apps.web.keys import new_key
from clearvision.apps.web.problems import TYPE
from clearvision.zoo.checkpoint import write_checkpoint

UPSCALE, JOBS = "/api/v1/upscale", "/api/v1/jobs"
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def token(client: FlaskClient, address: str = "/") -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', client.get(address, headers=PAGE).text)
    assert found is not None
    return found[1]


def send(client: FlaskClient, path: Path, **fields: Any) -> TestResponse:  # noqa: ANN401
    data = {"form_token": token(client), "file": (io.BytesIO(path.read_bytes()), path.name), **fields}
    return client.post("/", data=data, headers=PAGE)


def test_a_picture_is_enlarged_by_forms_alone(run: Callable, client: FlaskClient, photo: Path, tmp_path: Path) -> None:
    sent = send(client, photo, size="scale", number="2", format="webp", quality="100", metadata="strip", model="auto")
    assert sent.status_code == 303
    address = sent.headers["Location"]
    assert ended(client, address + "/state")["state"] == "done"
    page = client.get(address, headers=PAGE).text
    assert "Download photo_x2.webp" in page
    assert "48x32" in page
    result = client.get(address + "/result")
    assert "photo_x2.webp" in result.headers["Content-Disposition"]
    words = ("--scale", 2, "--format", "webp", "--quality", 100, "--strip-metadata")
    assert run("upscale", photo, "-o", tmp_path / "cli", *words).code == 0
    assert result.data == (tmp_path / "cli" / "photo.webp").read_bytes()
    before = client.get(address + "/before")
    assert (before.mimetype, before.data) == ("image/png", photo.read_bytes())
    deleted = client.post(address + "/delete", data={"form_token": token(client)}, headers=PAGE)
    assert (deleted.status_code, deleted.headers["Location"]) == (303, "/")
    assert client.get(address, headers=PAGE).status_code == 404


def test_what_is_bundled_is_offered(service_of: Services, both_kinds: Path, run: Callable, photo: Path, tmp_path: Path) -> None:
    client = client_of(service_of())
    page = client.get("/", headers=PAGE).text
    assert 'label="Restore at the same size"' in page
    assert 'name="vividness"' in page
    address = send(client, photo, model="restore-x1").headers["Location"]
    assert ended(client, address + "/state")["result"]["width"] == 24
    result = client.get(address + "/result")
    assert "photo_restored.png" in result.headers["Content-Disposition"]
    assert run("restore", photo, "-o", tmp_path / "cli").code == 0
    assert result.data == (tmp_path / "cli" / "photo.png").read_bytes()
    address = send(client, photo, model="clean-x2", vividness="0.25").headers["Location"]
    assert ended(client, address + "/state")["state"] == "done"
    assert run("upscale", photo, "-o", tmp_path / "mix", "--model", "clean-x2", "--vividness", 0.25).code == 0
    assert client.get(address + "/result").data == (tmp_path / "mix" / "photo.png").read_bytes()


@pytest.fixture
def both_kinds(bundled_apart: Path) -> Path:
    """Bundle a restorer and a vivid twin too."""
    restorer, weights = tiny_span("restore-x1", 1)
    write_checkpoint(bundled_apart / "restore-x1.safetensors", replace(restorer, task="restore"), weights)
    twin, weights = tiny_span("clean-x2-vivid", 2)
    weights = {name: value + 0.001 for name, value in weights.items()}
    write_checkpoint(bundled_apart / "clean-x2-vivid.safetensors", twin, weights)
    return bundled_apart


def test_a_waiting_job_has_a_page_that_reloads_and_can_be_cancelled(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(start=False))
    address = send(client, photo).headers["Location"]
    page = client.get(address, headers=PAGE).text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
    assert "0 ahead of it" in page
    assert client.post(address + "/delete", data={"form_token": token(client)}).headers["Location"] == address
    assert "Cancelled" in client.get(address, headers=PAGE).text


def test_what_browsers_do_not_show_is_shown_as_jpeg(client: FlaskClient, photo_writer: Callable, tmp_path: Path) -> None:
    address = send(client, photo_writer(tmp_path / "photo.tif")).headers["Location"]
    assert ended(client, address + "/state")["result"]["format"] == "tiff"
    for which in ("before", "after", "after"):
        shown = client.get(f"{address}/{which}")
        assert (shown.status_code, shown.mimetype, shown.data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert client.get(address + "/result").mimetype == "image/tiff"


def test_very_large_results_are_shown_smaller(client: FlaskClient, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr("clearvision.apps.web.site.SHOWN", 1000)
    monkeypatch.setattr("clearvision.apps.web.workshop.SHOWN", 1000)
    address = send(client, photo).headers["Location"]
    ended(client, address + "/state")
    with Image.open(io.BytesIO(client.get(address + "/after").data)) as shown:
        assert shown.size == (38, 25)
    assert "shown smaller than it is" in client.get(address, headers=PAGE).text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"size": "scale", "number": ""}, "scale: give a number"),
        ({"size": "scale", "number": "99"}, "scale: "),
        ({"size": "sideways"}, "size: is none of"),
        ({"model": "../../etc/passwd"}, "model: "),
        ({"colour": "blue"}, "colour: "),
    ],
)
def test_a_form_with_faults_comes_back_with_its_words(client: FlaskClient, photo: Path, fields: dict, told: str) -> None:
    answer = send(client, photo, quality="77", **fields)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert told in answer.text
    assert 'value="77"' in answer.text


def test_a_script_gets_a_problem_document(client: FlaskClient) -> None:
    data = {"form_token": token(client), "file": (io.BytesIO(b"words"), "a.png")}
    answer = client.post("/", data=data, headers={"Accept": "application/problem+json, text/html;q=0.5"})
    assert (answer.status_code, answer.get_json()["type"]) == (415, TYPE + "unsupported-picture")


def test_a_failed_job_says_why(client: FlaskClient, photo: Path, tmp_path: Path) -> None:
    content = photo.read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) * 2 // 3])
    address = send(client, tmp_path / "cut.png").headers["Location"]
    assert ended(client, address + "/state")["state"] == "failed"
    page = client.get(address, headers=PAGE).text
    assert "damaged, cut short or not readable" in page
    assert str(tmp_path) not in page
    assert client.get(address + "/after", headers=PAGE).status_code == 404


def test_forms_of_other_sites_are_refused(client: FlaskClient, photo: Path) -> None:
    good = token(client)
    picture = {"file": (io.BytesIO(photo.read_bytes()), "a.png")}
    assert client.post("/", data=picture, headers=PAGE).status_code == 400
    picture = {"file": (io.BytesIO(photo.read_bytes()), "a.png"), "form_token": "0" * 64}
    answer = client.post("/", data=picture, headers=PAGE)
    assert "open it again" in answer.text
    client.delete_cookie("clearvision_form")  # a form of another site is sent without the cookie
    picture = {"file": (io.BytesIO(photo.read_bytes()), "a.png"), "form_token": good}
    assert client.post("/", data=picture, headers=PAGE).status_code == 400
    for address in ("/sign-in", "/sign-out", f"/jobs/{'A' * 22}/delete"):
        assert client.post(address, data={"form_token": "0" * 64}, headers=PAGE).status_code == 400


def test_every_answer_carries_the_headers_that_keep_browsers_safe(client: FlaskClient, photo: Path) -> None:
    address = send(client, photo).headers["Location"]
    ended(client, address + "/state")
    addresses = ("/", "/docs", address, address + "/after", address + "/result", "/nothing", "/openapi.json", "/static/site.js")
    for each in addresses:
        answer = client.get(each, headers=PAGE)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert ("no-store" in answer.headers["Cache-Control"]) != each.startswith("/static/")
        assert "Server" not in answer.headers
        assert "Strict-Transport-Security" not in answer.headers
        assert not re.search(r"<[^>]+ (style|on[a-z]+)=", answer.text if answer.mimetype == "text/html" else "")
    assert "Strict-Transport-Security" in client.get("/", base_url="https://localhost").headers
    (cookie,) = cookies_of(client)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def cookies_of(client: FlaskClient) -> list[str]:
    client.delete_cookie("clearvision_form")
    return client.get("/").headers.getlist("Set-Cookie")


def test_names_from_outside_are_shown_as_text(client: FlaskClient, photo: Path) -> None:
    data = {"form_token": token(client), "file": (io.BytesIO(photo.read_bytes()), '<img src=x onerror=alert(1)>&".png')}
    page = client.get(client.post("/", data=data).headers["Location"], headers=PAGE).text
    assert "<img src=x" not in page
    assert "img src=x onerror=alert(1)&amp;" in page


@pytest.fixture
def key(tmp_path: Path) -> str:
    key, line = new_key("anna")
    other, second = new_key("ben")
    (tmp_path / "keys").write_text(f"{line}\n{second}\n")
    (tmp_path / "ben").write_text(other)
    return key


def test_with_keys_the_api_asks_for_one(service_of: Services, key: str, photo: Path, tmp_path: Path) -> None:
    client = client_of(service_of(key_file=tmp_path / "keys"))

    def post(address: str, **headers: str) -> TestResponse:
        return client.post(address, data={"file": (io.BytesIO(photo.read_bytes()), "a.png")}, headers=headers)

    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {key}"}, {"Authorization": "Bearer"}):
        for address in (UPSCALE, JOBS):
            refused = post(address, **headers)
            assert (refused.status_code, refused.get_json()["type"]) == (401, TYPE + "key-needed")
            assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert client.get("/metrics", headers=headers).status_code == 401
    mine, bens = {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {(tmp_path / 'ben').read_text()}"}
    assert post(UPSCALE, **mine).status_code == 200
    address = post(JOBS, **mine).headers["Location"]
    assert ended(client, address, headers=mine)["state"] == "done"
    for headers, status in (({}, 401), (bens, 404)):
        assert client.get(address, headers=headers).status_code == status
        assert client.get(address + "/result", headers=headers).status_code == status
        assert client.delete(address, headers=headers).status_code == status
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").get_json()["security"] == [{"key": []}]


def test_with_keys_the_site_asks_once_and_keeps_a_strict_cookie(
    service_of: Services, key: str, photo: Path, tmp_path: Path
) -> None:
    client = client_of(service_of(key_file=tmp_path / "keys"))
    asked = client.get("/", headers=PAGE)
    assert (asked.status_code, "Your key" in asked.text) == (401, True)
    assert send(client, photo).status_code == 401
    wrong = client.post("/sign-in", data={"form_token": token(client), "key": "wrong"}, headers=PAGE)
    assert (wrong.status_code, "no key of this server" in wrong.text) == (401, True)
    signed = client.post("/sign-in", data={"form_token": token(client), "key": key}, headers=PAGE)
    (cookie,) = signed.headers.getlist("Set-Cookie")
    assert key not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/signed-in").status_code == 204
    address = send(client, photo).headers["Location"]
    assert ended(client, address + "/state")["state"] == "done"
    stranger = client.application.test_client()
    assert stranger.get("/signed-in").status_code == 401
    assert stranger.get(address, headers=PAGE).status_code == 401
    assert stranger.get(address + "/result", headers=PAGE).status_code == 401
    assert client.post("/sign-out", data={"form_token": token(client)}).status_code == 303
    assert client.get("/", headers=PAGE).status_code == 401


def test_a_link_from_elsewhere_is_followed_anew_so_that_the_strict_cookie_comes(
    service_of: Services, key: str, tmp_path: Path
) -> None:
    client = client_of(service_of(key_file=tmp_path / "keys"))
    assert 'content="0"' in client.get("/", headers={**PAGE, "Sec-Fetch-Site": "cross-site"}).text
    assert 'content="0"' not in client.get("/", headers={**PAGE, "Sec-Fetch-Site": "same-origin"}).text


def test_the_site_can_be_left_out(service_of: Services, photo: Path) -> None:
    client = client_of(service_of(api_only=True))
    for address in ("/", "/docs", "/static/site.css", f"/jobs/{'A' * 22}"):
        answer = client.get(address, headers=PAGE)
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert client.post(UPSCALE, data={"file": (io.BytesIO(photo.read_bytes()), "a.png")}).status_code == 200


def test_only_its_own_names_are_answered_to(service_of: Services) -> None:
    client = client_of(service_of(start=False))
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("stranger.example", "localhost.stranger.example", "127.0.0.1.nip.example"):
        answer = client.get("/healthz", headers={"Host": host})
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


def test_hosts_can_be_named(service_of: Services) -> None:
    client = client_of(service_of(start=False, host="0.0.0.0", open=True, allowed_hosts=("pictures.studio",)))
    assert client.get("/healthz", headers={"Host": "pictures.studio"}).status_code == 200
    assert client.get("/healthz", headers={"Host": "127.0.0.1:8000"}).status_code == 200  # health checks from within
    assert client.get("/healthz", headers={"Host": "other.studio"}).status_code == 400


def test_scripts_of_other_origins_may_use_the_api_only_where_they_are_named(service_of: Services) -> None:
    origin = "https://intranet.example"
    client = client_of(service_of(start=False, origins=(origin,)))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = client.options(UPSCALE, headers={"Origin": origin, **asked})
    assert allowed.headers["Access-Control-Allow-Origin"] == origin
    assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert "Origin" in allowed.headers["Vary"]
    for headers, address in (
        ({"Origin": "https://stranger.example"}, UPSCALE),
        ({"Origin": origin}, "/"),
        ({"Origin": "null"}, UPSCALE),
    ):
        assert "Access-Control-Allow-Origin" not in client.options(address, headers={**headers, **asked}).headers


def test_without_origins_there_is_no_cors(client: FlaskClient) -> None:
    answer = client.get("/api/v1/models", headers={"Origin": "http://localhost"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


class TestAttacks:
    """What an older site of this kind let through: paths on upload, enlarging and download; pickles; files of the server."""

    def test_paths_in_the_name_of_an_upload_lead_nowhere(self, client: FlaskClient, photo: Path, tmp_path: Path) -> None:
        for name in ("../../../evil.png", "/etc/cron.d/evil.png", "..\\..\\evil.png", "%2e%2e/evil.png", "a/../../evil.png"):
            answer = client.post(UPSCALE, data={"file": (io.BytesIO(photo.read_bytes()), name)})
            assert answer.status_code == 200
            assert re.fullmatch(r"attachment; filename=\"?evil_x4.png\"?", answer.headers["Content-Disposition"])
        assert {path.name for path in tmp_path.rglob("*evil*")} == set()

    def test_files_of_the_server_cannot_be_named(self, client: FlaskClient, photo: Path, bundled: Path) -> None:
        for model in ("/etc/passwd", "../clean-x4", str(bundled / "clean-x4.safetensors"), "clean-x4.safetensors", "file:///x"):
            answer = client.post(UPSCALE, data={"file": (io.BytesIO(photo.read_bytes()), "a.png"), "model": model})
            assert (answer.status_code, answer.get_json()["type"]) == (422, TYPE + "invalid-options")
        for field in ("path", "filename", "url", "output", "device", "tile"):
            answer = client.post(UPSCALE, data={"file": (io.BytesIO(photo.read_bytes()), "a.png"), field: "/etc/passwd"})
            assert answer.status_code == 422
        assert client.post(UPSCALE, data={"file": "/etc/passwd"}).status_code in (415, 422)

    def test_downloads_come_from_jobs_alone(self, client: FlaskClient) -> None:
        for address in (
            "/jobs/../../../etc/passwd/result",
            "/jobs/..%2f..%2fclearvision-secret/result",
            "/jobs/%2e%2e/result",
            "/static/../app.py",
            "/static/..%2fapp.py",
            "/static/%2e%2e/settings.py",
            "/download/x.png",
            "/jobs/" + "A" * 22 + "/source.png",
        ):
            assert client.get(address, headers=PAGE).status_code == 404

    def test_a_pickle_is_no_picture_and_no_model(self, client: FlaskClient, tmp_path: Path, photo: Path) -> None:
        import pickle

        class Evil:
            def __reduce__(self) -> tuple:
                return (Path.touch, (tmp_path / "run",))

        for name in ("model.pth", "photo.png", "photo.tga"):
            answer = client.post(UPSCALE, data={"file": (io.BytesIO(pickle.dumps(Evil())), name)})
            assert answer.status_code in (415, 422)
        assert not (tmp_path / "run").exists()
