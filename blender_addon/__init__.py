"""Netrender inside Blender. So far only the renderer, which runs in a headless Blender; it imports nothing here."""
