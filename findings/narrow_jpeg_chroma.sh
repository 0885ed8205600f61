#!/usr/bin/env bash
# Pillow 11.3.0 with its libjpeg-turbo: how wide an image is decides how its chroma is
# enlarged. With 4:2:0, chroma has half the width. Where that is 3 samples or more, Pillow
# decodes with the triangle filter ("fancy upsampling", 3/4 and 1/4); where it is 1 or 2, by
# repetition. A decoder that follows the format's usual description
# differs from it on images up to 4 pixels wide.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 pillow==11.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
from PIL import Image, features

print("Pillow", Image.__version__, "with libjpeg-turbo", features.version("libjpeg_turbo"))


def decoded(width):
    """Cb of the first row, of an image whose halves have another Cb."""
    planes = np.full((16, width, 3), 128, "uint8")
    planes[:, : width // 2, 1] = 100
    planes[:, width // 2 :, 1] = 156
    file = io.BytesIO()
    Image.fromarray(planes, "YCbCr").save(file, "JPEG", quality=100, subsampling=2)
    image = Image.open(io.BytesIO(file.getvalue())).convert("YCbCr")
    return np.asarray(image)[8, :, 1].astype(int)


found = {width: decoded(width) for width in (4, 8)}
for width, row in found.items():
    print(f"{width} pixels wide: Cb", row.tolist())
# At the edge in the middle: two values, or the filter's steps between them.
assert len(set(np.round(found[4] / 8))) == 2, found[4]
assert len(set(np.round(found[8] / 8))) == 4, found[8]
PYTHON
