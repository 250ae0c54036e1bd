"""The frame of every page: one file with its style, its data and its little script inside.

Invariants
- Nothing is fetched: no address of any network is in a page, but those that a run itself names.
- Data can not end the element that holds it.
"""

import json
import platform
import sys
from importlib.metadata import version
from importlib.resources import files

import attrs

from sim.report.markup import Html, element, join


@attrs.frozen
class Versions:
    """What a run ran on."""

    tempest: str
    python: str
    trio: str
    platform: str

    @classmethod
    def here(cls) -> "Versions":
        return cls(
            version("tempestdb"),
            platform.python_version(),
            version("trio"),
            f"{platform.system()} {platform.machine()}, {sys.implementation.name}",
        )


def page(title: str, *parts: Html, data: object = None) -> str:
    """Return a whole page."""
    place = files("sim.report")
    style = place.joinpath("style.css").read_text(encoding="utf-8")
    script = place.joinpath("page.js").read_text(encoding="utf-8")
    text = json.dumps(data, separators=(",", ":"), default=repr, ensure_ascii=True)
    safe = text.replace("<", "\\u003c").replace("&", "\\u0026")
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width">'),
            element("title", title),
            element("style", Html(style)),
        ]
    )
    body = element(
        "body",
        *parts,
        element("script", Html(safe), type="application/json", id="data"),
        element("script", Html(script)),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>{body}</html>\n'


def facts(pairs: dict[str, str], *, small: bool = False) -> Html:
    """Return names and values, side by side."""
    items = [
        element("div", element("dt", name), element("dd", value))
        for name, value in pairs.items()
    ]
    return element("dl", *items, class_="facts small" if small else "facts")


def versions_of_here(more: dict[str, str] | None = None) -> Html:
    """Return what this page was made with, and more."""
    here = Versions.here()
    return facts(
        (more or {})
        | {
            "tempest": here.tempest,
            "Python": here.python,
            "trio": here.trio,
            "platform": here.platform,
        },
        small=True,
    )


def command(text: str) -> Html:
    """Return a command to type, with a button that copies it."""
    button = element("button", "copy", data_copy=text, hidden="")
    return element("div", element("code", text), button, class_="command")


def section(title: str, note: str, *parts: Html, name: str) -> Html:
    """Return a part of a page under a heading."""
    return element(
        "section",
        element("h2", title),
        element("p", note, class_="note"),
        *parts,
        id=name,
    )


def table(heads: list[tuple[str, str]], rows: list[Html], classes: str = "") -> Html:
    """Return a table; a head is its text and its class."""
    head = element("tr", *(element("th", text, class_=kind) for text, kind in heads))
    return element(
        "table", element("thead", head), element("tbody", *rows), class_=classes
    )


def cell(content: Html | str, kind: str = "") -> Html:
    """Return a cell of a table."""
    return element("td", content, class_=kind or None)
