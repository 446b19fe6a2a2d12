"""Take the picture for the README and the home page out of the executed chapter: python tools/result_picture.py."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = ROOT / "book" / "whole_method.ipynb"
PICTURE = ROOT / "book" / "images" / "whole_method.png"
FIGURE = re.compile(r'alt="[^"]*the experts&#x27; nuclei[^"]*"[^>]*src="data:image/png;base64,([^"]+)"')


def result_picture(chapter: Path = CHAPTER) -> bytes:
    """Return the PNG of the figure that compares BFS-Net with the experts."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    pages = ["".join(out["data"].get("text/html", "")) for c in cells for out in c.get("outputs", []) if "data" in out]
    (found,) = [match for page in pages for match in FIGURE.findall(page)]
    return base64.b64decode(found)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(result_picture())
    print(f"written to {PICTURE.relative_to(ROOT)}")
