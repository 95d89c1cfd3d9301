"""Faults of data: mover, gateway, SSH and sources break while inputs and results move.

Each returns what happened, or raises Wrong. Whatever breaks, a job gets its whole inputs or none, and its
customer the whole results.
"""

import asyncio
import os
import socket
from functools import partial

from provider_daemon.chain.proto.virtengine.encryption.v1.tx_pb2 import (
    MsgRegisterRecipientKey,
    MsgRevokeRecipientKey,
)
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob
from provider_daemon.demo.market import CHAIN_ID
from provider_daemon.encryption import identity
from provider_daemon.encryption.fingerprint import ALGORITHM, fingerprint
from provider_daemon.job.state import State
from tests.cases import Case, Run
from tests.expect import Wrong, same
from tests.faults import data_source
from tests.faults.data_source import Behaviour, endless, expired, redirecting, stalling, storing, whole
from tests.faults.data_stage import STORE, Stage, Watching, fill, staged

MB = 10**6
SIZE = 4 * MB
CHECK = "sha256sum inputs/in.dat"
IDLE_CONNECTIONS = 200

# --- what a source sends ---


async def refused(behaviour: Behaviour, reason: str, stage: Stage) -> str:
    """The job is reported failed with the reason, was never in SLURM, and costs nothing."""
    name = f"refused-{reason}"
    stage.source.behaviours[name] = behaviour
    before = set(stage.made.site.accounting())
    async with stage.submitted(CHECK, stage.input(name, os.urandom(SIZE))) as job:
        ended = await job.ended()
    same("the job", (ended.state, ended.ran), (State.FAILED, False))
    if reason not in ended.message:
        raise Wrong(f"its reason is {ended.message!r}, without {reason!r}")
    same("new jobs in SLURM", set(stage.made.site.accounting()) - before, set())
    return f"refused: {ended.message}"


async def slow_source(stage: Stage) -> str:
    """A source that sends a byte a second delays nobody else, and its job can be cancelled."""
    begun, cut = asyncio.Event(), asyncio.Event()
    content = os.urandom(SIZE)
    stage.source.behaviours |= {"slow": data_source.trickling(begun, cut), "good": whole(content)}
    async with stage.submitted(CHECK, stage.input("slow", bytes(MB))) as slow:
        await asyncio.wait_for(begun.wait(), 60)
        async with stage.submitted(CHECK, stage.input("good", content)) as other:
            await other.completed(stage.made.directory / "fetched")
        same("the slow transfer", cut.is_set(), False)
        customer = stage.made.market.customers[0]
        await customer.send(
            MsgCancelJob(requester_address=customer.address, job_id=slow.job_id, reason="too slow")
        )
        await asyncio.wait_for(cut.wait(), 60)
    return "another job ran meanwhile; after the cancel the transfer ended"


# --- the mover ---


async def mover_killed_while_fetching(stage: Stage) -> str:
    """The next start continues the partial file."""
    reached, resumed, content = asyncio.Event(), asyncio.Event(), os.urandom(SIZE)
    stage.source.behaviours["half"] = stalling(content, 3 * MB, reached, resumed)
    async with stage.submitted(CHECK, stage.input("half", content)) as job:
        await asyncio.wait_for(reached.wait(), 60)
        await asyncio.sleep(1)  # for what was sent to arrive at the site
        await asyncio.to_thread(stage.restart, stage.made.mover)
        resumed.set()
        await job.completed(stage.made.directory / "fetched")
    _, second, *_ = stage.source.offsets["half"]
    if not second:
        raise Wrong("the second request was for the whole file")
    return f"continued at byte {second} of {SIZE}; results verified"


async def mover_killed_while_running(stage: Stage) -> str:
    """The job ends while there is no mover; the next start lists its results, and the report signs them."""
    gate = stage.gate("no-mover")
    async with stage.submitted(f"echo begun; until [ -e {gate} ]; do sleep 0.2; done; echo done") as job:
        await job.running()
        stage.made.mover.kill()
        gate.touch()
        await stage.ended_in_slurm(job.job_id)
        stage.made.mover.start()
        await job.completed(stage.made.directory / "fetched")
    return "the report waited for the manifest; results verified"


