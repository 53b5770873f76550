"""Names that the feature log's tables and snapshots keep for themselves; no feature may have one of them."""

RESERVED = frozenset(
    {
        "bundle_digest",
        "champion_scores",
        "definition_digest",
        "entity",
        "event_day",
        "event_time",
        "flags",
        "kind",
        "label",
        "label_time",
        "latency_us",
        "log_time",
        "prediction_time",
        "producer",
        "repeat",
        "request_id",
        "role",
        "row",
        "rows_so_far",
        "score",
        "scores",
        "sequence",
        "source_offset",
        "source_partition",
        "source_row",
        "traceparent",
        "value",
    }
)
