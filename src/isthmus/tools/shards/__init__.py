"""Applies a trained run to many files: one output file per input file, on this machine or on a cluster."""

from isthmus.tools.shards.shard_task import ShardResult, ShardTask, process_shard, weights_of

__all__ = ["ShardResult", "ShardTask", "process_shard", "weights_of"]
