"""HTML and SVG from values: everything that is not `Html` is escaped.

Invariants
- Text that came from a run can never become markup.
"""

from html import escape

Child = str | float | None  # `Html` is a `str`


class Html(str):
    """Markup that is ready."""

    __slots__ = ()


def element(name: str, *children: Child, **attributes: str | float | None) -> Html:
    """Return an element; `class_` is `class`, other underscores are hyphens, None is left out."""
    inside = "".join(map(_text, children))
    parts = "".join(
        f' {_attribute(key)}="{escape(_text_of(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{parts}>{inside}</{name}>")


def join(parts: list[Html]) -> Html:
    """Return several pieces of markup as one."""
    return Html("".join(parts))


def number(value: float) -> str:
    """Return a coordinate with as many digits as the eye can see."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")


def _attribute(key: str) -> str:
    return {"class_": "class", "view_box": "viewBox"}.get(key, key.replace("_", "-"))


def _text(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(_text_of(child))


def _text_of(value: str | float) -> str:
    return number(value) if isinstance(value, float) else str(value)
