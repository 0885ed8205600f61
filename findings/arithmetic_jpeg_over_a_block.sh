#!/usr/bin/env bash
# Pillow 13.0.0: an arithmetic-coded JPEG whose scan goes on after the first 65,536 bytes of
# the file opens, has a size and a mode, and then raises "broken data stream" as it loads.
# Libjpeg's arithmetic decoder cannot wait for more data in the middle of a scan, and Pillow
# gives it ImageFile.MAXBLOCK bytes at a time. With one block as large as the file, the same
# bytes load, and give the pixels of the file that a comment has not pushed over the border.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io

from PIL import Image, ImageFile, features

# A ramp of 32 by 32 pixels, written by `cjpeg -arithmetic` of libjpeg-turbo.
SMALL = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb00430008060607060508070707090908"
    "0a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c1c2837292c303134"
    "34341f27393d38323c2e333432ffdb0043010909090c0b0c180d0d1832211c21323232323232"
    "3232323232323232323232323232323232323232323232323232323232323232323232323232"
    "323232323232ffc90011080020002003012200021101031101ffcc000a0010100501101105ff"
    "da000c03010002110311003f00ff00cf866529baf86eb357ed275772ebc6cdbf72ceae8e773c"
    "42a9c85cdbe0e8835f77dca7cfbaf9e8c01113148d28d71485f776757d4d1a1d085bd7e006ad"
    "4ef0ce10b8eafd3fcf3383ffd9"
)


def with_comment(size):
    """The same image, with so many bytes between its start and its tables."""
    return SMALL[:2] + b"\xff\xfe" + (size + 2).to_bytes(2, "big") + bytes(size) + SMALL[2:]


def load(content):
    image = Image.open(io.BytesIO(content))
    try:
        return image.convert("RGB").tobytes()
    except OSError as error:
        return f"{image.size}, {image.mode}, then {type(error).__name__}: {error}"


print("Pillow", Image.__version__, "with libjpeg-turbo", features.version("libjpeg_turbo"))
before_scan = SMALL.rindex(b"\xff\xda") + 4
inside = with_comment(ImageFile.MAXBLOCK - before_scan - 400)
across = with_comment(ImageFile.MAXBLOCK - before_scan - 20)
assert load(inside) == load(SMALL)
failed = load(across)
print(len(across), "bytes, in blocks of", ImageFile.MAXBLOCK, "->", failed)
assert "broken data stream" in failed, failed
ImageFile.MAXBLOCK = 2 * len(across)
print("in one block -> the pixels of the small file:", load(across) == load(SMALL))
assert load(across) == load(SMALL)
PYTHON
