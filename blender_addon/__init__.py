"""Netrender inside Blender. Imports nothing until it is registered: the renderer of a slave is in here too."""


def register() -> None:
    from . import registration

    registration.register()


def unregister() -> None:
    from . import registration

    registration.unregister()
