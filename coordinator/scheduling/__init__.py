"""Who renders what: ``step(farm, event) -> decisions``. No clock, no I/O, no logger: time comes with the events."""
