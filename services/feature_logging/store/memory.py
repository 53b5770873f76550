"""Arrow's memory: what is free goes back to the system."""

import pyarrow as pa


def use_system_allocator() -> None:
    """For what pyarrow holds: Arrow's own allocator keeps ever more pages of which some is free. The buffers of
    Parquet's writer and reader, some MB, stay with it.
    """
    pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """What is free now, and would be kept for what comes."""
    pa.default_memory_pool().release_unused()
