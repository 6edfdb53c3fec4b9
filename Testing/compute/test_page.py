"""The report page is one file that shows what it was given."""

import base64
from html.parser import HTMLParser

import pytest

from cardiactwins.compute.page import PageSection, write_page

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Texts(HTMLParser):
    """Collects texts, images and unclosed tags."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.images, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append(dict(attributes))
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_texts_tables_and_pictures_are_inside_the_page(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(PIXEL)
    section = PageSection(
        "Results & limits", ("5 < 6",), [{"name": "a <b>", "loss": 0.123456}], {"A dot": picture}
    )
    page = Texts(write_page(tmp_path / "report.html", "Title", [section]).read_text(encoding="utf-8"))
    assert page.open == []
    assert {"Title", "Results & limits", "5 < 6", "a <b>", "0.1235", "A dot"} <= set(page.texts)
    assert base64.b64decode(page.images[0]["src"].split(",")[1]) == PIXEL
    assert page.images[0]["alt"] == "A dot"


def test_a_page_whose_picture_is_missing_is_not_written(tmp_path):
    section = PageSection("Pictures", pictures={"gone": tmp_path / "gone.png"})
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / "report.html", "Title", [section])
    assert not (tmp_path / "report.html").exists()
