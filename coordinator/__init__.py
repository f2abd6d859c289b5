"""Netrender without Blender: protocol, scheduling, coordinator, slave, client and command line. Never imports bpy."""

__version__ = "0.1.0"
