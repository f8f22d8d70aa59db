from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from clearvision.imaging.io import read_picture, write_picture
from clearvision.imaging.provenance import ENHANCED, NAMESPACE, note_provenance
from clearvision.types import Picture

OWN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="J"/></rdf:RDF></x:xmpmeta>'
)


def notes(xmp: bytes) -> list[dict[str, str]]:
    root = ElementTree.fromstring(xmp)
    return [found.attrib for found in root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_the_note_is_in_the_file_beside_what_was_there(tmp_path: Path, suffix: str) -> None:
    xmp = note_provenance(OWN, model='a"<b>&', scale=4, version="1.2")
    write_picture(Picture(np.zeros((8, 8, 3), np.uint8), xmp=xmp), tmp_path / f"a{suffix}")
    back = read_picture(tmp_path / f"a{suffix}").xmp
    assert back is not None
    theirs, ours = notes(back.rstrip(b"\0"))
    assert theirs["{http://purl.org/dc/elements/1.1/}creator"] == "J"
    assert ours[f"{{{NAMESPACE}}}Model"] == 'a"<b>&'
    assert ours[f"{{{NAMESPACE}}}Scale"] == "4"
    assert ours["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"] == ENHANCED


def test_a_second_enlargement_renews_the_note() -> None:
    once = note_provenance(None, model="one", scale=2, version="1")
    twice = note_provenance(once, model="two", scale=2.5, version="2")
    (note,) = notes(twice)
    assert note[f"{{{NAMESPACE}}}Model"] == "two"
    assert note[f"{{{NAMESPACE}}}Scale"] == "2.5"
    assert len(twice) < len(once) + 10


def test_what_is_no_xmp_stays_as_it_is() -> None:
    assert note_provenance(b"not xml", model="one", scale=2, version="1") == b"not xml"


def test_a_source_that_is_stated_is_not_overwritten() -> None:
    stated = OWN.replace(b'dc:creator="J"', b'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" i:DigitalSourceType="x"')
    assert ENHANCED.encode() not in note_provenance(stated, model="one", scale=2, version="1")


@pytest.mark.parametrize("part", [b"</rdf:RDF>", b"<rdf:Description "])
def test_a_packet_of_one_thing_over_and_over_takes_no_longer_than_another(part: bytes) -> None:
    assert len(note_provenance(part * 200_000, model="a", scale=2, version="1")) >= len(part) * 200_000


@pytest.mark.parametrize("suffix", [".bmp", ".tga", ".ppm", ".jp2"])
def test_the_note_alone_is_left_out_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    note = note_provenance(None, model="one", scale=2, version="1")
    write_picture(Picture(pixels, xmp=note), tmp_path / f"a{suffix}")
    assert caplog.messages == []
    theirs = note_provenance(OWN, model="one", scale=2, version="1")
    write_picture(Picture(pixels, xmp=theirs), tmp_path / f"a{suffix}")
    assert "profile and metadata are left out" in caplog.text
