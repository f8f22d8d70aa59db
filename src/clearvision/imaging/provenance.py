"""A note in a picture's XMP that says a network enlarged it, which one, and by how much.

Facts: XMP specification part 1 (ISO 16684-1), packets; IPTC Photo Metadata Standard, Digital Source Type, whose value
``algorithmicallyEnhanced`` stands for pictures "modified by an algorithm".
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

NAMESPACE = "urn:clearvision:provenance:1"
ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
_END = re.compile(rb"</rdf:RDF\s*>")
# without "<" between, so that the time stays in proportion to the packet, whatever is in it
_OURS = re.compile(rb'<rdf:Description [^<>]*xmlns:clearvision="' + re.escape(NAMESPACE).encode() + rb'"[^<>]*/>')


def note_provenance(xmp: bytes | None, *, model: str, scale: float, version: str) -> bytes:
    """Return an XMP packet with the note added, or renewed where an earlier enlargement left one.

    Args:
        xmp: the picture's packet, or None for a new one; one that is no RDF in UTF-8 comes back as it is.
        model: the model's name.
        scale: sides of the result divided by those of the picture.
        version: of this program.
    """
    facts = {"Model": model, "Scale": f"{scale:.4g}", "Version": version}
    told = "".join(f" clearvision:{name}={quoteattr(value)}" for name, value in facts.items())
    packet = _OURS.sub(b"", _PACKET.encode() if xmp is None else xmp)
    source = "" if b"DigitalSourceType" in packet else f' Iptc4xmpExt:DigitalSourceType="{ENHANCED}"'
    note = (
        f'<rdf:Description rdf:about="" xmlns:clearvision="{NAMESPACE}" '
        f'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{source}{told}/>'
    )
    ends = [found.start() for found in _END.finditer(packet)]
    if not ends:
        return packet if xmp is None else xmp
    return packet[: ends[-1]] + note.encode() + packet[ends[-1] :]


def holds_only_note(xmp: bytes) -> bool:
    """Whether a packet says nothing but what :func:`note_provenance` wrote for a picture that had none."""
    return _OURS.sub(b"", xmp) == _PACKET.encode()
