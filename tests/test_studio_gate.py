"""Nobody but the person gets through to the studio: one test an attack."""

from __future__ import annotations

import asyncio
import io
import json
import re
import struct
import zlib

import pytest
from PIL import Image
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from counterfeit.studio import gate
from counterfeit.studio.addresses import hosts_of
from counterfeit.studio.gate import CSRF, Gate, read_body
from studios import HOST, KEYS, ask, headers, smoke, studio

PAGES = ["/", "/new", "/compare", "/theory", "/api/runs", "/api/recipes", "/static/js/core.js"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    smoke("gan", folder / "first")
    (folder.parent / "outside").mkdir()
    smoke("gan", folder.parent / "outside" / "secret")
    return folder


@pytest.fixture
def client(root):
    with studio(root) as found:
        yield found


@pytest.fixture
def stranger(root):
    with studio(root, known=False) as found:
        yield found


@pytest.mark.parametrize("page", [*PAGES, "/nowhere"])
def test_nothing_is_answered_without_the_token(stranger, page):
    answer = stranger.get(page)
    assert answer.status_code == 401
    assert "Counterfeit</title>" not in answer.text
    assert KEYS.csrf not in answer.text


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_have(stranger):
    answer = stranger.get("/?token=the-token&lang=ko")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?lang=ko")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert stranger.get("/?lang=ko").status_code == 200


def test_a_path_that_looks_like_another_server_stays_here(stranger):
    assert stranger.get(f"http://{HOST}//evil.example/x?token=the-token").headers["location"] == "/evil.example/x"


def test_tokens_cannot_be_guessed_at_speed(stranger):
    codes = [stranger.get(f"/?token={i}").status_code for i in range(30)]
    assert codes[:20] == [401] * 20
    assert {*codes[20:]} == {429}
    assert stranger.get("/?token=the-token").status_code == 429  # a lucky guess comes too late as well


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8014", "127.0.0.1:9999", "127.0.0.1.evil.example:8014", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(client, host):
    answer = client.get("/api/runs", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {CSRF: ""},
        {CSRF: "wrong"},
    ],
)
def test_a_foreign_page_changes_nothing(client, root, wrong):
    answer = client.post("/api/runs/first/delete", headers=headers() | wrong)
    assert answer.status_code == 403
    assert (root / "first" / "run.yaml").is_file()


def test_a_form_of_another_page_has_no_header_and_changes_nothing(client, root):
    assert client.post("/api/runs/first/delete", headers={"origin": f"http://{HOST}"}).status_code == 403
    assert client.post("/api/runs/first/delete").status_code == 403
    assert (root / "first" / "run.yaml").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../outside/secret", "..%2foutside%2fsecret", "%2e%2e/outside/secret", "%2e%2e%2foutside%2fsecret",
        "first%2f..%2f..%2foutside%2fsecret", "first%00", "/etc", "%2fetc", ".studio/trash", "%2e%2e",
        "first%5c..%5c..", "C:%5c", "a" * 300, "first.", "first ",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(client, name):
    for address in (f"/api/runs/{name}/history", f"/api/runs/{name}/report", f"/runs/{name}"):
        answer = client.get(address)
        assert answer.status_code in (404, 405), (address, answer.status_code)
        assert "secret" not in answer.text or "there is no run" in answer.text


def test_a_link_out_of_the_folder_is_no_run(root, client):
    link = root / "linked"
    link.symlink_to(root.parent / "outside" / "secret")
    try:
        assert client.get("/api/runs/linked/history").status_code == 404
        assert "linked" not in client.get("/api/runs").text
    finally:
        link.unlink()


@pytest.mark.parametrize("file", ["..%2f..%2frun.yaml", "../../run.yaml", "step-00000000.png%00", "run.yaml"])
def test_no_other_file_is_a_picture(client, file):
    answer = client.get(f"/api/runs/first/picture/{file}")
    assert answer.status_code == 404
    assert "recipe:" not in answer.text


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//x"])
def test_static_files_are_confined(client, path):
    assert client.get(path).status_code == 404


def test_a_recipe_is_a_name_and_no_path(client, tmp_path):
    (tmp_path / "own.yaml").write_text("model: {name: gan}")
    for name in (str(tmp_path / "own.yaml"), "../gan", "gan.yaml", None, 3, ["gan"]):
        answer = client.post("/api/runs", json={"recipe": name}, headers=headers())
        assert answer.status_code == 404, name


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere", "a/b/c", ".hidden", "x\ny", "-", "a" * 200, "first"])
def test_a_new_run_stays_in_the_folder(client, root, name):
    before = sorted(path.name for path in root.parent.rglob("run.yaml"))
    answer = client.post("/api/runs", json={"recipe": "gan", "name": name}, headers=headers())
    assert answer.status_code == 400
    assert sorted(path.name for path in root.parent.rglob("run.yaml")) == before


def test_large_bodies_are_refused_whether_they_say_so_or_not(client, monkeypatch):
    answer = client.post("/api/runs/first/upload", content=b"x", headers=headers(**{"content-length": str(10**10)}))
    assert answer.status_code == 413
    parts = (b"x" * 2**20 for _ in range(40))
    answer = client.post("/api/runs/first/upload", content=parts, headers=headers())
    assert answer.status_code == 413


