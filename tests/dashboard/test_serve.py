import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from dash import Dash

from kinscape.analysis.atlas.atlas import load_atlas
from kinscape.dashboard.app import create_app
from kinscape.dashboard.serve import find_address, open_server, serve
from kinscape.inputgen.errors import UserError
from tests.conftest import AtlasFactory

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tiny_atlas: AtlasFactory) -> Path:
    return tiny_atlas()


@pytest.fixture(scope="module")
def app(folder: Path) -> Dash:
    return create_app([load_atlas(folder)])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_the_address_is_announced_once_it_answers_and_an_interrupt_ends_it(folder: Path) -> None:
    code = (
        "from kinscape.analysis.atlas.atlas import load_atlas; from kinscape.dashboard.app import create_app\n"
        "from kinscape.dashboard.serve import serve\n"
        f"app = create_app([load_atlas({str(folder)!r})])\n"
        "serve(app, port=0, announce=lambda address: print(address, flush=True))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_port_0_takes_a_free_port_and_reports_it(app: Dash) -> None:
    server = open_server(app, port=0)
    try:
        with socket.create_connection(("127.0.0.1", int(server.effective_port)), timeout=5):
            assert find_address(server) == f"http://127.0.0.1:{server.effective_port}/"
    finally:
        server.close()


def test_a_proxy_may_hand_the_prefix_on_or_take_it_away(folder: Path) -> None:
    server = open_server(create_app([load_atlas(folder)], prefix="/kin/"), port=0)
    Thread(target=server.run, daemon=True).start()
    address = find_address(server)
    assert address == f"http://127.0.0.1:{server.effective_port}/kin/"
    for root in (address, address.removesuffix("kin/")):
        with urllib.request.urlopen(root, timeout=30) as answer:
            assert answer.status == 200
            assert b'src="/kin/_dash-component-suites/' in answer.read()
    server.close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(app: Dash, port: int) -> None:
    with pytest.raises(UserError, match=f"no port {port}; choose one from 1 to 65535 with --port"):
        serve(app, port=port)


def test_a_port_in_use_is_told(app: Dash, taken: int) -> None:
    with pytest.raises(UserError, match=f"^port {taken} is in use; choose another with --port$"):
        serve(app, port=taken)


def test_an_unknown_host_is_told(app: Dash) -> None:
    with pytest.raises(UserError, match=r"no interface is called 'no\.such\.host\.invalid'"):
        serve(app, host="no.such.host.invalid", port=0)


def test_a_host_of_another_machine_is_told(app: Dash) -> None:
    with pytest.raises(UserError, match=r"cannot listen on '192\.0\.2\.1', port 0"):
        serve(app, host="192.0.2.1", port=0)
