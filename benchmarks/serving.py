"""What ``clearvision serve`` makes of small pictures under load, as a share of what the engine alone makes of them.

Command: ``python benchmarks/serving.py [--clients 64] [--seconds 120] [--workers N] [--model NAME]``.

The engine alone is one process that calls ``enlarge_file`` on the same pictures, one after the other, half of the time before the
server runs and half after it, so that a drift of the machine meets both. Each client is a connection that sends a picture to
/api/v1/upscale as soon as the answer to the one before is there, or after the pause that a 503 asks for. All clients share one
further process. Everything runs on this machine and shares its processors.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

SIZES = ((96, 72), (128, 96), (160, 120), (120, 160), (64, 64))
PICTURES = 40
WARM_UP = 40  # pictures
SAMPLES = 4  # of the memory, at equal distances, the last at the end


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: from the first request to the last answer.
        statuses: answers by status; 0 for connections that broke.
        latencies: seconds of every 200.
        unexplained: 503 without Retry-After.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    unexplained: int = 0


def make_pictures(folder: Path) -> list[Path]:
    """Write small soft pictures with some noise, JPEG and PNG in turn."""
    from clearvision.imaging.io import picture_from_array, write_picture
    from clearvision.imaging.resize import resize

    rng = np.random.default_rng(0)
    paths = []
    for number in range(PICTURES):
        width, height = SIZES[number % len(SIZES)]
        pixels = resize(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8), height, width)
        paths.append(folder / f"{number:02}{('.jpg', '.png')[number % 2]}")
        write_picture(picture_from_array(pixels), paths[-1])
    return paths


def run_alone(paths: Sequence[Path], seconds: float, model: str | None) -> tuple[float, float]:
    """Enlarge pictures one after the other for a while; return how many a second, and the processor's seconds for each."""
    from clearvision.inference.choosing import Upscalers
    from clearvision.inference.files import enlarge_file

    upscalers = Upscalers(model, dict.fromkeys(("scale", "width", "height", "megapixels")))
    targets = [path.with_name(f"{path.stem}_{os.getpid()}{path.suffix}") for path in paths]
    for path, target in zip(paths[:WARM_UP], targets, strict=False):
        enlarge_file(path, target, upscalers)
    begun, spent, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds:
        enlarge_file(paths[count % len(paths)], targets[count % len(paths)], upscalers)
        count += 1
    return count / (time.perf_counter() - begun), (time.process_time() - spent) / count


def run_clients(url: str, paths: list[Path], clients: int, seconds: float, model: str | None) -> Load:
    """Send pictures over so many connections for a while."""
    query = f"?model={model}" if model else ""
    requests = [
        f"POST /api/v1/upscale{query} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: image/{path.suffix[1:]}\r\n"
        f"Content-Length: {path.stat().st_size}\r\n\r\n".encode()
        + path.read_bytes()
        for path in paths
    ]
    return asyncio.run(_load(url, requests, clients, seconds))


async def _load(url: str, requests: list[bytes], clients: int, seconds: float) -> Load:
    load = Load()
    begun = time.perf_counter()
    await asyncio.gather(
        *(_client(url, requests[number:] + requests[:number], begun + seconds, load) for number in range(clients))
    )
    load.seconds = time.perf_counter() - begun
    return load


