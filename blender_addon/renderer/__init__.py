"""The renderer: a headless Blender that keeps one scene open and renders frame after frame on command.

Standard library and bpy only: it runs in whichever Python this Blender has.
"""