def test_a_slow_client_is_left(monkeypatch):
    monkeypatch.setattr(gate, "PATIENCE", 0.05)

    async def receive():
        await asyncio.sleep(1)

    found = asyncio.run(read_body(receive, None, 100))
    assert isinstance(found, Response)
    assert found.status_code == 408


def bomb() -> bytes:
    """A PNG of 40,000 x 40,000 pixels in a few bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def png(size=(20, 20)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("data", [b"", b"hello", bomb(), png()[:60], b"<svg onload='x()'/>", b"GIF89a" + b"\0" * 40])
def test_what_is_no_picture_is_refused_in_a_line(client, data):
    answer = client.post("/api/runs/first/upload", content=data, headers=headers())
    assert answer.status_code == 400
    told = answer.json()["error"]
    assert "\n" not in told
    assert "/tmp" not in told


def test_an_uploaded_picture_is_made_anew(client, root):
    """Whatever else the file held is gone: only pixels at the size of the data are kept, and nothing on disk."""
    client.get("/api/runs")  # the studio's own files are there now
    before = {path for path in root.rglob("*") if path.is_file()}
    answer = client.post("/api/runs/first/upload", content=png() + b"<script>alert(1)</script>", headers=headers())
    found = answer.json()
    assert (found["width"], found["height"], found["count"]) == (8, 8, 1)
    assert {path for path in root.rglob("*") if path.is_file()} == before


def test_text_of_a_person_never_becomes_markup(root, client):
    """Names and tags go to pages as JSON, or as attributes that are escaped; scripts make text of them."""
    page = client.get("/runs/first?lang=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in page
    answer = client.post("/api/runs/first/tags", json={"tags": ["<script>alert(1)</script>"]}, headers=headers())
    assert answer.status_code == 400
    missing = client.get("/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("application/json")


def test_scripts_make_no_markup():
    from importlib.resources import files

    folder = files("counterfeit.studio").joinpath("static", "js")
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        found = re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
        assert not found, file.name


def test_every_answer_has_the_headers(client):
    for page in [*PAGES, "/nowhere", "/api/runs/none/history"]:
        found = client.get(page).headers
        assert "script-src 'self'" in found["content-security-policy"]
        assert "unsafe" not in found["content-security-policy"]
        assert found["x-content-type-options"] == "nosniff"
        assert found["cache-control"] == "no-store"
        assert found["referrer-policy"] == "no-referrer"


def test_pages_hold_no_script_and_no_style_of_their_own(client):
    page = client.get("/").text
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.S)
    assert [body for kind, body in scripts if body.strip() and "application/json" not in kind] == []
    assert "style=" not in page
    assert not re.search(r"\son\w+=", page)
    assert not re.search(r"https?://", re.sub(r"<script type=.application/json.*?</script>", "", page, flags=re.S))


def test_a_report_is_shown_in_a_sandbox(client):
    answer = client.get("/api/runs/first/report")
    if answer.status_code == 200:
        assert answer.headers["content-security-policy"].startswith("sandbox;")
        assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff\xfe", b'{"seed": NaN}', b"3", b"[" * 100_000])
def test_a_body_that_is_no_object_is_an_error_in_a_line(client, body):
    answer = client.post("/api/runs/first/ask/sample", content=body, headers=headers())
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("sample", {"n": 10**9}), ("sample", {"n": "3"}), ("sample", {"n": True}), ("sample", {"seed": -1}),
        ("sample", {"seed": 2**40}), ("decode", {"z": [[1e400]]}), ("decode", {"z": "x"}),
        ("decode", {"z": [[1], [1, 2]]}),
        ("decode", {"z": [[1.0]]}), ("decode", {"z": [[0.0] * 4] * 10_000}), ("sample", {"sampler": "x"}),
        ("sample", {"y": "no such class"}), ("chain", {}), ("reconstruct", {"picture": "test:99999"}),
        ("neighbours", {"picture": "upload:none"}), ("complete", {"picture": "test:0", "mask": [2]}),
    ],
)  # fmt: skip
def test_a_question_out_of_range_is_an_error_in_a_line(client, what, body):
    text = json.dumps(body).replace("Infinity", "1e400")
    answer = client.post(f"/api/runs/first/ask/{what}", content=text, headers=headers())
    assert answer.status_code in (400, 404)
    assert "\n" not in answer.json()["error"]


def test_after_all_of_that_it_still_answers(client):
    assert ask(client, "first", "sample", n=4)["count"] == 4


def test_websockets_are_refused(root):
    async def app(scope, receive, send):
        raise AssertionError

    client = TestClient(Gate(app, KEYS, [HOST]), base_url=f"http://{HOST}")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_names_of_this_machine():
    assert {"127.0.0.1:1", "localhost:1", "[::1]:1"} == {*hosts_of("localhost", 1)}
    assert "192.168.0.7:1" in hosts_of("192.168.0.7", 1)
