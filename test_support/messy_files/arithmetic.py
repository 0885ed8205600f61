"""A JPEG that is coded arithmetically, which Pillow reads and does not write."""

import struct

# A ramp of 32x32 pixels, by `cjpeg -arithmetic` of libjpeg-turbo.
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
BLOCK = 65_536  # bytes that Pillow reads at a time


def over_a_block(small: bytes = SMALL) -> bytes:
    """The same image with a comment, so that the first block ends in its scan."""
    scan = small.rindex(b"\xff\xda")
    size = BLOCK - scan - 24
    return (
        small[:2] + b"\xff\xfe" + struct.pack(">H", size + 2) + bytes(size) + small[2:]
    )
