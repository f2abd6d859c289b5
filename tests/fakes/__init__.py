"""Stand-ins that misbehave on command, where the real thing cannot be made to."""
