"""Who gets in: every route and socket without a token, other hosts, other sites."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from isthmus.api import Run
from isthmus.web.guard import Access
from served import BEARER, HOME, PORT, TOKEN, app_of, client


@pytest.fixture(scope="module")
def app(denoiser: Run) -> Any:
    return app_of(denoiser.path)


def routes(found: Any) -> list[tuple[str, str]]:
    """(method, address) of every route that the application has, with ones for its parameters."""
    listed = []
    for route in found:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if isinstance(route, Mount) or (inner and not hasattr(route, "methods")):
            listed += routes(inner)
        elif isinstance(route, Route):
            path = route.path.replace("{name}", "curves").replace("{row}", "1")
            listed += [(method, path) for method in sorted(route.methods or ())]
        elif isinstance(route, WebSocketRoute):
            listed.append(("WEBSOCKET", route.path))
        else:
            raise AssertionError(f"the walk does not know {route!r}")
    return listed


def test_fault_78_no_route_answers_without_the_token(app: Any) -> None:
    walked = routes(app.routes)
    known = {path for _, path in walked}
    described = client(app).get("/api/openapi.json").json()["paths"]
    assert {p.replace("{row}", "1") for p in described} <= known
    assert {"/", "/static/curves", "/run/curves", "/api/openapi.json", "/api/watch", "/api/finish"} <= known
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Cookie": f"isthmus-{PORT}=wrong"},
        {"Authorization": "Basic x"},
    ):
        stranger = TestClient(app, base_url=HOME, headers=headers)
        for method, path in walked:
            answer = stranger.request(method, path)
            assert answer.status_code in {401, 403}, (method, path, answer.status_code)
            assert "set-cookie" not in answer.headers


def test_fault_78_no_socket_opens_without_the_token(denoiser: Run) -> None:
    app = app_of(denoiser.path)

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("in")
        await websocket.close()

    with (
        pytest.raises(WebSocketDisconnect),
        TestClient(app, base_url=HOME).websocket_connect(f"ws://127.0.0.1:{PORT}/socket"),
    ):
        pass
    with (
        pytest.raises(WebSocketDisconnect),
        client(app, Origin="http://evil.example", **BEARER).websocket_connect(f"ws://127.0.0.1:{PORT}/socket"),
    ):
        pass
    with client(app).websocket_connect(f"ws://127.0.0.1:{PORT}/socket") as opened:
        assert opened.receive_text() == "in"


ORIGINS = [
    "null",
    "http://evil.example",
    f"http://127.0.0.1:{PORT + 1}",
    "http://127.0.0.1",
    f"http://127.0.0.1:{PORT}.evil.example",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_fault_76_another_site_gets_403_before_the_handler(app: Any, origin: str) -> None:
    for headers in (BEARER, {"Cookie": f"isthmus-{PORT}={TOKEN}"}):
        for method, path in routes(app.routes):
            answer = client(app, Origin=origin, **headers).request(method, path)
            assert answer.status_code == 403, (method, path)
            assert "access-control-allow-origin" not in answer.headers


def test_fault_76_a_form_that_another_site_sends_is_refused_by_what_the_browser_says(app: Any) -> None:
    cookie = {"Cookie": f"isthmus-{PORT}={TOKEN}"}
    for extra in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {}):
        assert client(app, **cookie, **extra).post("/api/finish").status_code == 403
    own = client(app, **cookie, **{"Origin": HOME, "Sec-Fetch-Site": "same-origin"})
    assert own.post("/api/sample", json={"n": 1, "density": "gaussian"}).status_code == 200


HOSTS = [
    "evil.example",
    f"evil.example:{PORT}",
    f"127.0.0.1:{PORT + 1}",
    "127.0.0.1",
    f"127.0.0.1.evil.example:{PORT}",
    f"10.0.0.1:{PORT}",
    "",
    f"[::2]:{PORT}",
    f"127.0.0.1:{'8' * 5_000}",
    "127.0.0.1:-1",
]


@pytest.mark.parametrize("host", HOSTS)
def test_fault_77_another_host_gets_403(app: Any, host: str) -> None:
    for method, path in routes(app.routes):
        assert client(app, Host=host, **BEARER).request(method, path).status_code == 403


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_our_own_names_are_let_in(app: Any, host: str) -> None:
    assert client(app, Host=host, **BEARER).get("/api/about").status_code == 200


def test_the_token_of_the_address_becomes_a_cookie_once(app: Any) -> None:
    visitor = TestClient(app, base_url=HOME)
    answer = visitor.get(f"/?token={TOKEN}")
    assert answer.status_code == 200
    told = answer.headers["set-cookie"]
    assert told == f"isthmus-{PORT}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    assert "set-cookie" not in visitor.get("/").headers
    assert visitor.get("/api/about").status_code == 200
    assert TestClient(app, base_url=HOME).get(f"/api/about?token={TOKEN}").status_code == 401


def test_a_link_on_another_site_may_lead_to_the_page_but_to_nothing_else(app: Any) -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client(app, **visit).get(f"/?token={TOKEN}").status_code == 200
    assert client(app, **visit, **BEARER).get("/run/curves").status_code == 403


def test_every_answer_carries_the_policy(app: Any) -> None:
    for path, headers in (
        ("/", BEARER),
        ("/", {"Host": "evil"}),
        ("/nowhere", BEARER),
        ("/api/about", {"Accept": "*/*"}),
    ):
        answer = client(app, **headers).get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("port", ["²", "٨٦٤٢", "8" * 5_000, "", "+8642", "8642 ", "0x21c2"])
def test_fault_77_a_port_in_odd_digits_is_not_ours(port: str) -> None:
    assert not Access(TOKEN, PORT).knows(f"127.0.0.1:{port}")


def test_on_a_network_addresses_are_known_and_foreign_names_are_not() -> None:
    access = Access(TOKEN, PORT, frozenset({"mine"}), open_to_network=True)
    assert [access.knows(f"{name}:{PORT}") for name in ("mine", "10.1.2.3", "[fe80::1]", "evil.example")] == [
        True,
        True,
        True,
        False,
    ]
