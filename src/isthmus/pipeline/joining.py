"""Joins the processes that a launcher started into one training, and checks that their settings and data agree."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from isthmus.config import Config
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.pipeline.differences import flat
from isthmus.runs.record import as_recorded, data_fingerprint, digests
from isthmus.system.launch import Launch, launched
from isthmus.system.process_group import ONE, AbstractGroup, ProcessGroup
from isthmus.system.workers import usable_cores
from isthmus.training.prepared import Prepared
from isthmus.wording import counted

JOIN = timedelta(seconds=300)  # how long to wait for all: a scheduler starts them within minutes of each other
BY_ITSELF = {"training.threads", "data.source", "data.data_dir"}  # settings that may differ between machines


@contextmanager
def joined() -> Iterator[AbstractGroup]:
    """Yields the group of this process; a group of one if no launcher started several.

    Raises: UsageError if the launcher's variables are invalid; ResourceError if the others cannot be reached.
    """
    launch = launched()
    if launch is None:
        yield ONE
        return
    threads = torch.get_num_threads()
    group = ProcessGroup(launch, _table(launch), _backend(launch))
    torch.set_num_threads(cores_of(launch))
    try:
        yield group
    except BaseException as error:
        group.leave(error)
        raise
    else:
        group.leave()
    finally:
        torch.set_num_threads(threads)


def cores_of(launch: Launch | None) -> int:
    """How many threads each process on a machine may use."""
    return max(1, usable_cores() // (1 if launch is None else launch.local_size))


def with_threads(prepared: Prepared) -> Prepared:
    """Limits the threads to this process's share of the cores, because more would wait for each other."""
    training, launch = prepared.config.training, launched()
    if launch is None or training.threads is None:
        return prepared
    threads = min(training.threads, cores_of(launch))
    return replace(prepared, config=replace(prepared.config, training=replace(training, threads=threads)))


@contextmanager
def in_turn(group: AbstractGroup, config: Config) -> Iterator[None]:
    """If data may have to be downloaded, one process per machine runs the block first, then the others."""
    launch = launched()
    is_named = group.exchange(not Path(config.data.source).exists())
    if launch is None or not any(is_named):
        yield
        return
    if launch.local_rank:
        group.exchange(None)
    try:
        yield
    finally:
        if not launch.local_rank:
            group.exchange(None)


def with_words(group: AbstractGroup, prepared: Prepared) -> Prepared:
    """Adds a sentence on how many processes share the work."""
    if group.size == 1:
        return prepared
    batch = prepared.config.training.batch_size
    sentence = f"{group.size} processes share each batch of {counted(batch, 'sample')}"
    return replace(prepared, said=(*prepared.said, sentence))


def refuse_others(group: AbstractGroup, prepared: Prepared) -> None:
    """Checks that all processes have the same settings and the same data.

    Raises: UsageError that lists the settings that differ; DataError that names the process with different data.
    """
    if group.size == 1:
        return
    settings = {name: str(v) for name, v in flat(as_recorded(prepared.config)).items() if name not in BY_ITSELF}
    found = group.exchange({"settings": settings, "data": data_fingerprint(digests(prepared.splits))})
    with group.together():
        for rank, other in enumerate(found):
            _refuse_settings(found[0]["settings"], other["settings"], group.name(rank))
            if other["data"] != found[0]["data"]:
                message = f"{group.name(rank)} and rank 0 read different data from {prepared.config.data.source}."
                fix = "copy the same files to every machine, or name a path that all of them can read"
                raise DataError("DATA-PROCESSES", message, fix=fix)


def _refuse_settings(first: dict[str, str], other: dict[str, str], name: str) -> None:
    problems = [
        f"{key}: {value} on rank 0, {other.get(key)} there" for key, value in first.items() if other.get(key) != value
    ]
    if problems:
        message = f"{name} and rank 0 have different settings, because of the command or the machine."
        fix = "start all processes with the same command, and set these settings in it"
        raise UsageError("USAGE-PROCESSES", message, fix=fix, problems=problems)


def _backend(launch: Launch) -> str:
    """Selects the GPU of this process. NCCL if each process of this machine has its own GPU, otherwise gloo."""
    if not torch.cuda.is_available():
        return "gloo"
    torch.cuda.set_device(launch.local_rank % torch.cuda.device_count())
    shared = launch.local_size > torch.cuda.device_count()
    return "gloo" if shared or not dist.is_nccl_available() else "cpu:gloo,cuda:nccl"


def _table(launch: Launch) -> Any:
    """The launcher's key-value store; under srun, rank 0 opens it.

    Raises: ResourceError for a host that has no address or does not answer, and for a port that is in use.
    """
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        message = f"the host name of rank 0, MASTER_ADDR={host}, cannot be resolved: {error.strerror or error}."
        fix = "set MASTER_ADDR to a host name or IP address that all machines can resolve"
        raise ResourceError("RESOURCE-PROCESS", message, fix=fix) from None
    try:
        store, _, _ = next(rendezvous("env://", timeout=JOIN))
    except (RuntimeError, ValueError) as error:
        raise _unjoined(launch, host, port, error) from None
    return store


def _unjoined(launch: Launch, host: str, port: str, error: Exception) -> ResourceError:
    reason = str(error).splitlines()[0][:200]
    if launch.rank == 0 and "address already in use" in str(error).lower():
        message = f"port {port}, where rank 0 waits for the others, is in use by another program."
        return ResourceError("RESOURCE-PORT", message, fix=f"first run `export MASTER_PORT={_free_port()}`")
    message = f"rank {launch.rank} of {launch.size} processes could not connect to {host}, port {port}: {reason}."
    fix = "check that all processes were started, and that all machines can connect to that port"
    return ResourceError("RESOURCE-PROCESS", message, fix=fix)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])


__all__ = ["cores_of", "in_turn", "joined", "refuse_others", "with_threads", "with_words"]
