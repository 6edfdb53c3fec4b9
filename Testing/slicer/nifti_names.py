"""Names of labels in the header of a NIfTI file."""

import gzip
import struct


def with_names(path, names):
    """Put a table of label names into the header of a NIfTI file, as TotalSegmentator does."""
    raw = gzip.decompress(path.read_bytes())
    rows = "".join(f'<Label Key="{k}"><![CDATA[{v}]]></Label>' for k, v in names.items())
    table = f"<VolumeInformation><LabelTable>{rows}</LabelTable></VolumeInformation>"
    text = f"<CaretExtension>{table}</CaretExtension>"
    content = text.encode() + b" " * (-len(text) % 16)
    start = int(struct.unpack_from("<f", raw, 108)[0])
    head = bytearray(raw[:348])
    struct.pack_into("<f", head, 108, 352 + 8 + len(content))
    extension = b"\1\0\0\0" + struct.pack("<ii", 8 + len(content), 0) + content
    path.write_bytes(gzip.compress(bytes(head) + extension + raw[start:]))
    return path
