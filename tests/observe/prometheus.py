"""Debian's Prometheus as a separate process, and its HTTP API."""

import asyncio
import json
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provider_daemon.lab.site.layout import free_ports
from tests.observe.files import PROMETHEUS
from tests.observe.scale import FACTOR, MARK, scaled


@dataclass(slots=True)
class Prometheus:
    """Prometheus's HTTP API, as a board uses it."""

    process: subprocess.Popen[bytes]
    url: str

    async def api(self, path: str, **parameters: str) -> Any:
        return await asyncio.to_thread(self._get, path, parameters)

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10
        ) as answer:
            return json.load(answer)["data"]

    async def names(self) -> set[str]:
        """Returns the names of all series that it ever scraped from provd or recorded from these."""
        return set(await self.api("label/__name__/values"))

    async def seen(self, selector: str) -> bool:
        """Reports whether any series matched, at any time."""
        return bool(await self.api("series", **{"match[]": selector, "start": "0"}))

    async def fires(self) -> set[str]:
        """Returns the alerts that fire now, by the rules of the scaled copy."""
        return await self._alerts(f'ALERTS{{alertstate="firing",{MARK}!=""}}')

    async def fired(self, seconds: float, *, scaled: bool = True) -> set[str]:
        """Returns the alerts that fired at any moment of the last seconds.

        If not `scaled`, by the original rules.
        """
        return await self._alerts(
            f'ALERTS{{alertstate="firing",{MARK}{"!=" if scaled else "="}""}}[{max(1, round(seconds))}s]'
        )

    async def _alerts(self, query: str) -> set[str]:
        return {series["metric"]["alertname"] for series in (await self.api("query", query=query))["result"]}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def start_prometheus(directory: Path, listen: str) -> Prometheus:
    """Starts Prometheus on its own port, with our rules and a copy of the alerts with scaled times."""
    home, (port,) = directory / "prometheus", free_ports(1)
    home.mkdir()
    (home / "scaled.yaml").write_text(json.dumps(scaled(FACTOR)))
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [
            *(str(PROMETHEUS / name) for name in ("rules.yaml", "alerts.yaml")),
            str(home / "scaled.yaml"),
        ],
        "scrape_configs": [{"job_name": "provd", "static_configs": [{"targets": [listen]}]}],
    }
    (home / "prometheus.yml").write_text(json.dumps(settings))
    command = ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Prometheus(process, f"http://127.0.0.1:{port}")
