"""Stands in for Blender's UILayout, which needs a window: keeps what a panel put there."""

from __future__ import annotations

from typing import Any


class Button:
    """Takes the properties that the panel gives an operator."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text


class Layout:
    def __init__(self, kept: Layout | None = None) -> None:
        self.texts: list[str] = kept.texts if kept is not None else []
        self.buttons: list[Button] = kept.buttons if kept is not None else []
        self.properties: list[str] = kept.properties if kept is not None else []
        self.bars: list[tuple[str, float]] = kept.bars if kept is not None else []
        self.lists: list[str] = kept.lists if kept is not None else []
        self.placeholders: dict[str, str] = kept.placeholders if kept is not None else {}

    def row(self, **_: Any) -> Layout:
        return Layout(self)

    column = split = row

    def label(self, *, text: str = "", **_: Any) -> None:
        self.texts.append(text)

    def prop(self, owner: Any, name: str, *, placeholder: str = "", **_: Any) -> None:
        getattr(owner, name)  # a name that is not there is an error in Blender too
        self.placeholders[name] = placeholder
        self.properties.append(name)

    def operator(self, name: str, *, text: str = "", **_: Any) -> Button:
        self.buttons.append(Button(name.removeprefix("netrender."), text))
        return self.buttons[-1]

    def progress(self, *, text: str, factor: float) -> None:
        assert 0 <= factor <= 1
        self.bars.append((text, factor))

    def template_list(self, widget: str, _: str, *rows: Any, **__: Any) -> None:
        self.lists.append(widget)

    def separator(self) -> None:
        pass

    @property
    def names(self) -> list[str]:
        """Of the operators."""
        return [button.name for button in self.buttons]
