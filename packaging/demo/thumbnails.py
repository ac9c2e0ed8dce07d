"""Thumbnails of every picture below the first directory, as PPM and PNG, into the second."""

import sys
from pathlib import Path

from PIL import Image, ImageOps

source, target = Path(sys.argv[1]), Path(sys.argv[2])
for path in sorted(source.rglob("*")):
    if path.suffix in (".png", ".jpg"):
        with Image.open(path) as picture:
            small = ImageOps.contain(picture.convert("RGB"), (160, 160))
        small.save(target / f"{path.stem}.ppm")
        small.save(target / f"{path.stem}.png")