async def mover_killed_while_delivering(stage: Stage) -> str:
    """The results are sent again, whole."""
    stored, reached = list[bytes](), asyncio.Event()
    address = stage.made.market.customers[0].address
    stage.source.behaviours[f"{address}/results.tar"] = storing(stored, reached)
    target = f"s3://{STORE}/{data_source.BUCKET}/{address}/results.tar"
    async with stage.submitted("echo delivered", outputs=target) as job:
        await asyncio.wait_for(reached.wait(), 90)
        await asyncio.to_thread(stage.restart, stage.made.mover)
        await job.completed(stage.made.directory / "fetched")
        await stage.logged(stage.made.mover, "results_delivered")
    if not any(b"output.txt" in archive and b"delivered\n" in archive for archive in stored):
        raise Wrong("what was delivered is not the archive of the results")
    return f"delivered by the second attempt, {len(stored[-1])} bytes; results verified"


async def disk_full(stage: Stage) -> str:
    """The mover's database cannot be written while a job ends; everything continues once there is room."""
    if stage.disk is None:
        return "NOT RUN: no small file system can be mounted here (it needs root)"
    gate = stage.gate("disk-full")
    async with stage.submitted(f"echo begun; until [ -e {gate} ]; do sleep 0.2; done; echo done") as job:
        await job.running()
        mark, ballast = stage.made.mover.log.stat().st_size, fill(stage.disk)
        try:
            gate.touch()
            line = await stage.logged(stage.made.mover, "cannot be written", mark)
        finally:
            ballast.unlink()
        await job.completed(stage.made.directory / "fetched")
    same("the line names the disk", "full" in line, True)
    return "one problem was logged; the results are signed and verified"


async def key_revoked(stage: Stage) -> str:
    """Results whose customer revoked his key while the job ran are not sent, neither to it nor in clear."""
    customer, key = stage.made.market.customers[0], identity.generate()
    public = key.public_key
    await customer.send(
        MsgRegisterRecipientKey(sender=customer.address, public_key=public, algorithm_id=ALGORITHM, label="x")
    )
    stored = list[bytes]()
    stage.source.behaviours[f"{customer.address}/revoked.tar"] = storing(stored, asyncio.Event())
    target = f"s3://{STORE}/{data_source.BUCKET}/{customer.address}/revoked.tar"
    gate = stage.gate("revoked")
    mark = stage.made.mover.log.stat().st_size
    run = f"echo secret; until [ -e {gate} ]; do sleep 0.2; done"
    async with stage.submitted(run, outputs=target) as job:
        await job.running()
        await customer.send(
            MsgRevokeRecipientKey(sender=customer.address, key_fingerprint=fingerprint(public))
        )
        gate.touch()
        line = await stage.logged(stage.made.mover, "delivery_failed", mark)
        await job.completed(stage.made.directory / "fetched")
    same("what was sent", stage.source.offsets.get(f"{customer.address}/revoked.tar"), None)
    if "revoked" not in line:
        raise Wrong(f"the reason is not named: {line}")
    return "not sent; the results stay with the gateway, verified"


# --- SSH ---


async def ssh_cut_while_fetching(stage: Stage) -> str:
    """The mover connects again, and continues the input."""
    reached, resumed, content = asyncio.Event(), asyncio.Event(), os.urandom(SIZE)
    stage.source.behaviours["cut"] = stalling(content, 2 * MB, reached, resumed)
    async with stage.submitted(CHECK, stage.input("cut", content)) as job:
        await asyncio.wait_for(reached.wait(), 60)
        stage.ssh.cut()
        resumed.set()
        await job.completed(stage.made.directory / "fetched")
    return f"fetched in {len(stage.source.offsets['cut'])} requests; results verified"


