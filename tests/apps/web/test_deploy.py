"""What is shipped around the server: the package's own files, the containers' locks, limits that agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from clearvision.apps.web.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NGINX = (ROOT / "deploy" / "nginx.conf").read_text()


@pytest.mark.parametrize("name", ["proxy", "serve", "app"])
def test_every_container_is_locked_down(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "tmpfs"} <= service.keys()
    assert "privileged" not in service


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["proxy"]
    assert [name for name, service in COMPOSE["services"].items() if "outside" in service["networks"]] == ["proxy"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_the_targets_exist_and_run_as_nobody_special() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert {service["build"]["target"] for service in COMPOSE["services"].values() if "build" in service} <= set(stages)
    assert stages[-1] == "core"  # what `docker build .` makes
    assert re.search(r"^USER clearvision$", DOCKERFILE, re.MULTILINE)


def test_the_containers_get_longer_to_stop_than_draining_takes(tmp_path: Path) -> None:
    grace = int(COMPOSE["services"]["serve"]["stop_grace_period"].removesuffix("s"))
    assert grace > Settings(tmp_path).drain_seconds + 10


def test_the_proxy_takes_what_the_server_takes_and_waits_as_long(tmp_path: Path) -> None:
    usual = Settings(tmp_path)
    (size,) = re.findall(r"^ {8}client_max_body_size (\d+)m;", NGINX, re.MULTILINE)
    assert int(size) << 20 >= usual.max_bytes
    (wait,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(wait) > usual.sync_seconds


def test_the_proxy_does_not_believe_what_clients_say_of_themselves() -> None:
    assert NGINX.count("proxy_set_header X-Forwarded-For $remote_addr;") == 2
    assert "$proxy_add_x_forwarded_for" not in NGINX


def test_pages_take_their_files_from_the_package() -> None:
    folder = ROOT / "src" / "clearvision" / "apps" / "web"
    assert {"site.css", "site.js", "icon.svg"} <= {path.name for path in (folder / "static").iterdir()}
    used = set(re.findall(r"filename='([^']+)'", "".join(path.read_text() for path in (folder / "templates").iterdir())))
    assert used == {path.name for path in (folder / "static").iterdir()}
    for path in [*(folder / "templates").iterdir(), *(folder / "static").iterdir()]:
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", path.read_text()), path