async def _client(url: str, requests: list[bytes], until: float, load: Load) -> None:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    reader, writer = await asyncio.open_connection(host, port)
    number = 0
    while time.perf_counter() < until:
        sent = time.perf_counter()
        try:
            writer.write(requests[number % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_number(rb"content-length", head) or 0)
        except (OSError, asyncio.IncompleteReadError):
            load.statuses[0] += 1
            writer.close()
            reader, writer = await asyncio.open_connection(host, port)
            continue
        status = int(head[9:12])
        load.statuses[status] += 1
        if status == 200:
            load.latencies.append(time.perf_counter() - sent)
            number += 1
        else:
            pause = _number(rb"retry-after", head)
            load.unexplained += status == 503 and pause is None
            await asyncio.sleep(pause or 1)
    writer.close()


def _number(name: bytes, head: bytes) -> int | None:
    found = re.search(rb"\r\n" + name + rb": (\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else None


def resident(process: int) -> float:
    """Return the megabytes of a process that lie in memory."""
    (line,) = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


def processor_seconds(process: int) -> float:
    """Return the processor time that a process took."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_page(url: str) -> float:
    """Return the seconds until the first page and all that belongs to it is there."""
    begun = time.perf_counter()
    for path in ("", "static/site.css", "static/site.js"):
        with urllib.request.urlopen(url + path) as answer:
            answer.read()
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Served:
    """How a server did.

    Attributes:
        load: what its clients saw.
        memory: megabytes at each quarter of the run.
        page: seconds of the first page.
        processor: seconds of the processor for each picture.
    """

    load: Load
    memory: list[float]
    page: float
    processor: float


def serve(pool: Pool, paths: list[Path], options: argparse.Namespace) -> Served:
    """Run the server under load."""
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as data:
        command = [sys.executable, "-m", "clearvision.apps.cli", "serve", "--port", "0", "--data-dir", data]
        command += ["--client-waiting", "100000", "--max-visitors", str(max(64, options.clients))]
        command += [] if options.workers is None else ["--workers", str(options.workers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            page = first_page(url)
            pool.apply(run_clients, (url, paths, 4, 2.0, options.model))  # warm
            pending = pool.apply_async(run_clients, (url, paths, options.clients, options.seconds, options.model))
            memory, spent = [], processor_seconds(server.pid)
            for _ in range(SAMPLES):
                time.sleep(options.seconds / SAMPLES)
                memory.append(resident(server.pid))
            load = pending.get()
            spent = processor_seconds(server.pid) - spent
            server.terminate()
    return Served(load, memory, page, spent / load.statuses[200])


def main() -> None:
    """Run both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--workers", type=int, default=None, help="of the server; its own default without")
    parser.add_argument("--model", default=None, help="default: chosen by the picture")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clearvision-bench-") as name:
        paths = make_pictures(Path(name))
        spawned = multiprocessing.get_context("spawn")
        alone = []
        with spawned.Pool(1, maxtasksperchild=1) as pool:
            part = max(2.0, min(15.0, options.seconds / 4))
            alone.append(pool.apply(run_alone, (paths, part, options.model)))
            served = serve(pool, paths, options)
            alone.append(pool.apply(run_alone, (paths, part, options.model)))
    load, rates, spent = served.load, [rate for rate, _ in alone], [each for _, each in alone]
    rate, engine = load.statuses[200] / load.seconds, statistics.mean(rates)
    ranks = statistics.quantiles(load.latencies, n=100)
    statuses = ", ".join(f"{status or 'broken'}: {count}" for status, count in sorted(load.statuses.items()))
    print(f"{options.clients} clients for {load.seconds:.0f} s, pictures of 64x64 to 160x120 enlarged four times")
    print(f"engine alone   {engine:6.1f} pictures/s ({', '.join(f'{each:.1f}' for each in rates)} before and after)")
    print(f"server         {rate:6.1f} pictures/s, {rate / engine:.0%} of the engine alone")
    print(f"processor      {statistics.mean(spent) * 1000:.1f} ms a picture alone, {served.processor * 1000:.1f} ms served")
    print(f"latency        p50 {ranks[49] * 1000:.0f} ms, p95 {ranks[94] * 1000:.0f} ms, p99 {ranks[98] * 1000:.0f} ms")
    print(f"statuses       {statuses}; 503 without Retry-After: {load.unexplained}")
    print(f"memory         {', '.join(f'{each:.0f}' for each in served.memory)} MB at each quarter of the run")
    print(f"first page     {served.page * 1000:.0f} ms with style and script")


if __name__ == "__main__":
    main()