# --- the gateway ---


async def gateway_killed_in_a_download(stage: Stage) -> str:
    """The client continues at its byte."""
    async with stage.submitted("head -c 40000000 /dev/urandom > big.dat") as job:
        same("the job", (await job.ended()).state, State.COMPLETED)
        meter = Watching(2 * MB, partial(stage.restart, stage.made.gateway))
        async with stage.customer(meter=meter) as asked:
            place = stage.made.directory / "fetched" / job.job_id
            fetched = await asked.fetch(job.job_id, place, patience=60)
    same("what is wrong with the results", fetched.problem, "")
    same("its kill", len(meter.done), 1)
    return f"killed at byte {meter.done[0]} of 40000000; verified"


async def gateway_killed_in_an_upload(stage: Stage) -> str:
    """The client continues at the byte that has arrived."""
    content = os.urandom(30 * MB)
    file = stage.made.directory / "upload.dat"
    file.write_bytes(content)
    meter = Watching(5 * MB, partial(stage.restart, stage.made.gateway))
    async with stage.customer(meter=meter) as asked:
        name = await asked.upload(file)
        same("the upload", await asked.download(name, file), len(content))
    same("its kill", len(meter.done), 1)
    run = f"echo {name}  inputs/in.dat | sha256sum -c"
    async with stage.submitted(run, {"upload": name, "name": "in.dat"}) as job:
        await job.completed(stage.made.directory / "fetched")
    return f"killed at byte {meter.done[0]} of {len(content)}; the job got the whole upload"


async def idle_connections(stage: Stage) -> str:
    """Connections that never finish their request keep no customer out."""
    host, port = stage.made.url.removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port)), 5) for _ in range(IDLE_CONNECTIONS)]
    try:
        for each in held:
            each.sendall(b"GET /v1/info HTTP/1.1\r\nX-Slow: ")
        async with stage.customer() as asked:
            same("the chain", (await (await asked.gateway()).info()).chain_id, CHAIN_ID)
    finally:
        for each in held:
            each.close()
    return f"answered beside {IDLE_CONNECTIONS} unfinished requests"


FAULTS = (
    Case(
        "data: wrong checksum",
        "the source sends other content",
        partial(refused, whole(bytes(SIZE)), "SHA-256"),
        True,
    ),
    Case("data: endless body", "the source never stops", partial(refused, endless, "bytes")),
    Case(
        "data: redirect to metadata",
        "302 to 169.254.169.254",
        partial(refused, redirecting, "169.254.169.254"),
    ),
    Case("data: expired presigned URL", "the source answers 403", partial(refused, expired, "403")),
    Case("data: slow loris as source", "a byte a second, then a cancel", slow_source),
    Case("data: mover killed while fetching", "kill -9 after 3 of 4 MB", mover_killed_while_fetching),
    Case("data: mover killed while running", "kill -9 before the job ends", mover_killed_while_running),
    Case(
        "data: mover killed while delivering",
        "kill -9 after the whole archive",
        mover_killed_while_delivering,
    ),
    Case("data: mover's disk full", "its database cannot grow", disk_full),
    Case("data: key revoked", "revoked while the job runs", key_revoked),
    Case("data: SSH cut while fetching", "reset after 2 of 4 MB", ssh_cut_while_fetching),
    Case(
        "data: gateway killed in a download", "kill -9 after 2 of 40 MB", gateway_killed_in_a_download, True
    ),
    Case("data: gateway killed in an upload", "kill -9 after 5 of 30 MB", gateway_killed_in_an_upload),
    Case("data: slow loris at the gateway", "200 unfinished requests", idle_connections),
)

RUN = Run(
    kind="fault",
    headings=("fault", "what breaks", "what happened", "verdict"),
    widths=(36, 34, 76),
    right="good",
    wrong="BAD",
    count="faults good",
    seconds=150,
    staged=staged,
)
