"""What `scripts/bench` runs: one module a benchmark."""
