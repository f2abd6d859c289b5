"""What `scripts/simulate` runs: the real scheduler, with virtual time and made-up slaves."""
