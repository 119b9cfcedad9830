"""The only writer of task graphs: a handful of patterns, no science."""
