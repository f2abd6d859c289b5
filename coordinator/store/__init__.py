"""What survives a restart: jobs, frames and slaves in SQLite; blobs and results as files named by their SHA-256."""
