"""Strict readers of every format: each raises where a file is not well-formed, and says what it read."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import xmlschema
from markdown_it import MarkdownIt
from pylatexenc.latexwalker import LatexWalker

from advntk.reports.summary import schema

VOID = ("meta", "br", "img", "input", "link", "hr")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def read_json(text):
    """The value of strict JSON: no NaN, no Infinity."""

    def refuse(token):
        raise AssertionError(f"not strict JSON: {token}")

    return json.loads(text, parse_constant=refuse)


def read_summary(text):
    """A summary that its schema accepts."""
    found = read_json(text)
    validator = jsonschema.Draft202012Validator(
        json.loads(schema()), format_checker=jsonschema.FormatChecker()
    )
    validator.validate(found)
    return found


@cache
def _junit():
    return xmlschema.XMLSchema(str(Path(__file__).with_name("junit.xsd")))


def read_junit(text):
    """The root of XML that the schema accepts."""
    root = ElementTree.fromstring(text.encode())
    _junit().validate(root)
    return root


def read_markdown(text):
    """Rows of its tables, as lists of what a reader sees; no HTML but mark and folding of findings."""
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    tokens = parser.parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    html = [t.content.strip() for t in [*tokens, *inline] if t.type.startswith("html")]
    # First of all, who wrote it.
    assert re.fullmatch(r"<!-- advntk report( \(comparison\))? -->", html.pop(0))
    assert all(re.fullmatch(r"<details><summary>Findings \(\d+\)</summary>|</details>", h) for h in html), (
        html
    )
    assert not [
        t.type for t in inline if t.type in ("link_open", "image", "code_inline", "em_open", "s_open")
    ]
    rows: list[list[str]] = []
    for token, following in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("td_open", "th_open"):
            rows[-1].append("".join(c.content for c in following.children or ()))
    assert CONTROL.search(text) is None
    return rows


def read_latex(text):
    """Rows of the table as the code between the line ends; every brace and environment closed."""
    nodes, _, _ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    (table,) = [n for n in nodes if getattr(n, "environmentname", "") == "longtable"]
    assert CONTROL.search(text) is None and text.isascii()
    body = table.latex_verbatim().split("\\endfoot")[1]
    return [row.strip() for row in re.split(r"\\\\\n", body)[:-1]]


def read_csv(text):
    """Rows as dicts; every one as long as the header."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert all(len(row) == len(header) for row in rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


class Html(HTMLParser):
    """Fails where tags do not nest, something is fetched, or a script runs that no policy names."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.labels, self.texts, self.scripts = [], [], [], [], []
        self.policy, self.named = "", []
        self.feed(text)
        self.close()
        for script in self.scripts:
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"script-src 'sha256-{digest}'" in self.policy
        assert len(self.scripts) <= 1 and all(name in self.ids for name in self.named)
        assert len(self.ids) == len(set(self.ids))
        assert self.open == [] and CONTROL.search(text) is None
        assert not re.search(r"url\((?!#)|@import", text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        assert tag not in ("iframe", "object", "base") and not any(name.startswith("on") for name in found)
        outside = [found.get(name) or "" for name in ("src", "href", "xlink:href")]
        assert all(value in ("", "data:,") or value.startswith(("#", "data:image/png;")) for value in outside)
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
            assert self.policy.startswith("default-src 'none'; ")
        if tag == "script":
            assert not found
            self.scripts.append("")
        self.ids += [found["id"]] if "id" in found else []
        if tag == "figure":
            self.labels.append(found.get("aria-label") or found["aria-labelledby"])
            self.named += [found["aria-labelledby"]] if "aria-labelledby" in found else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.texts.append(data)


def read_html(text):
    """A page that fetches and runs nothing."""
    return Html(text)
