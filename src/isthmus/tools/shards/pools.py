"""Where shards are processed: by processes on this machine, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial

from isthmus.errors import ResourceError, UsageError
from isthmus.extras import installing
from isthmus.system.processes import process_pool
from isthmus.tools.shards.shard_run import Workers

PATIENCE = 10  # seconds to wait for the scheduler


def local_workers(count: int) -> Workers:
    """`count` processes on this machine."""
    return Workers(partial(process_pool, count), count)


def dask_workers(address: str) -> Workers:
    """The workers of the Dask scheduler at `address`, which must see the same files and have isthmus installed.

    Raises: UsageError without the extra `dask`; ResourceError if no scheduler answers, or if it has no workers.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        message = "--dask needs the package distributed, which is not installed."
        raise UsageError("USAGE-EXTRA", message, fix=installing("dask")) from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers at {address} ({str(error) or type(error).__name__})."
        raise ResourceError("RESOURCE-DASK", message, fix="use the address that `dask scheduler` printed") from None
    count = sum(client.nthreads().values())  # pyright: ignore[reportAttributeAccessIssue]
    if not count:
        client.close()
        message = f"the Dask scheduler at {address} has no workers."
        raise ResourceError("RESOURCE-DASK", message, fix=f"start one with `dask worker {address}`")

    @contextmanager
    def pool() -> Iterator[Executor]:
        yield client.get_executor()

    return Workers(pool, count, (KilledWorker,))


__all__ = ["dask_workers", "local_workers"]
